// Messages that Slack, or a server in its place, takes only in a plainer form.

package slack

import (
	"strings"

	"github.com/slack-go/slack"

	"parley/internal/chat"
)

// shape is how a message is written. Slack may refuse blocks by their content, and
// servers in its place by their kind; the answer then goes in the next shape, and
// the rest of that answer too.
type shape int32

const (
	rich     shape = iota // a markdown block, and controls
	sections              // sections of plain text, and controls
	bare                  // text alone
)

// mostSection is the most that a section's text may hold, in characters, less
// room for what escaping adds at its end.
const mostSection = 2_900

// refusedBlocks reports whether a call failed for the blocks it carried.
func refusedBlocks(err error) bool {
	w := word(err)
	return strings.HasPrefix(w, "invalid_blocks") || strings.HasPrefix(w, "markdown_") || w == "block_mismatch" || w == "unsupported_block_type"
}

// inform makes a call in the answer's shape, and in plainer ones while Slack
// refuses the blocks.
func (r *responder) inform(c chat.Content, call func(text string, b []slack.Block) error) error {
	for {
		f := shape(r.shape.Load())
		text, b := f.write(c, r.to.Place.Owner, r.app.speaker(r.to.Author.ID))
		err := call(text, b)
		if !refusedBlocks(err) || f == bare {
			return err
		}
		r.app.log.Warn("slack: the blocks of a message were refused; it is sent plainer", "reason", r.app.secrets.Text(word(err)))
		r.shape.CompareAndSwap(int32(f), int32(f)+1)
	}
}

// write gives the text argument and the blocks of a message.
func (f shape) write(c chat.Content, owner string, speaker chat.Speaker) (string, []slack.Block) {
	switch f {
	case sections:
		out := blocks(c, owner, speaker)
		return notification(c.Markdown), append(plainSections(c.Markdown), out[1:]...)
	case bare:
		text := escaped(Neutralise(c.Markdown))
		if strings.TrimSpace(text) == "" {
			text = gap
		}
		return text, []slack.Block{}
	}
	return notification(c.Markdown), blocks(c, owner, speaker)
}

// plainSections is a text in blocks that every version of Slack knows.
func plainSections(markdown string) []slack.Block {
	var out []slack.Block
	for rest := []rune(escaped(Neutralise(markdown))); ; {
		n := min(len(rest), mostSection)
		if n < len(rest) { // at the end of a line, where there is one
			for k := n; k > n/2; k-- {
				if rest[k-1] == '\n' {
					n = k
					break
				}
			}
			for k := n - 1; k >= max(0, n-5) && rest[k] != ';'; k-- { // not within "&amp;"
				if rest[k] == '&' {
					n = k
					break
				}
			}
		}
		text := string(rest[:n])
		if strings.TrimSpace(text) == "" {
			text = gap
		}
		out = append(out, slack.NewSectionBlock(slack.NewTextBlockObject(slack.MarkdownType, text, false, false), nil, nil))
		if rest = rest[n:]; len(rest) == 0 {
			return out
		}
	}
}

var controlSigns = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// escaped is a text that Slack shows as it stands.
func escaped(s string) string { return controlSigns.Replace(s) }
