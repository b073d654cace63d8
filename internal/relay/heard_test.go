// Which of a thread's messages go along with a question.

package relay

import (
	"strings"
	"testing"

	"parley/internal/chat"
	"parley/internal/conversation"
)

func TestWhatIsWorthReadingOfAThread(t *testing.T) {
	say := func(id, text string) chat.Message { return chat.Message{ID: chat.MessageID(id), Text: text} }
	own := say("4", "an answer")
	own.FromBot = true
	known := conversation.Transcript{Exchanges: []conversation.Exchange{{ID: "1", Question: "?", Answer: "!"}}}
	read := func(t conversation.Transcript, messages ...chat.Message) string {
		var ids []string
		for _, m := range worthReading(messages, t) {
			ids = append(ids, string(m.ID))
		}
		return strings.Join(ids, " ")
	}
	messages := []chat.Message{say("1", "?"), say("2", "/model m2"), say("3", ""), own, say("5", "/etc/hosts is odd"), say("6", "news")}
	if got := read(known, messages...); got != "5 6" {
		t.Errorf("with a transcript: %s", got)
	}
	if got := read(conversation.Transcript{}, messages...); got != "1 4 5 6" {
		t.Errorf("without: %s", got)
	}
	// The newest stay that fit.
	half := strings.Repeat("x", historySize/2)
	if got := read(known, say("7", half), say("8", half), say("9", half)); got != "8 9" {
		t.Errorf("of too many: %s", got)
	}
}
