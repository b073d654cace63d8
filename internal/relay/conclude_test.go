package relay

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"parley/internal/chat"
	"parley/internal/completion"
)

func TestTheLineBelowAnAnswer(t *testing.T) {
	const ref = "ref-00000001"
	failed := &completion.Error{Kind: completion.KindTruncated, Provider: "lab", Model: "a"}
	for name, c := range map[string]struct {
		outcome      outcome
		stopped      bool
		note, result string
	}{
		"answered":                     {outcome{text: "Yes.", finish: "stop"}, false, "", "answered"},
		"cut at its length":            {outcome{text: "Yes.", finish: "length"}, false, "_Cut at the model's length limit; ask it to go on._", "answered"},
		"cut by a filter":              {outcome{text: "Yes.", finish: "content_filter"}, false, "_Cut by the provider's content filter._", "answered"},
		"a filter left nothing":        {outcome{finish: "content_filter"}, false, "The content filter of lab/a left nothing of the answer. Try other words. (" + ref + ")", "failed"},
		"no word":                      {outcome{finish: "stop"}, false, "lab/a ended without writing an answer. Ask again, or switch with /model. (" + ref + ")", "failed"},
		"stopped":                      {outcome{text: "Ye", err: failed}, true, "", "stopped"},
		"nobody can see it":            {outcome{text: "Ye", err: fmt.Errorf("request: %w", errPointless)}, false, "", "failed"},
		"the model failed":             {outcome{text: "Ye", err: failed}, false, failed.Sentence() + " (" + ref + ")", "failed"},
		"an error for the person":      {outcome{err: chat.Tell("Not now.")}, false, "Not now. (" + ref + ")", "failed"},
		"an error that is not for her": {outcome{err: errors.New("a secret")}, false, chat.Sorry(ref).String(), "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			c.outcome.target = ofModels("a")[0]
			line, result := (&Relay{}).note(ref, ended{outcome: c.outcome, stopped: c.stopped})
			note := line.String()
			if note != c.note || result != c.result || strings.Contains(note, "a secret") {
				t.Errorf("%q, %s; want %q, %s", note, result, c.note, c.result)
			}
		})
	}
}
