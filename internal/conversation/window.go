// The context window: which exchanges are sent with a question.

package conversation

import (
	"cmp"
	"slices"
	"strings"

	"parley/internal/chat"
	"parley/internal/completion"
)

// perMessage is roughly what a chat template adds per message, in tokens.
const perMessage = 4

// Window describes how much fits.
type Window struct {
	MaxInput int // context length in tokens; 0 = unknown
	Reserve  int // tokens reserved for the answer
	// PerToken is the number of bytes per token, learned from reported usage; 0
	// uses a cautious default.
	PerToken float64
	// Images means that images are sent. Otherwise each is a line of text.
	Images bool
}

// perImage is roughly the tokens for an image of the size that is sent: a
// hosted model counts 1,000 to 1,600 for 1,568 × 1,568 px, or cuts it into as
// many tiles.
const perImage = 1600

// defaultPerToken is the number of bytes per token before any is learned:
// English prose has almost 4, code and other scripts less.
const defaultPerToken = 3.2

// unknownWindow is the limit if MaxInput is 0, so that a history cannot grow
// forever: almost every current model takes that much.
const unknownWindow = 16_000

// Tokens estimates the tokens of a text.
func (w Window) Tokens(text string) int {
	per := w.PerToken
	if per <= 0 {
		per = defaultPerToken
	}
	return int(float64(len(text))/per) + perMessage
}

// cost estimates the tokens of a message with these parts.
func (w Window) cost(parts []chat.Part) (tokens int) {
	words := make([]chat.Part, 0, len(parts))
	for _, p := range parts {
		if w.Images && p.Kind == chat.KindImage {
			tokens += perImage
		} else {
			words = append(words, p)
		}
	}
	return tokens + w.Tokens(chat.AsText(words))
}

// Sent estimates the tokens of messages.
func (w Window) Sent(messages []completion.Message) (tokens int) {
	for _, m := range messages {
		tokens += w.Tokens(m.Text()) + m.Images()*perImage
	}
	return tokens
}

// Budget is how many tokens the messages may use.
func (w Window) Budget() int {
	limit := w.MaxInput
	if limit <= 0 {
		limit = unknownWindow
	}
	return max(limit-max(w.Reserve, 0), limit/4)
}

// Messages builds what is sent: the system prompt, the newest exchanges that
// fit completely, and the question. It drops the oldest exchanges first, and
// always keeps system prompt and question. Consecutive messages have different
// roles.
func (w Window) Messages(system string, history []Exchange, m chat.Message) []completion.Message {
	question := m.Said()
	left := w.Budget() - w.Tokens(system) - w.cost(question)
	first := len(history)
	for i, e := range slices.Backward(history) {
		left -= w.cost(e.Asked()) + w.Tokens(e.Answer)
		if left < 0 {
			break
		}
		first = i
	}
	history = history[first:]

	named := severalPeople(history, m)
	out := make([]completion.Message, 0, 2*len(history)+2)
	if system != "" {
		out = append(out, completion.Text("system", system))
	}
	for _, e := range history {
		if parts := e.Asked(); len(parts) > 0 {
			out = append(out, completion.Of("user", spoken(named, e.Author, parts)))
		}
		if e.Answer != "" {
			out = append(out, completion.Text("assistant", e.Answer))
		}
	}
	return joined(append(out, completion.Of("user", spoken(named, m.Author, question))))
}

// joined merges consecutive messages of one role: several people may write
// before a bot is asked, and many chat templates refuse two user messages in a
// row.
func joined(messages []completion.Message) []completion.Message {
	out := messages[:0]
	for _, m := range messages {
		if last := len(out) - 1; last >= 0 && out[last].Role == m.Role {
			out[last] = out[last].Then(m)
			continue
		}
		out = append(out, m)
	}
	return out
}

// severalPeople reports whether more than one person speaks, so that the model
// needs their names.
func severalPeople(history []Exchange, m chat.Message) bool {
	return slices.ContainsFunc(history, func(e Exchange) bool {
		return len(e.Asked()) > 0 && e.Author.ID != m.Author.ID
	})
}

// spoken is what a says, prefixed with their name if named is set.
func spoken(named bool, a chat.Author, parts []chat.Part) []chat.Part {
	if !named {
		return parts
	}
	name := cmp.Or(a.Name, a.ID) + ": "
	if len(parts) == 0 || parts[0].Kind != chat.KindText {
		return append([]chat.Part{chat.TextPart(strings.TrimSpace(name))}, parts...)
	}
	parts = slices.Clone(parts)
	parts[0].Text = name + parts[0].Text
	return parts
}

// FromHistory turns the platform's history of a place into exchanges, for a
// conversation that began before the bot was asked: people's messages become
// questions without an answer, the bot's own become answers.
func FromHistory(messages []chat.Message) []Exchange {
	out := make([]Exchange, 0, len(messages))
	for _, m := range messages {
		e := Exchange{ID: m.ID, Author: m.Author, At: m.At}
		switch {
		case !m.FromBot:
			e = Asked(m)
		case len(out) > 0 && out[len(out)-1].Answer == "":
			out[len(out)-1].Answer = chat.AsText(m.Said())
			continue
		default:
			e.Answer = chat.AsText(m.Said())
		}
		out = append(out, e)
	}
	return out
}
