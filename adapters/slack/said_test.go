// What messages say, in the forms in which Slack and apps write them.

package slack

import (
	"encoding/json"
	"strings"
	"testing"

	"parley/adapters/internal/loose"
)

func TestWhatAMessageSays(t *testing.T) {
	rich := func(text string) string {
		return `"blocks":[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":` + quoted(text) + `}]}]}]`
	}
	for name, c := range map[string]struct {
		message string
		app     bool
		want    string
	}{
		"text that its blocks repeat":      {`{"text":"the build is *red*",` + rich("the build is red") + `}`, false, "the build is **red**"},
		"blocks that name a channel":       {`{"text":"see <#C1|general> now","blocks":[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"see "},{"type":"channel","channel_id":"C1"},{"type":"text","text":" now"}]}]}]}`, false, "see #general now"},
		"blocks alone":                     {`{"text":"",` + rich("only here") + `}`, true, "only here"},
		"text that shortens its blocks":    {`{"text":"Build 42 failed","blocks":[{"type":"header","text":{"type":"plain_text","text":"Build 42 failed"}},{"type":"section","text":{"type":"mrkdwn","text":"*DB_URL* is missing"},"fields":[{"type":"mrkdwn","text":"Branch: main"}]},{"type":"context","elements":[{"type":"image","alt_text":"CI","image_url":"https://x"},{"type":"mrkdwn","text":"by bob"}]},{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"Retry"}}]}]}`, true, "**Build 42 failed**\n\n**DB_URL** is missing\nBranch: main\n\n[image: CI] by bob"},
		"markdown and an image":            {`{"blocks":[{"type":"markdown","text":"# Report\n- one"},{"type":"image","title":{"type":"plain_text","text":"Load"},"alt_text":"a curve that rises"}]}`, true, "# Report\n- one\n\n[image: Load: a curve that rises]"},
		"rich text":                        {`{"blocks":[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"see "},{"type":"link","url":"https://x.example/a","text":"the log"},{"type":"text","text":" now ","style":{"bold":true}},{"type":"emoji","name":"fire"}]},{"type":"rich_text_list","style":"ordered","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"first"}]},{"type":"rich_text_section","elements":[{"type":"text","text":"second"}]}]},{"type":"rich_text_quote","elements":[{"type":"text","text":"said"}]},{"type":"rich_text_preformatted","elements":[{"type":"text","text":"x := 1"}]}]}]}`, true, "see [the log](https://x.example/a) **now** :fire:\n1. first\n2. second\n> said\n```\nx := 1\n```"},
		"an alert":                         {`{"text":"","attachments":[{"fallback":"short","pretext":"Alert!","title":"CPU high","title_link":"https://m.example","text":"host *a1*","fields":[{"title":"Value","value":"97 %"}],"footer":"Grafana"}]}`, true, "Alert!\n[CPU high](https://m.example)\nhost **a1**\nValue: 97 %\nGrafana"},
		"an alert of a fallback":           {`{"attachments":[{"fallback":"Deploy 7 done"}]}`, true, "Deploy 7 done"},
		"an alert of blocks":               {`{"attachments":[{"color":"#f00","fallback":"[no preview available]","blocks":[{"type":"section","text":{"type":"mrkdwn","text":"disk full"}}]}]}`, true, "disk full"},
		"an app's link preview":            {`{"text":"see https://x.example","attachments":[{"from_url":"https://x.example","title":"X","text":"a preview"}]}`, true, "see https://x.example"},
		"a person's link preview":          {`{"text":"see <https://x.example>","attachments":[{"from_url":"https://x.example","title":"X","text":"a preview"},{"is_app_unfurl":true,"text":"another"},{"service_name":"X","text":"and one"}]}`, false, "see https://x.example"},
		"a table":                          {`{"text":"our figures","attachments":[{"blocks":[{"type":"table","rows":[[{"type":"raw_text","text":"Name"},{"type":"raw_text","text":"Sum"}],[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"a|b"}]}]},{"type":"raw_number","value":4.5}]]}]}]}`, false, "our figures\n\n| Name | Sum |\n| --- | --- |\n| a\\|b | 4.5 |"},
		"a data table":                     {`{"blocks":[{"type":"data_table","caption":"Costs","rows":[[{"type":"raw_text","text":"K"}],[{"type":"raw_text","text":"V"}]]}]}`, true, "**Costs**\n| K |\n| --- |\n| V |"},
		"a forwarded message":              {`{"text":"what now?","attachments":[{"is_share":true,"is_msg_unfurl":true,"author_name":"Bob","channel_id":"C9","channel_name":"incidents","text":"the queue is *stuck*","footer":"Posted in #incidents","files":[{"name":"trace.txt"},{"file_access":"check_file_info"}]}]}`, false, "> Bob wrote in #incidents:\n> the queue is **stuck**\n> [attached file: trace.txt]\n> [attached: a file]\n\nwhat now?"},
		"a forwarded message of blocks":    {`{"text":"","attachments":[{"is_share":true,"author_id":"U2","channel_id":"D9","message_blocks":[{"message":{"blocks":[{"type":"section","text":{"type":"mrkdwn","text":"in a block"}}]}}]}]}`, false, "> U2 wrote:\n> in a block"},
		"a forwarded alert":                {`{"text":"","attachments":[{"is_share":true,"author_subname":"CI","text":"","attachments":[{"title":"Build 7","text":"red"}]}]}`, false, "> CI wrote:\n> **Build 7**\n> red"},
		"a link to a message of here":      {`{"text":"that one","attachments":[{"is_msg_unfurl":true,"channel_id":"C1","author_name":"Bob","text":"earlier"}]}`, false, "> Bob wrote in #C1:\n> earlier\n\nthat one"},
		"a link to a message of elsewhere": {`{"text":"that one","attachments":[{"is_msg_unfurl":true,"channel_id":"C2","author_name":"Bob","text":"earlier"}]}`, false, "that one"},
		"a block nobody knows yet":         {`{"blocks":[{"type":"card","title":{"type":"mrkdwn","text":"*Order 7*"},"body":{"type":"plain_text","text":"late"},"actions":[]},{"type":"thing"}]}`, true, "**Order 7**\nlate"},
		"fields of other kinds":            {`{"text":"still read","blocks":{"a":1},"attachments":[7,{"text":7,"fields":"x"},{"text":"kept","blocks":[3,{"type":"table","rows":[7,[7]]}]}]}`, true, "still read\n\nkept"},
	} {
		t.Run(name, func(t *testing.T) {
			var said content
			if err := json.Unmarshal([]byte(c.message), &said); err != nil {
				t.Fatal(err)
			}
			if got := (reader{bot: "U0HELPER", channel: "C1", app: c.app}).whole(said); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func quoted(s string) string {
	out, _ := json.Marshal(s)
	return string(out)
}

// A message that is made to grow costs a bounded text and little time.
func TestAMessageThatIsMadeToGrowIsBounded(t *testing.T) {
	deep := strings.Repeat(`{"type":"thing","text":"x","elements":[`, 200) + strings.Repeat(`]}`, 200)
	shared := `{"is_share":true,"text":"y","attachments":[`
	for name, raw := range map[string]string{
		"deep blocks":  `{"blocks":[` + deep + `]}`,
		"deep shares":  `{"attachments":[` + strings.Repeat(shared, 200) + strings.Repeat(`]}`, 200) + `]}`,
		"long text":    `{"text":"` + strings.Repeat("é", 400_000) + `"}`,
		"many blocks":  `{"blocks":[` + strings.Repeat(`{"type":"markdown","text":"`+strings.Repeat("z", 1000)+`"},`, 900) + `{"type":"divider"}]}`,
		"a wide table": `{"blocks":[{"type":"table","rows":[[` + strings.Repeat(`{"type":"raw_text","text":"wide"},`, 20_000) + `{}]]}]}`,
	} {
		var said content
		if err := json.Unmarshal([]byte(raw), &said); err != nil {
			t.Fatal(name, err)
		}
		got := reader{app: true}.whole(said)
		if len(got) == 0 || len(got) > loose.MostSaid+len("…") {
			t.Errorf("%s: %d bytes", name, len(got))
		}
	}
}
