// The verb parley provider test.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// shownReport is a probe's report as the API shows it.
type shownReport struct {
	Provider, Model, Diagnosis  string
	OK                          bool
	Steps                       []shownStep
	FirstToken, TokensPerSecond float64
	Models                      []string
	Preset, Learned             string
}

type shownStep struct {
	Name, Status, Detail string
	Took                 float64
}

// testProvider returns an error if the endpoint does not work, also with --json.
func testProvider(ctx context.Context, o *operator) error {
	model := flagText(o.flags, "model")
	if len(o.args) == 2 {
		model = o.args[1]
	}
	var body []byte
	if model != "" {
		var err error
		if body, err = json.Marshal(map[string]string{"model": model}); err != nil {
			return err
		}
	}
	var raw json.RawMessage
	if err := o.call(ctx, http.MethodPost, providerPath(o.args[0])+"/test", body, &raw); err != nil {
		return err
	}
	var report shownReport
	if err := json.Unmarshal(raw, &report); err != nil {
		return err
	}
	err := o.show(raw, func(w io.Writer) { printReport(w, report) })
	if err == nil && !report.OK {
		return &operatorError{code: exitFailed}
	}
	return err
}

// printReport prints the diagnosis, then the steps behind it.
func printReport(w io.Writer, r shownReport) {
	verdict := "works"
	if !r.OK {
		verdict = "does not work"
	}
	_, _ = fmt.Fprintf(w, "%s/%s %s. %s\n\n", printable(r.Provider), printable(r.Model), verdict, printable(r.Diagnosis))
	var rows [][]string
	for _, s := range r.Steps {
		took := ""
		if s.Took > 0 {
			took = fmt.Sprintf("%.2f s", s.Took)
		}
		rows = append(rows, []string{s.Name, s.Status, took, clip(s.Detail, 100)})
	}
	writeTable(w, rows)
	rows = nil
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	if r.FirstToken > 0 {
		add("first token", fmt.Sprintf("%.2f s", r.FirstToken))
	}
	if r.TokensPerSecond > 0 {
		add("speed", fmt.Sprintf("%.0f tokens per second", r.TokensPerSecond))
	}
	add("service", r.Preset)
	add("learned", r.Learned)
	if n := len(r.Models); n > 0 {
		list := strings.Join(r.Models[:min(n, 8)], ", ")
		if n > 8 {
			list += fmt.Sprintf(" and %d more", n-8)
		}
		add("it lists", list)
	}
	if len(rows) > 0 {
		_, _ = fmt.Fprintln(w)
		writeTable(w, rows)
	}
}
