// Messages in the shape a model's chat template takes: some want roles that
// alternate, some know no system role.

package completion

import (
	"regexp"
	"slices"
	"strings"

	"parley/internal/provider"
)

// shaped are the messages as q wants them; messages itself is not changed.
func shaped(messages []Message, q provider.Quirks) []Message {
	if q.NoSystem {
		messages = withoutSystem(messages)
	}
	if q.Alternate {
		messages = alternating(messages)
	}
	return messages
}

func isSystem(m Message) bool { return m.Role == "system" || m.Role == "developer" }

// withoutSystem puts the system's text in front of the first user message.
func withoutSystem(messages []Message) []Message {
	var system []string
	out := make([]Message, 0, len(messages)+1)
	for _, m := range messages {
		if isSystem(m) {
			system = append(system, m.Text())
		} else {
			out = append(out, m)
		}
	}
	text := strings.Join(system, "\n\n")
	if text == "" {
		return out
	}
	at := slices.IndexFunc(out, func(m Message) bool { return m.Role == "user" })
	if at < 0 {
		return append([]Message{Text("user", text)}, out...)
	}
	out[at] = out[at].behind(text)
	return out
}

// alternating joins neighbours of one role and lets a user begin: what the
// model said before the first question goes in front of it.
func alternating(messages []Message) []Message {
	var out []Message
	for _, m := range messages {
		last := len(out) - 1
		switch {
		case last >= 0 && out[last].Role == m.Role:
			out[last] = out[last].Then(m)
		case last >= 0 && out[last].Role == "assistant" && (last == 0 || isSystem(out[last-1])) && m.Role == "user":
			out[last] = m.behind("You said earlier:\n" + out[last].Text())
		default:
			out = append(out, m)
		}
	}
	return out
}

var (
	alternates = regexp.MustCompile(`(?i)\balternat|(?:consecutive|successive|two|adjacent)\s+(?:user|assistant|messages?)\b.{0,60}\b(?:role|row|not)|first message (?:must|should) be (?:a|from (?:a|the)) ?user|must start with (?:a |the )?user`)
	noSystem   = regexp.MustCompile(`(?i)only\s+\W?user\W?(?:,| and|\s)[^.]{0,60}roles? (?:is|are) (?:supported|allowed|accepted)|\b(?:system|developer)['"\x60]?\s+(?:role|messages?|prompts?|instructions?)\b[^.]{0,40}\b(?:not|unsupported|isn't|aren't|only|invalid|unknown|unexpected)|\b(?:not|n't|no|un)\s?(?:support|allow|accept|enabled|have|know|supported|allowed)\w*\b[^.]{0,40}\b(?:system|developer)\b|\b(?:unsupported|unknown|invalid|unexpected|unrecognized)\b[^.]{0,30}\brole\b[^.]{0,20}\b(?:system|developer)\b`)
)

// learnRoles says how to shape the messages after a refusal that speaks of
// their roles. Templates that know no system role often complain that roles do
// not alternate: where that is not it, the system message is.
func learnRoles(e *Error, messages []Message, known provider.Quirks) provider.Quirks {
	if e.Status != 400 && e.Status != 422 && e.Status != 500 && e.Status != 0 || e.Kind != KindBadRequest && e.Kind != KindServer && e.Kind != KindUnknown {
		return provider.Quirks{}
	}
	system := !known.NoSystem && slices.ContainsFunc(messages, isSystem)
	switch {
	case system && noSystem.MatchString(e.raw):
		return provider.Quirks{NoSystem: true}
	case !alternates.MatchString(e.raw):
		return provider.Quirks{}
	case !known.Alternate && len(alternating(shaped(messages, known))) < len(shaped(messages, known)):
		return provider.Quirks{Alternate: true}
	case system:
		return provider.Quirks{NoSystem: true}
	}
	return provider.Quirks{}
}
