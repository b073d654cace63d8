// The verbs parley provider …, except test and import.

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"parley/internal/provider"
	"parley/internal/registry"
)

func providerVerbs() []operatorVerb {
	return []operatorVerb{
		{name: "list", takes: "[--source builtin|file|custom]", does: "lists the providers", run: listProviders,
			flags: func(o *operator) { o.flags.String("source", "", "") }},
		{name: "show", takes: "ID", does: "shows one provider, with its learned quirks", run: showProvider, least: 1, most: 1},
		{name: "put", takes: "ID [FILE]", does: "adds or replaces a provider; reads JSON from a file or standard input", run: putProvider, least: 1, most: 2,
			flags: func(o *operator) { o.flags.String("file", "", "") }},
		{name: "remove", takes: "ID", does: "removes a provider", run: removeProvider, least: 1, most: 1},
		{name: "test", takes: "ID [MODEL]", does: "sends the endpoint a real request and reports problems", run: testProvider, least: 1, most: 2,
			flags: func(o *operator) { o.flags.String("model", "", "") }},
		{name: "import", takes: "[FILE] [--format parley|aiscouncil|litellm|librechat] [--id OLD=NEW] [--only ID] [--dry-run]", does: "imports providers from other programs' files", run: importProviders, most: 1,
			flags: func(o *operator) {
				o.flags.String("format", "", "")
				o.flags.Var(&listFlag{}, "id", "")
				o.flags.Var(&listFlag{}, "only", "")
				o.flags.Bool("dry-run", false, "")
			}},
		{name: "export", takes: "[ID…] [--output FILE]", does: "writes records without secrets, for import and PROVIDERS_FILE", run: exportProviders, most: 1000,
			flags: func(o *operator) { o.flags.String("output", "", "") }},
	}
}

// shownProvider is a provider as the API shows it.
type shownProvider struct {
	ID           string                     `json:"id"`
	Source       string                     `json:"source"`
	Name         string                     `json:"name"`
	Endpoint     string                     `json:"endpoint"`
	APIKey       string                     `json:"apiKey"`
	Models       provider.Models            `json:"models"`
	ExtraHeaders map[string]string          `json:"extraHeaders"`
	Pricing      *provider.Pricing          `json:"pricing"`
	MaxInput     int                        `json:"maxInput"`
	Learned      map[string]provider.Quirks `json:"learned"`
	Problem      string                     `json:"problem"`
}

// listFlag is a flag that can be repeated or take a comma-separated list.
type listFlag []string

func (l *listFlag) String() string { return strings.Join(*l, ",") }

// Set adds the parts of value.
func (l *listFlag) Set(value string) error {
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part != "" {
			*l = append(*l, part)
		}
	}
	return nil
}

// flagList is the value of a listFlag.
func flagList(f *flag.FlagSet, name string) []string {
	l, ok := f.Lookup(name).Value.(*listFlag)
	if !ok {
		return nil
	}
	return *l
}

// flagText is the value of a string flag.
func flagText(f *flag.FlagSet, name string) string { return f.Lookup(name).Value.String() }

func listProviders(ctx context.Context, o *operator) error {
	path := "/providers"
	if source := flagText(o.flags, "source"); source != "" {
		path += "?source=" + url.QueryEscape(source)
	}
	var raw json.RawMessage
	if err := o.call(ctx, http.MethodGet, path, nil, &raw); err != nil {
		return err
	}
	var list struct{ Providers []shownProvider }
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	return o.show(raw, func(w io.Writer) {
		if len(list.Providers) == 0 {
			_, _ = fmt.Fprintln(w, "No providers. Add one with `parley provider put ID FILE`, or set a variable such as OPENAI_API_KEY.")
			return
		}
		rows := [][]string{{"ID", "SOURCE", "KEY", "MODELS", "ENDPOINT"}}
		for _, p := range list.Providers {
			endpoint := clip(p.Endpoint, 70)
			if p.Problem != "" {
				endpoint += "  ! " + p.Problem
			}
			rows = append(rows, []string{p.ID, p.Source, orDash(p.APIKey), clip(modelSummary(p.Models), 40), endpoint})
		}
		writeTable(w, rows)
	})
}

func modelSummary(m provider.Models) string {
	var ids []string
	for _, model := range m.List {
		ids = append(ids, model.ID)
	}
	s := strings.Join(ids[:min(2, len(ids))], ", ")
	if len(ids) > 2 {
		s += fmt.Sprintf(" +%d", len(ids)-2)
	}
	if m.Discover {
		s = strings.TrimPrefix(s+", (asked from the endpoint)", ", ")
	}
	return s
}

func providerPath(id string) string { return "/providers/" + url.PathEscape(id) }

func showProvider(ctx context.Context, o *operator) error {
	var raw json.RawMessage
	if err := o.call(ctx, http.MethodGet, providerPath(o.args[0]), nil, &raw); err != nil {
		return err
	}
	return o.showProvider(raw)
}

func (o *operator) showProvider(raw json.RawMessage) error {
	var p shownProvider
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &p); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		return err
	}
	return o.show(raw, func(w io.Writer) {
		rows := [][]string{{"id", p.ID}, {"name", p.Name}, {"source", p.Source}, {"endpoint", p.Endpoint}, {"api key", orDash(p.APIKey)}}
		if len(p.ExtraHeaders) > 0 {
			rows = append(rows, []string{"headers", strings.Join(slices.Sorted(maps.Keys(p.ExtraHeaders)), ", ") + " (set)"})
		}
		rows = append(rows, modelRows(p.Models)...)
		rows = append(rows, []string{"pricing", orDash(priceText(p.Pricing))}, []string{"max input", tokensText(p.MaxInput)})
		for _, field := range []string{"addParams", "dropParams", "preset", "endpoints", "maxConcurrent", "silenceTimeout", "tls", "proxy"} {
			if value, ok := all[field]; ok {
				rows = append(rows, []string{field, strings.Trim(compact(value), `"`)})
			}
		}
		for _, model := range slices.Sorted(maps.Keys(p.Learned)) {
			rows = append(rows, []string{"learned", model + ": " + p.Learned[model].String()})
		}
		if p.Problem != "" {
			rows = append(rows, []string{"problem", p.Problem})
		}
		writeTable(w, rows)
	})
}

func modelRows(m provider.Models) [][]string {
	var rows [][]string
	if m.Discover {
		rows = append(rows, []string{"models", "asked from the endpoint"})
	}
	for _, model := range m.List {
		about := []string{model.ID}
		if model.Name != model.ID {
			about[0] += " (" + model.Name + ")"
		}
		for _, s := range []string{priceText(model.Pricing), strings.TrimPrefix(tokensText(model.MaxInput), "unknown")} {
			if s != "" {
				about = append(about, s)
			}
		}
		if model.Vision {
			about = append(about, "vision")
		}
		rows = append(rows, []string{"model", strings.Join(about, ", ")})
	}
	return rows
}

func priceText(p *provider.Pricing) string {
	if p == nil {
		return ""
	}
	price := func(f float64) string { return "$" + strconv.FormatFloat(f, 'f', -1, 64) }
	return price(p.Input) + " in, " + price(p.Output) + " out per million tokens"
}

func tokensText(n int) string {
	if n == 0 {
		return "unknown"
	}
	return strconv.Itoa(n) + " tokens"
}

func putProvider(ctx context.Context, o *operator) error {
	id, file := o.args[0], flagText(o.flags, "file")
	if len(o.args) == 2 {
		file = o.args[1]
	}
	switch {
	case provider.ValidID(id):
	case file != "":
		return &operatorError{code: exitFailed, text: fmt.Sprintf("%q is not a valid provider id: use lowercase letters, digits and hyphens, for example corp-gateway", id)}
	case id != "-" && !exists(id):
		return &operatorError{code: exitUsage, text: fmt.Sprintf("%q is neither a provider id (lowercase letters, digits and hyphens, for example corp-gateway) nor a file", id)}
	default: // provider put FILE: the file has the id
		file, id = id, ""
	}
	body, err := o.read(file)
	if err != nil {
		return err
	}
	if id == "" {
		var named struct{ ID string }
		if json.Unmarshal(body, &named) != nil || named.ID == "" {
			return &operatorError{code: exitUsage, text: fmt.Sprintf("no id: %s has no \"id\" field; use `parley provider put ID %s`", o.args[0], o.args[0])}
		}
		id = named.ID
	}
	if len(body) == 0 {
		return &operatorError{code: exitUsage, text: "the record is empty; write a JSON object with at least an endpoint"}
	}
	var raw json.RawMessage
	if err := o.call(ctx, http.MethodPut, providerPath(id), body, &raw); err != nil {
		return err
	}
	return o.showProvider(raw)
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func removeProvider(ctx context.Context, o *operator) error {
	id := o.args[0]
	if err := o.call(ctx, http.MethodDelete, providerPath(id), nil, nil); err != nil {
		return err
	}
	return o.show(map[string]string{"removed": id}, func(w io.Writer) { _, _ = fmt.Fprintf(w, "removed %s\n", id) })
}

// exportProviders writes a map {id: record} of the stored records, or of the ones
// in args. It omits secrets and lists them on stderr.
func exportProviders(ctx context.Context, o *operator) error {
	var list struct{ Providers []map[string]json.RawMessage }
	if err := o.call(ctx, http.MethodGet, "/providers", nil, &list); err != nil {
		return err
	}
	out := map[string]map[string]json.RawMessage{}
	for _, record := range list.Providers {
		var p shownProvider
		text, err := json.Marshal(record)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &p); err != nil {
			return err
		}
		if len(o.args) == 0 && p.Source == registry.Builtin || len(o.args) > 0 && !slices.Contains(o.args, p.ID) {
			continue
		}
		out[p.ID] = withoutSecrets(record)
		if left := secretsOf(p, record); left != "" {
			_, _ = fmt.Fprintf(o.stderr, "parley: %s: %s left out\n", p.ID, left)
		}
	}
	for _, id := range o.args {
		if _, ok := out[id]; !ok {
			return &operatorError{code: exitFailed, text: fmt.Sprintf("there is no provider %q", id)}
		}
	}
	if name := flagText(o.flags, "output"); name != "" {
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		if err := printJSON(f, out); err != nil {
			_ = f.Close()
			return err
		}
		return f.Close()
	}
	return printJSON(o.stdout, out)
}

func withoutSecrets(record map[string]json.RawMessage) map[string]json.RawMessage {
	out := maps.Clone(record)
	for _, field := range []string{"id", "source", "apiKey", "extraHeaders", "learned", "problem"} {
		delete(out, field)
	}
	if string(out["proxy"]) == `"set"` {
		delete(out, "proxy")
	}
	return out
}

func secretsOf(p shownProvider, record map[string]json.RawMessage) string {
	var left []string
	if p.APIKey != "" {
		left = append(left, "its API key")
	}
	for _, name := range slices.Sorted(maps.Keys(p.ExtraHeaders)) {
		left = append(left, "its header "+name)
	}
	if string(record["proxy"]) == `"set"` {
		left = append(left, "its proxy")
	}
	switch len(left) {
	case 0:
		return ""
	case 1:
		return left[0] + " is"
	}
	return strings.Join(left, ", ") + " are"
}
