// The context window: which exchanges go along with a question.

package conversation

import (
	"cmp"
	"slices"
	"strings"

	"parley/internal/chat"
	"parley/internal/completion"
)

// perMessage is about what a chat template adds around each message, in tokens.
const perMessage = 4

// Window says how much fits.
type Window struct {
	MaxInput int // context length in tokens; 0 = unknown
	Reserve  int // tokens kept free for the answer
	// PerToken is how many bytes one token stands for, learned from reported
	// usage; 0 takes a cautious default.
	PerToken float64
	// Images says that images will be sent. Otherwise each is a line of text.
	Images bool
}

// perImage is about what an image of the size that is sent costs, in tokens: a
// hosted model counts 1,000 to 1,600 of them for 1,568 × 1,568 px, or cuts it
// into as many tiles.
const perImage = 1600

// defaultPerToken is bytes per token where nothing was learned: English prose
// is near 4, code and other scripts less.
const defaultPerToken = 3.2

// unknownWindow is the limit where MaxInput is 0, so that a history cannot grow
// for ever: what nearly every model of today takes.
const unknownWindow = 16_000

// Tokens estimates how many tokens a text is.
func (w Window) Tokens(text string) int {
	per := w.PerToken
	if per <= 0 {
		per = defaultPerToken
	}
	return int(float64(len(text))/per) + perMessage
}

// cost estimates how many tokens a message of parts is.
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

// Sent estimates how many tokens messages are.
func (w Window) Sent(messages []completion.Message) (tokens int) {
	for _, m := range messages {
		tokens += w.Tokens(m.Text()) + m.Images()*perImage
	}
	return tokens
}

// Budget is how many tokens the messages may fill.
func (w Window) Budget() int {
	limit := w.MaxInput
	if limit <= 0 {
		limit = unknownWindow
	}
	return max(limit-max(w.Reserve, 0), limit/4)
}

// Messages builds what is sent: the system prompt, the newest exchanges that
// fit whole, and the question. Exchanges are dropped oldest first; system
// prompt and question always stay. No two neighbours have the same role.
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

// joined makes one message of neighbours with the same role: several people
// write before a bot is asked, and many chat templates refuse two user messages
// in a row.
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
// must be told who says what.
func severalPeople(history []Exchange, m chat.Message) bool {
	return slices.ContainsFunc(history, func(e Exchange) bool {
		return len(e.Asked()) > 0 && e.Author.ID != m.Author.ID
	})
}

// spoken is what a says, with their name in front where several people speak.
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

// FromHistory turns what the platform holds of a place into exchanges, for a
// conversation that began before the bot was asked: messages of people are
// questions without an answer, the bot's own are answers.
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
