// Block Kit, as far as a chat bot uses it: what Slack refuses in messages and
// modals. Limits: https://docs.slack.dev/reference/block-kit/blocks.

package slack

import (
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"
)

// tooLong is the problem that Slack has a name of its own for.
const tooLong = "the markdown blocks of a message hold more than 12,000 characters"

func length(s string) int { return utf8.RuneCountInString(s) }

// checkBlocks reads a JSON list of blocks and says what Slack would not take.
func checkBlocks(raw, surface string) ([]any, []string) {
	var blocks []any
	if err := json.Unmarshal([]byte(raw), &blocks); err != nil {
		return nil, []string{"blocks is not a JSON list"}
	}
	k := checker{surface: surface, ids: map[string]bool{}}
	most := 50
	if surface == "modal" {
		most = 100
	}
	if len(blocks) > most {
		k.problem("more than %d blocks", most)
	}
	for i, b := range blocks {
		block, ok := b.(map[string]any)
		if !ok {
			k.problem("block %d is not an object", i)
			continue
		}
		k.block(i, block)
	}
	if k.markdown > 12000 {
		k.problems = append(k.problems, tooLong)
	}
	return blocks, k.problems
}

type checker struct {
	surface  string
	ids      map[string]bool
	markdown int
	problems []string
}

func (k *checker) problem(format string, args ...any) {
	k.problems = append(k.problems, fmt.Sprintf(format, args...))
}

func (k *checker) most(what, s string, n int) {
	if length(s) > n {
		k.problem("%s is longer than %d characters", what, n)
	}
}

func (k *checker) block(i int, b map[string]any) {
	at := fmt.Sprintf("blocks[%d]", i)
	if id := str(b["block_id"]); id != "" {
		k.most(at+".block_id", id, 255)
		if k.ids[id] {
			k.problem("%s: block_id %q is used twice", at, id)
		}
		k.ids[id] = true
	}
	switch b["type"] {
	case "markdown":
		if k.surface != "message" {
			k.problem("%s: markdown blocks belong in messages", at)
		}
		if str(b["text"]) == "" {
			k.problem("%s: text is empty", at)
		}
		k.markdown += length(str(b["text"]))
	case "section":
		k.textObject(at+".text", b["text"], 3000, "plain_text", "mrkdwn")
		if a, ok := b["accessory"].(map[string]any); ok {
			k.element(at+".accessory", a)
		}
	case "header":
		k.textObject(at+".text", b["text"], 150, "plain_text")
	case "divider":
	case "context":
		elements := list(b["elements"])
		if len(elements) == 0 || len(elements) > 10 {
			k.problem("%s: 1 to 10 elements", at)
		}
		for j, e := range elements {
			k.textObject(fmt.Sprintf("%s.elements[%d]", at, j), e, 3000, "plain_text", "mrkdwn")
		}
	case "actions":
		elements := list(b["elements"])
		if len(elements) == 0 || len(elements) > 25 {
			k.problem("%s: 1 to 25 elements", at)
		}
		k.elements(at, elements)
	case "context_actions":
		if k.surface != "message" || len(list(b["elements"])) == 0 || len(list(b["elements"])) > 5 {
			k.problem("%s: 1 to 5 elements, in messages", at)
		}
	case "input":
		if k.surface != "modal" {
			k.problem("%s: input belongs in modals here", at)
		}
		k.textObject(at+".label", b["label"], 2000, "plain_text")
		if h, ok := b["hint"]; ok {
			k.textObject(at+".hint", h, 2000, "plain_text")
		}
		if e, ok := b["element"].(map[string]any); ok {
			k.element(at+".element", e)
		} else {
			k.problem("%s: no element", at)
		}
	default:
		k.problem("%s: unsupported type: %v", at, b["type"])
	}
}

func (k *checker) elements(at string, elements []any) {
	seen := map[string]bool{}
	for j, raw := range elements {
		e, _ := raw.(map[string]any)
		where := fmt.Sprintf("%s.elements[%d]", at, j)
		if id := str(e["action_id"]); seen[id] && id != "" {
			k.problem("%s: action_id %q is used twice in the block", where, id)
		} else {
			seen[id] = true
		}
		k.element(where, e)
	}
}

func (k *checker) element(at string, e map[string]any) {
	k.most(at+".action_id", str(e["action_id"]), 255)
	switch e["type"] {
	case "button":
		k.textObject(at+".text", e["text"], 75, "plain_text")
		k.most(at+".value", str(e["value"]), 2000)
		if style := str(e["style"]); style != "" && style != "primary" && style != "danger" {
			k.problem("%s: style %q", at, style)
		}
	case "static_select":
		if p, ok := e["placeholder"]; ok {
			k.textObject(at+".placeholder", p, 150, "plain_text")
		}
		options := list(e["options"])
		if len(options) == 0 || len(options) > 100 {
			k.problem("%s: 1 to 100 options, not %d", at, len(options))
		}
		values := map[string]bool{}
		for j, raw := range options {
			o, _ := raw.(map[string]any)
			where := fmt.Sprintf("%s.options[%d]", at, j)
			k.textObject(where+".text", o["text"], 75, "plain_text", "mrkdwn")
			k.most(where+".value", str(o["value"]), 150)
			if values[str(o["value"])] {
				k.problem("%s: value is used twice", where)
			}
			values[str(o["value"])] = true
		}
		if o, ok := e["initial_option"].(map[string]any); ok {
			if !slices.ContainsFunc(options, func(x any) bool { return string(mustJSON(x)) == string(mustJSON(o)) }) {
				k.problem("%s: initial_option is none of the options", at)
			}
		}
	case "plain_text_input":
		if p, ok := e["placeholder"]; ok {
			k.textObject(at+".placeholder", p, 150, "plain_text")
		}
		if n, ok := e["max_length"].(float64); ok && (n < 1 || n > 3000) {
			k.problem("%s: max_length is 1 to 3000", at)
		} else if ok && float64(length(str(e["initial_value"]))) > n {
			k.problem("%s: initial_value is longer than max_length", at)
		}
	default:
		k.problem("%s: unsupported element: %v", at, e["type"])
	}
}

func (k *checker) textObject(at string, v any, most int, kinds ...string) {
	t, ok := v.(map[string]any)
	if !ok {
		k.problem("%s: no text object", at)
		return
	}
	if !slices.Contains(kinds, str(t["type"])) {
		k.problem("%s: type %v", at, t["type"])
	}
	if str(t["text"]) == "" {
		k.problem("%s: text is empty", at)
	}
	k.most(at, str(t["text"]), most)
}
