// The verbs that need no running server: manifest, version, health.

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"parley/adapters/discord"
	"parley/adapters/slack"
	"parley/bots"
)

// manifest prints what a platform must be told so that a bot works there.
func manifest(args []string, p process) int {
	flags := flag.NewFlagSet("manifest", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	id := flags.String("bot", "", "")
	base := flags.String("url", "", "")
	asJSON := flags.Bool("json", false, "")
	platform := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		platform, args = args[0], args[1:]
	}
	if err := flags.Parse(args); err != nil {
		return complain(p.stderr, err)
	}
	if platform == "" {
		platform = flags.Arg(0)
	}
	if platform != "slack" && platform != "discord" {
		return complain(p.stderr, fmt.Errorf("manifest takes slack or discord, then --bot ID; with --url the public address of this server (Slack over HTTP)"))
	}
	s, problems := read(p)
	if len(s.bots) == 0 {
		return complain(p.stderr, problems...)
	}
	i := slices.IndexFunc(s.bots, func(b bots.Bot) bool { return b.ID == *id })
	if *id == "" && len(s.bots) == 1 {
		i = 0
	}
	if i < 0 {
		var ids []string
		for _, b := range s.bots {
			ids = append(ids, b.ID)
		}
		return complain(p.stderr, fmt.Errorf("--bot %q is not a bot here; there is %s", *id, strings.Join(ids, ", ")))
	}
	text, err := describe(platform, s.bots[i], *base, *asJSON)
	if err != nil {
		return complain(p.stderr, err)
	}
	_, _ = fmt.Fprintln(p.stdout, strings.TrimSpace(text))
	return 0
}

// describe is Slack's app manifest, which is JSON, or Discord's setup for
// people or machines.
func describe(platform string, b bots.Bot, base string, asJSON bool) (string, error) {
	if platform == "slack" {
		text, err := slack.Manifest(b, base)
		return string(text), err
	}
	setup, err := discord.Manifest(b, base)
	if err != nil || !asJSON {
		return setup.String(), err
	}
	text, err := setup.JSON()
	return string(text), err
}

func printVersion(args []string, p process) int {
	if slices.Contains(args, "--json") {
		_ = json.NewEncoder(p.stdout).Encode(map[string]string{"version": version()})
		return 0
	}
	_, _ = fmt.Fprintln(p.stdout, "parley", version())
	return 0
}

// checkHealth asks the server on HTTP_ADDR whether it is alive, for a container
// that has no curl.
func checkHealth(ctx context.Context, p process) int {
	s, _ := read(p)
	host, port, err := net.SplitHostPort(s.config.HTTPAddr)
	if err != nil {
		return complain(p.stderr, fmt.Errorf("HTTP_ADDR: %w", err))
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return complain(p.stderr, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return complain(p.stderr, err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return complain(p.stderr, fmt.Errorf("the server answered %s", response.Status))
	}
	return 0
}
