// The verbs manifest, version and health.

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

	"parley/bots"
	"parley/internal/chat"
)

func manifestVerb(table []platform) operatorVerb {
	return operatorVerb{takes: strings.Join(manifestNames(table), "|") + " [--bot ID] [--url PUBLIC-ADDRESS]", run: manifest, least: 1, most: 1,
		does: "prints the app manifest or setup steps for a platform; --url: for signed HTTP requests",
		flags: func(o *operator) {
			o.flags.String("bot", "", "")
			o.flags.String("url", "", "")
		}}
}

// manifest prints how to set up a bot on a platform. It uses the definitions in
// BOTS_DIR if that is set, else the server's, or the built-in ones if no server is
// running.
func manifest(ctx context.Context, o *operator) error {
	platform, id, base := o.args[0], flagText(o.flags, "bot"), flagText(o.flags, "url")
	s, problems := read(o.process)
	var m described
	var err error
	if s.config.BotsDir == "" {
		err = o.call(ctx, http.MethodGet, "/manifest/"+url.PathEscape(platform)+"?"+url.Values{"bot": {id}, "url": {base}}.Encode(), nil, &m)
		if e, ok := errors.AsType[*operatorError](err); ok && e.stranger {
			m, err = describe(s, platform, id, base)
		}
	} else if len(s.bots) == 0 {
		return errors.Join(problems...)
	} else {
		m, err = describe(s, platform, id, base)
	}
	if err != nil {
		return err
	}
	return o.show(m.Manifest, func(w io.Writer) { _, _ = fmt.Fprintln(w, strings.TrimSpace(m.Text)) })
}

// described is how to set up a bot on a platform, for people and for machines.
type described struct {
	Bot      string          `json:"bot"`
	Text     string          `json:"text"`
	Manifest json.RawMessage `json:"manifest"`
}

// describe makes the manifest of a bot. An empty id is the default bot.
func describe(s settings, name, id, base string) (described, error) {
	usage := func(format string, args ...any) error {
		return &operatorError{code: exitUsage, text: fmt.Sprintf(format, args...)}
	}
	p, ok := withManifest(s.platforms, name)
	if !ok {
		return described{}, usage("manifest takes %s, not %q", chat.Listed(manifestNames(s.platforms), "or"), name)
	}
	i := slices.IndexFunc(s.bots, func(b bots.Bot) bool { return b.ID == id || id == "" && b.Default })
	if i < 0 && id == "" {
		i = 0 // bots are sorted by id
	}
	if i < 0 {
		var ids []string
		for _, b := range s.bots {
			ids = append(ids, b.ID)
		}
		return described{}, usage("--bot: there is no bot %q; the bots are %s", id, strings.Join(ids, ", "))
	}
	b := s.bots[i]
	m, err := p.Manifest(b.Profile(p.Platform), base)
	return described{Bot: b.ID, Text: m.Text, Manifest: m.JSON}, err
}

// withManifest finds the platform with that name, if it has a manifest.
func withManifest(table []platform, name string) (platform, bool) {
	i := slices.IndexFunc(table, func(p platform) bool { return p.Name == name && p.Manifest != nil })
	if i < 0 {
		return platform{}, false
	}
	return table[i], true
}

func manifestNames(table []platform) []string {
	var names []string
	for _, p := range table {
		if p.Manifest != nil {
			names = append(names, p.Name)
		}
	}
	return names
}

func printVersion(_ context.Context, o *operator) error {
	return o.show(map[string]string{"version": version()}, func(w io.Writer) { _, _ = fmt.Fprintln(w, "parley", version()) })
}

// checkHealth asks the server whether it is alive, for containers without curl.
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
