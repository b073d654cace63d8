// What one event and one edit cost.

package slack

import (
	"strings"
	"testing"

	"parley/internal/chat"
)

// BenchmarkContent is what one edit of a whole message costs before it is sent.
func BenchmarkContent(b *testing.B) {
	text := strings.Repeat("Some **bold** words, a [link](https://go.dev) and `code`.\n", 200)
	r := &responder{}
	b.ReportAllocs()
	for b.Loop() {
		_ = sent(rich.write(chat.Content{Markdown: text, Stop: "turn"}, r.to.Place.Owner, chat.English{}))
	}
}

func BenchmarkMeasure(b *testing.B) {
	text := strings.Repeat("Some **bold** words, a [link](https://go.dev) and `code`.\n", 200)
	b.ReportAllocs()
	for b.Loop() {
		Measure(text)
	}
}
