// The verbs that need no running server: manifest, version, health.

package main

import (
	"context"
	"errors"
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

func manifestVerb() operatorVerb {
	return operatorVerb{takes: "slack|discord [--bot ID] [--url PUBLIC-ADDRESS]", run: manifest, least: 1, most: 1,
		does: "prints what the platform must be told; with --url for Slack over HTTP",
		flags: func(o *operator) {
			o.flags.String("bot", "", "")
			o.flags.String("url", "", "")
		}}
}

// manifest prints what a platform must be told so that a bot works there.
func manifest(_ context.Context, o *operator) error {
	platform := o.args[0]
	if platform != "slack" && platform != "discord" {
		return &operatorError{code: exitUsage, text: fmt.Sprintf("manifest takes slack or discord, not %q", platform)}
	}
	s, problems := read(o.process)
	if len(s.bots) == 0 {
		return errors.Join(problems...)
	}
	id := flagText(o.flags, "bot")
	i := slices.IndexFunc(s.bots, func(b bots.Bot) bool { return b.ID == id })
	if id == "" && len(s.bots) == 1 {
		i = 0
	}
	if i < 0 {
		var ids []string
		for _, b := range s.bots {
			ids = append(ids, b.ID)
		}
		return &operatorError{code: exitUsage, text: fmt.Sprintf("--bot %q is not a bot here; there is %s", id, strings.Join(ids, ", "))}
	}
	text, err := describe(platform, s.bots[i], flagText(o.flags, "url"), o.json)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(o.stdout, strings.TrimSpace(text))
	return nil
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

func printVersion(_ context.Context, o *operator) error {
	return o.show(map[string]string{"version": version()}, func(w io.Writer) { _, _ = fmt.Fprintln(w, "parley", version()) })
}

// checkHealth asks the server on HTTP_ADDR whether it is alive, for a container
// that has no curl.
func checkHealth(ctx context.Context, o *operator) error {
	s, _ := read(o.process)
	host, port, err := net.SplitHostPort(s.config.HTTPAddr)
	if err != nil {
		return fmt.Errorf("HTTP_ADDR: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answered %s", response.Status)
	}
	return o.show(map[string]string{"status": "alive"}, func(io.Writer) {})
}
