// The verbs beside the admin API: manifest, version, health.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
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

// manifest prints what a platform must be told so that a bot works there. The
// definitions are those of BOTS_DIR where that is set here, else those of the
// server; before there is a server, the ones built in.
func manifest(ctx context.Context, o *operator) error {
	platform, id, base := o.args[0], flagText(o.flags, "bot"), flagText(o.flags, "url")
	s, problems := read(o.process)
	var m described
	var err error
	if s.config.BotsDir == "" {
		err = o.call(ctx, http.MethodGet, "/manifest/"+url.PathEscape(platform)+"?"+url.Values{"bot": {id}, "url": {base}}.Encode(), nil, &m)
		if e, ok := errors.AsType[*operatorError](err); ok && e.stranger {
			m, err = describe(s.bots, platform, id, base)
		}
	} else if len(s.bots) == 0 {
		return errors.Join(problems...)
	} else {
		m, err = describe(s.bots, platform, id, base)
	}
	if err != nil {
		return err
	}
	return o.show(m.Manifest, func(w io.Writer) { _, _ = fmt.Fprintln(w, strings.TrimSpace(m.Text)) })
}

// described is what a platform must be told of a bot, for people and machines.
type described struct {
	Bot      string          `json:"bot"`
	Text     string          `json:"text"`
	Manifest json.RawMessage `json:"manifest"`
}

// describe makes Slack's app manifest, which is JSON, or Discord's setup. An
// empty id is the bot that answers first.
func describe(all []bots.Bot, platform, id, base string) (described, error) {
	usage := func(format string, args ...any) error {
		return &operatorError{code: exitUsage, text: fmt.Sprintf(format, args...)}
	}
	if platform != "slack" && platform != "discord" {
		return described{}, usage("manifest takes slack or discord, not %q", platform)
	}
	i := slices.IndexFunc(all, func(b bots.Bot) bool { return b.ID == id || id == "" && b.Default })
	if i < 0 && id == "" {
		i = 0 // they stand in the order of their ids
	}
	if i < 0 {
		var ids []string
		for _, b := range all {
			ids = append(ids, b.ID)
		}
		return described{}, usage("--bot %q is not a bot here; there is %s", id, strings.Join(ids, ", "))
	}
	m := described{Bot: all[i].ID}
	if platform == "slack" {
		text, err := slack.Manifest(all[i], base)
		m.Text, m.Manifest = string(text), text
		return m, err
	}
	setup, err := discord.Manifest(all[i], base)
	if err != nil {
		return m, err
	}
	m.Text = setup.String()
	m.Manifest, err = setup.JSON()
	return m, err
}

func printVersion(_ context.Context, o *operator) error {
	return o.show(map[string]string{"version": version()}, func(w io.Writer) { _, _ = fmt.Fprintln(w, "parley", version()) })
}

// checkHealth asks the server whether it is alive, for a container that has no
// curl.
func checkHealth(ctx context.Context, o *operator) error {
	server, err := o.target()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.url+"/healthz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return unreachable(server, err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", server.url, response.Status)
	}
	return o.show(map[string]string{"status": "alive", "url": server.url}, func(w io.Writer) { _, _ = fmt.Fprintln(w, "alive at", server.url) })
}
