// What is written for Slack, and what is read from it.

package slack

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"parley/internal/chat"
)

func TestModelOutputCanPingNobody(t *testing.T) {
	for _, in := range []string{
		"<!here>", "<!channel>", "<!everyone>", "<!HERE>", "<!here|here>", "<@U1>", "<@W2AB>", "<@U1|bob>",
		"<!subteam^S1>", "<!subteam^S1|@ops>", "`<!here>`", "```\n<@U123>\n```", "<<!channel>>", "a<@U1>b<@U2>",
		"<!here|<b>", "<!channel|a<b>c>", "<@U1|<@U2>>", "<!subteam^S1|<i>", "<!subteam^<b>", "<!everyone|\n>", "<!here", "<!Channel ", "<@W2AB|",
	} {
		out := Neutralise(in)
		if opens(out) {
			t.Errorf("%q still pings: %q", in, out)
		}
		if strings.ReplaceAll(out, gap, "") != in {
			t.Errorf("%q reads as %q", in, out)
		}
	}
	for _, in := range []string{
		"<!DOCTYPE html>", "<!-- here -->", "<https://go.dev>", "<a@b.example>", "> quoted", "<@ U1>", "<!heretic>", "a < b > c",
		"<div @click='x'>", "<!subteam>", "<!date^1^{date}|x>", "vector<@interface>", "#include <iostream>",
	} {
		if out := Neutralise(in); out != in {
			t.Errorf("%q was changed to %q", in, out)
		}
	}
}

// opens reports whether text holds the start of a mention that Slack could
// obey, said in other words than the code's.
func opens(text string) bool {
	for _, rest := range strings.Split(text, "<")[1:] {
		body, _, _ := strings.Cut(rest, ">")
		body, _, _ = strings.Cut(body, "|")
		switch name := strings.ToLower(body); {
		case name == "!here", name == "!channel", name == "!everyone", strings.HasPrefix(body, "!subteam^"):
			return true
		case strings.HasPrefix(body, "@U") || strings.HasPrefix(body, "@W"):
			if len(body) > 2 && strings.Trim(body[2:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == "" {
				return true
			}
		}
	}
	return false
}

func FuzzNeutralise(f *testing.F) {
	f.Add("<!here> <@U1> <!subteam^S1|x>")
	f.Add("<<!channel|<@U2>>")
	f.Add("<!here|<b>")
	f.Fuzz(func(t *testing.T, in string) {
		out := Neutralise(in)
		if opens(out) {
			t.Fatalf("%q still pings: %q", in, out)
		}
		if strings.ReplaceAll(out, gap, "") != strings.ReplaceAll(in, gap, "") {
			t.Fatalf("%q was changed to %q", in, out)
		}
		if utf8.ValidString(in) && Measure(in) < utf8.RuneCountInString(out) {
			t.Fatalf("%q measures less than it is", in)
		}
	})
}

func TestTheNotificationIsShortPlainAndHarmless(t *testing.T) {
	for in, want := range map[string]string{
		"# Title\n**bold** and [a link](https://x.example)": "Title\nbold and a link",
		"```go\nx := 1\n```":            "x := 1",
		"a < b & <!channel> <@U1>":      "a &lt; b &amp; &lt;!channel&gt; &lt;@U1&gt;",
		"":                              "…",
		"![picture](https://x.example)": "picture",
	} {
		if got := notification(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for _, long := range []string{strings.Repeat("word ", 5000), strings.Repeat("<&>", 5000), strings.Repeat("é🙂", 5000)} {
		got := notification(long)
		if len([]rune(got)) > 4000 || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
			t.Errorf("%d characters, end %q", len([]rune(got)), got[len(got)-10:])
		}
		if cut := strings.TrimSuffix(got, "…"); strings.Count(cut, "&") != strings.Count(cut, ";") {
			t.Errorf("an escape was cut: %q", cut[len(cut)-10:])
		}
	}
}

func TestWhatPeopleWriteIsReadAsMarkdown(t *testing.T) {
	for in, want := range map[string]string{
		"<@UBOT> hi":                 "hi",
		"<@UBOT|helper>, hi":         "hi",
		"<@UBOT>: /model x":          "/model x",
		"hey <@UBOT> you":            "hey you",
		"<@UBOT>":                    "",
		"<@UBOT> <@UBOT> twice":      "twice",
		"ask <@U7> or <@U8|ann>":     "ask @U7 or @ann",
		"in <#C1|general> and <#C2>": "in #general and #C2",
		"<!subteam^S1|@ops> <!subteam^S2> <!here> <!channel|channel>": "@ops @S2 @here channel",
		"<!date^1392734382^{date}|Feb 18>":                            "Feb 18",
		"<https://a.example/x?a=1&amp;b=2>":                           "https://a.example/x?a=1&b=2",
		"<https://a.example|a.example>":                               "a.example",
		"<mailto:a@b.example|a@b.example>":                            "a@b.example",
		"<https://a.example|see here>":                                "[see here](https://a.example)",
		"`<https://a.example|see>` and ```<@U7> x```":                 "`see` and \n```\n@U7 x\n```",
		"```a\nb```\nafter":                                           "```\na\nb\n```\nafter",
		"*bold* and *two words*, (*x*)":                               "**bold** and **two words**, (**x**)",
		"2*3*4, a * b * c, *p, *q":                                    "2*3*4, a * b * c, *p, *q",
		"~gone~ _it_ `*code*`":                                        "~~gone~~ _it_ `*code*`",
		"&lt;@UBOT&gt; &amp;lt;":                                      "<@UBOT> &lt;",
		"<>":                                                          "<>",
	} {
		if got := toMarkdown(in, "UBOT"); got != want {
			t.Errorf("%q\n got %q\nwant %q", in, got, want)
		}
	}
}

func TestAMenuFitsSlacksLimits(t *testing.T) {
	menu := chat.Menu{Action: "model", Options: []chat.Option{
		{Label: strings.Repeat("l", 200), Value: "a"}, {Label: "twice", Value: "a"}, {Label: "long", Value: strings.Repeat("v", 151)},
		{Value: "b", Current: true},
	}}
	for i := range 120 {
		menu.Options = append(menu.Options, chat.Option{Label: "m", Value: strings.Repeat("x", i+1)})
	}
	out, err := json.Marshal(controls(&menu, []chat.Button{{Label: "Add", Action: "provider.add"}, {Label: strings.Repeat("b", 99), Action: "x"}}, "", chat.English{}))
	if err != nil {
		t.Fatal(err)
	}
	var got []struct {
		Type     string `json:"type"`
		Elements []struct {
			Type     string `json:"type"`
			ActionID string `json:"action_id"`
			Value    string `json:"value"`
			Text     any    `json:"text"`
			Options  []struct {
				Text struct {
					Text string `json:"text"`
				} `json:"text"`
				Value string `json:"value"`
			} `json:"options"`
			Initial struct {
				Value string `json:"value"`
			} `json:"initial_option"`
		} `json:"elements"`
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || len(got[0].Elements) != 3 {
		t.Fatalf("%s", out)
	}
	m := got[0].Elements[0]
	if len(m.Options) != 100 || m.Initial.Value != "b" || m.ActionID != "parley.menu:model" || len([]rune(m.Options[0].Text.Text)) != 75 {
		t.Errorf("%d options, current %q, first %q", len(m.Options), m.Initial.Value, m.Options[0].Text.Text)
	}
	if got[0].Elements[1].Value != "provider add" {
		t.Errorf("button %+v", got[0].Elements[1])
	}
	if note := got[1].Elements[0].Text; note != "The menu leaves out 23 more. Write /model and the name." {
		t.Errorf("note %q", note)
	}
}

func TestACommandIsKnownUnderEveryNameItHas(t *testing.T) {
	for _, c := range []struct{ typed, prefix, want string }{
		{"/model", "", "model"}, {"/Model", "", "model"}, {"/helper-model", "helper-", "model"}, {"/parley-help", "", "help"},
		{"/model", "helper-", "model"}, {"/helper-help", "helper-", "help"}, {"/parley-unknown", "", "parley-unknown"},
	} {
		if got := commandName(c.typed, c.prefix); got != c.want {
			t.Errorf("%q with %q: %q", c.typed, c.prefix, got)
		}
	}
	for _, prefix := range []string{"", "helper-"} {
		for _, w := range chat.WordNames() {
			if got := commandName(visibleName(w, prefix), prefix); got != w {
				t.Errorf("%s is %s to Slack, which runs %s", w, visibleName(w, prefix), got)
			}
		}
	}
}

func FuzzNotification(f *testing.F) {
	f.Add("# a\n```go\nx\n```\n[b](c) ![d](e) **f** <!here> & ~~~")
	f.Add("[](x)[a](b c)[[d](e)")
	f.Fuzz(func(t *testing.T, in string) {
		out := notification(in)
		if len(out) == 0 || len(out) > 4000 || strings.ContainsAny(out, "<>") {
			t.Fatalf("%q becomes %q", in, out)
		}
		if utf8.ValidString(in) && !utf8.ValidString(out) {
			t.Fatalf("%q is cut inside a character", in)
		}
	})
}
