// The verbs parley bot … and parley usage.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"parley/internal/chat"
)

func botVerbs() []operatorVerb {
	return []operatorVerb{
		{name: "list", does: "lists the bots and their models", run: listBots},
		{name: "show", takes: "ID", does: "shows one bot", run: showBot, least: 1, most: 1},
		{name: "set", takes: "ID PROVIDER/MODEL | ID --provider P --model M | ID --reset", does: "sets a bot's default model; --reset: back to its file's", run: setBot, least: 1, most: 3,
			flags: func(o *operator) {
				o.flags.String("provider", "", "")
				o.flags.String("model", "", "")
				o.flags.Bool("reset", false, "")
			}},
	}
}

// shownBot is a bot as the API shows it.
type shownBot struct {
	ID, Name, Description, Provider, Model, Problem string
	File                                            struct{ Provider, Model string }
	Platforms                                       []string
}

func listBots(ctx context.Context, o *operator) error {
	var raw json.RawMessage
	if err := o.call(ctx, http.MethodGet, "/bots", nil, &raw); err != nil {
		return err
	}
	var list struct{ Bots []shownBot }
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	return o.show(raw, func(w io.Writer) {
		rows := [][]string{{"ID", "NAME", "USES", "PLATFORMS", ""}}
		for _, b := range list.Bots {
			rows = append(rows, []string{b.ID, b.Name, b.Provider + "/" + b.Model, orDash(strings.Join(b.Platforms, ", ")), b.remark()})
		}
		writeTable(w, rows)
	})
}

// remark is a note for the operator about the model in use.
func (b shownBot) remark() string {
	switch {
	case b.Problem != "":
		return "! " + b.Problem
	case b.Provider != b.File.Provider || b.Model != b.File.Model:
		return "its file says " + b.File.Provider + "/" + b.File.Model
	}
	return ""
}

func botPath(id string) string { return "/bots/" + url.PathEscape(id) }

func showBot(ctx context.Context, o *operator) error {
	var raw json.RawMessage
	if err := o.call(ctx, http.MethodGet, botPath(o.args[0]), nil, &raw); err != nil {
		return err
	}
	return o.showBot(raw)
}

func (o *operator) showBot(raw json.RawMessage) error {
	var b shownBot
	if err := json.Unmarshal(raw, &b); err != nil {
		return err
	}
	return o.show(raw, func(w io.Writer) {
		rows := [][]string{
			{"id", b.ID}, {"name", b.Name}, {"description", orDash(b.Description)}, {"uses", b.Provider + "/" + b.Model},
			{"file says", b.File.Provider + "/" + b.File.Model}, {"platforms", orDash(strings.Join(b.Platforms, ", "))},
		}
		if b.Problem != "" {
			rows = append(rows, []string{"problem", b.Problem})
		}
		writeTable(w, rows)
	})
}

func setBot(ctx context.Context, o *operator) error {
	change := map[string]any{}
	for _, field := range []string{"provider", "model"} {
		if v := flagText(o.flags, field); v != "" {
			change[field] = v
		}
	}
	reset := flagText(o.flags, "reset") == "true"
	switch {
	case len(o.args) == 2 && o.args[1] == "reset":
		reset = true
	case len(o.args) == 2:
		p, m, ok := strings.Cut(o.args[1], "/")
		change["provider"] = p
		if ok {
			change["model"] = m
		}
	case len(o.args) == 3:
		change["provider"], change["model"] = o.args[1], o.args[2]
	}
	switch {
	case reset && len(change) > 0:
		return &operatorError{code: exitUsage, text: "--reset restores the file's default; it takes no provider or model"}
	case reset:
		change = map[string]any{"provider": nil, "model": nil}
	case len(change) == 0:
		return &operatorError{code: exitUsage, text: "no model given: use parley bot set ID PROVIDER/MODEL, or --reset"}
	}
	body, err := json.Marshal(change)
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if err := o.call(ctx, http.MethodPatch, botPath(o.args[0]), body, &raw); err != nil {
		return err
	}
	return o.showBot(raw)
}

func usageVerb() operatorVerb {
	return operatorVerb{takes: "[--by user|channel|model|day] [--since DATE] [--until DATE]", does: "shows tokens and cost", run: showUsage,
		flags: func(o *operator) {
			o.flags.String("by", "model", "")
			o.flags.String("since", "", "")
			o.flags.String("until", "", "")
		}}
}

func showUsage(ctx context.Context, o *operator) error {
	q := url.Values{"by": {flagText(o.flags, "by")}}
	for _, name := range []string{"since", "until"} {
		if v := flagText(o.flags, name); v != "" {
			q.Set(name, v)
		}
	}
	var raw json.RawMessage
	if err := o.call(ctx, http.MethodGet, "/usage?"+q.Encode(), nil, &raw); err != nil {
		return err
	}
	var report struct {
		By    string
		Usage []struct {
			Key                       string
			Answers                   int
			InputTokens, OutputTokens int
			CostUSD                   *float64
			Unpriced, Estimated       int
		}
	}
	if err := json.Unmarshal(raw, &report); err != nil {
		return err
	}
	return o.show(raw, func(w io.Writer) {
		if len(report.Usage) == 0 {
			_, _ = fmt.Fprintln(w, "No answers in this period.")
			return
		}
		rows := [][]string{{strings.ToUpper(report.By), "ANSWERS", "TOKENS IN", "TOKENS OUT", "COST", ""}}
		for _, u := range report.Usage {
			var notes []string
			if u.Estimated > 0 {
				notes = append(notes, fmt.Sprintf("%d estimated", u.Estimated))
			}
			if u.CostUSD != nil && u.Unpriced > 0 {
				notes = append(notes, fmt.Sprintf("%d without a price", u.Unpriced))
			}
			rows = append(rows, []string{u.Key, strconv.Itoa(u.Answers), strconv.Itoa(u.InputTokens), strconv.Itoa(u.OutputTokens), chat.Dollars(u.CostUSD), strings.Join(notes, ", ")})
		}
		writeTable(w, rows)
	})
}
