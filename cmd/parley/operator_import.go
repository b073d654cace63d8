// The verb parley provider import: puts each provider in another program's file.
// A stored provider keeps its secrets if the file has none.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"parley/internal/chat"
	"parley/internal/provider"
	"parley/internal/registry"
	"parley/internal/registry/importer"
)

// importReport is what an import did, or would do.
type importReport struct {
	Format  string             `json:"format"`
	DryRun  bool               `json:"dryRun"`
	Records []importAction     `json:"providers"`
	Skipped []importer.Skipped `json:"skipped"`
}

// importAction is the result for one record.
type importAction struct {
	ID       string   `json:"id"`
	Action   string   `json:"action"` // "add", "replace" or "failed"
	Endpoint string   `json:"endpoint"`
	Models   int      `json:"models"`
	Notes    []string `json:"notes,omitempty"`
	Error    string   `json:"error,omitempty"`
}

func importProviders(ctx context.Context, o *operator) error {
	name := ""
	if len(o.args) > 0 {
		name = o.args[0]
	}
	data, err := o.read(name)
	if err != nil {
		return err
	}
	env, err := o.environment()
	if err != nil {
		return err
	}
	found, err := importer.Parse(data, flagText(o.flags, "format"), env.Get)
	if err != nil {
		return &operatorError{code: exitUsage, text: err.Error()}
	}
	names, err := newIDs(flagList(o.flags, "id"))
	if err == nil {
		err = found.Choose(names, flagList(o.flags, "only"))
	}
	if err != nil {
		return &operatorError{code: exitUsage, text: err.Error()}
	}
	var list struct{ Providers []shownProvider }
	if err := o.call(ctx, http.MethodGet, "/providers", nil, &list); err != nil {
		return err
	}
	stored := map[string]shownProvider{}
	for _, p := range list.Providers {
		stored[p.ID] = p
	}
	report := importReport{Format: found.Format, DryRun: flagText(o.flags, "dry-run") == "true", Records: []importAction{}, Skipped: found.Skipped}
	if report.Skipped == nil {
		report.Skipped = []importer.Skipped{}
	}
	failed := 0
	for _, record := range found.Records {
		action, err := o.importRecord(ctx, record, stored, report.DryRun)
		if err != nil {
			return err
		}
		if action.Error != "" {
			failed++
		}
		report.Records = append(report.Records, action)
	}
	if err := o.show(report, report.print); err != nil {
		return err
	}
	if failed > 0 {
		return &operatorError{code: exitFailed, text: fmt.Sprintf("%d of %s could not be stored", failed, chat.Count(len(found.Records), "provider"))}
	}
	return nil
}

// newIDs parses pairs "OLD=NEW".
func newIDs(pairs []string) (map[string]string, error) {
	out := map[string]string{}
	for _, pair := range pairs {
		old, to, ok := strings.Cut(pair, "=")
		if !ok || old == "" || to == "" {
			return nil, fmt.Errorf("--id takes OLD=NEW, not %q", pair)
		}
		out[old] = to
	}
	return out, nil
}

// importRecord stores one record, unless it is a dry run. If the server refuses the
// record, the action says so; other failures are errors.
func (o *operator) importRecord(ctx context.Context, record importer.Record, stored map[string]shownProvider, dry bool) (importAction, error) {
	a := importAction{ID: record.ID, Action: "add", Endpoint: provider.ShownURL(record.Endpoint), Models: len(record.Models.List), Notes: record.Notes}
	body, err := record.Body()
	if err != nil {
		return a, err
	}
	switch old, ok := stored[record.ID]; {
	case ok && old.Source == registry.Builtin:
		a.Notes = append(a.Notes, "it overrides the built-in provider; remove it to restore that one")
	case ok:
		a.Action = "replace"
		a.Notes = append(a.Notes, keepSecrets(body, record, old)...)
	}
	if dry {
		return a, nil
	}
	text, err := json.Marshal(body)
	if err != nil {
		return a, err
	}
	err = o.call(ctx, http.MethodPut, providerPath(record.ID), text, nil)
	if e, ok := errors.AsType[*operatorError](err); ok && (e.status == http.StatusUnprocessableEntity || e.status == http.StatusRequestEntityTooLarge) {
		a.Action, a.Error = "failed", e.Error()
		return a, nil
	}
	return a, err
}

// keepSecrets writes "set" into body for secrets that are stored but not in the
// file, if the server stays the same. It returns notes for the operator.
func keepSecrets(body map[string]any, record importer.Record, old shownProvider) []string {
	noKey, noHeaders := record.APIKey.IsZero() && old.APIKey != "", len(record.ExtraHeaders) == 0 && len(old.ExtraHeaders) > 0
	if !noKey && !noHeaders {
		return nil
	}
	if !provider.SameServer(old.Endpoint, record.Endpoint) {
		return []string{"the stored secrets are deleted: they belong to another server"}
	}
	if noKey {
		body["apiKey"] = "set"
	}
	if noHeaders {
		body["extraHeaders"] = old.ExtraHeaders
	}
	return []string{"the stored secrets are kept"}
}

func (r importReport) print(w io.Writer) {
	rows := [][]string{{"ID", "ACTION", "MODELS", "ENDPOINT"}}
	for _, a := range r.Records {
		rows = append(rows, []string{a.ID, a.Action, fmt.Sprint(a.Models), clip(a.Endpoint, 70)})
	}
	if len(r.Records) > 0 {
		writeTable(w, rows)
	} else {
		_, _ = fmt.Fprintln(w, "The file has no provider that can be imported.")
	}
	for _, a := range r.Records {
		for _, note := range a.Notes {
			_, _ = fmt.Fprintf(w, "%s: %s\n", a.ID, printable(note))
		}
		if a.Error != "" {
			_, _ = fmt.Fprintf(w, "%s: not stored: %s\n", a.ID, printable(a.Error))
		}
	}
	for _, s := range r.Skipped {
		_, _ = fmt.Fprintf(w, "skipped: %s: %s\n", printable(s.Name), printable(s.Reason))
	}
	if r.DryRun {
		_, _ = fmt.Fprintln(w, "Nothing was stored (--dry-run).")
	}
}
