package completion

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"parley/internal/chat"
	"parley/internal/provider"
)

// The beginnings of the two forms that models take.
var (
	tinyPNG  = []byte("\x89PNG\r\n\x1a\n<&>")
	tinyJPEG = []byte("\xff\xd8\xff\xe0\x00\x10JFIF")
)

func imagePart(name string, data []byte) Part {
	return Part{Part: chat.FilePart(chat.File{ID: "F1", Name: name, Type: "image/webp", URL: "https://files.example/secret"}), Image: data}
}

func wordsPart(text string) Part { return Part{Part: chat.TextPart(text)} }

// sentMessages is what a request holds of messages.
func sentMessages(t *testing.T, q provider.Quirks, messages ...Message) string {
	t.Helper()
	body, _, err := buildBody(provider.Provider{}, Request{Model: "m", Messages: messages}, q)
	if err != nil {
		t.Fatal(err)
	}
	_, sent, found := strings.Cut(string(body), `"messages":`)
	if !found || !json.Valid(body) {
		t.Fatalf("sent %s", body)
	}
	return strings.TrimSuffix(sent, "}")
}

func TestMessagesOnTheWire(t *testing.T) {
	file := func(name, text string) Part {
		return Part{Part: chat.Part{Kind: chat.KindFile, Text: text, File: chat.File{Name: name, Type: "text/x-go", URL: "https://files.example/secret"}}}
	}
	const png, jpeg = `{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo8Jj4="}}`, `{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,/9j/4AAQSkZJRg=="}}`
	for name, c := range map[string]struct {
		q        provider.Quirks
		messages []Message
		want     string
	}{
		"no message":     {want: `[]`},
		"text alone":     {messages: []Message{Text("system", "Be <b>brief</b>."), Text("user", "é 🎉 \"\n")}, want: `[{"role":"system","content":"Be <b>brief</b>."},{"role":"user","content":"é 🎉 \"\n"}]`},
		"no words":       {messages: []Message{Text("user", "")}, want: `[{"role":"user","content":""}]`},
		"with a name":    {messages: []Message{{Role: "user", Name: "ann", Parts: []Part{wordsPart("hi")}}}, want: `[{"role":"user","content":"hi","name":"ann"}]`},
		"several texts":  {messages: []Message{{Role: "user", Parts: []Part{wordsPart("one"), wordsPart("two")}}}, want: `[{"role":"user","content":"one\n\ntwo"}]`},
		"a file's text":  {messages: []Message{{Role: "user", Parts: []Part{wordsPart("why?"), file("main.go", "package main\n")}}}, want: "[{\"role\":\"user\",\"content\":\"why?\\n\\nmain.go\\n```\\npackage main\\n```\"}]"},
		"a file unread":  {messages: []Message{{Role: "user", Parts: []Part{wordsPart("why?"), file("main.go", "")}}}, want: `[{"role":"user","content":"why?\n[attached file: main.go]"}]`},
		"an image":       {messages: []Message{{Role: "user", Parts: []Part{wordsPart("what is <this>?"), imagePart("a.webp", tinyPNG)}}}, want: `[{"role":"user","content":[{"type":"text","text":"what is <this>?"},` + png + `]}]`},
		"an image alone": {messages: []Message{{Role: "user", Parts: []Part{imagePart("a.webp", tinyJPEG)}}}, want: `[{"role":"user","content":[` + jpeg + `]}]`},
		"an image that is not sent": {messages: []Message{{Role: "user", Parts: []Part{wordsPart("what is this?"), imagePart("a.webp", nil)}}},
			want: `[{"role":"user","content":"what is this?\n[attached file: a.webp]"}]`},
		"images and files between words": {messages: []Message{{Role: "user", Parts: []Part{
			wordsPart("one"), file("a.go", "x"), imagePart("1", tinyPNG), wordsPart("two"), imagePart("2", nil), imagePart("3", tinyJPEG), imagePart("4", tinyPNG), wordsPart("")}}},
			want: "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"one\\n\\na.go\\n```\\nx\\n```\"}," + png + `,{"type":"text","text":"two\n[attached file: 2]"},` + jpeg + `,` + png + `]}]`},
		"only one message has an image": {messages: []Message{{Role: "user", Parts: []Part{imagePart("1", tinyPNG)}}, Text("assistant", "A cat."), Text("user", "Sure?")},
			want: `[{"role":"user","content":[` + png + `]},{"role":"assistant","content":"A cat."},{"role":"user","content":"Sure?"}]`},
		"no system role": {provider.Quirks{NoSystem: true}, []Message{Text("system", "Be brief."), {Role: "user", Name: "ann", Parts: []Part{imagePart("1", tinyPNG)}}},
			`[{"role":"user","content":[{"type":"text","text":"Be brief."},` + png + `],"name":"ann"}]`},
		"alternating roles": {provider.Quirks{Alternate: true}, []Message{Text("assistant", "Hello."), {Role: "user", Parts: []Part{imagePart("1", tinyPNG)}}, Text("user", "What is it?")},
			`[{"role":"user","content":[{"type":"text","text":"You said earlier:\nHello."},` + png + `,{"type":"text","text":"What is it?"}]}]`},
	} {
		if got := sentMessages(t, c.q, c.messages...); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, c.want)
		}
	}
}

// Text alone is sent byte for byte as a message whose content is a string.
func TestTextAloneIsAPlainString(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	alphabet := []rune("ab \n\t\"\\<>&é🎉\u2028\u0000\x7f`")
	for range 2000 {
		var text strings.Builder
		for range r.IntN(30) {
			text.WriteRune(alphabet[r.IntN(len(alphabet))])
		}
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode([]struct {
			Role    string `json:"role"`
			Content string `json:"content"`
		}{{"user", text.String()}}); err != nil {
			t.Fatal(err)
		}
		if got := sentMessages(t, provider.Quirks{}, Text("user", text.String())); got+"\n" != want.String() {
			t.Fatalf("%q is sent as %s", text.String(), got)
		}
	}
}

func TestTheSizeOfAMessage(t *testing.T) {
	m := Message{Role: "user", Parts: []Part{wordsPart("what?"), imagePart("a.webp", tinyPNG), imagePart("b.webp", nil), {Part: chat.Part{Kind: chat.KindFile, Text: "x", File: chat.File{Name: "f"}}}}}
	if got := m.Text(); got != "what?\n[attached file: b.webp]\n\nf\n```\nx\n```" || m.Images() != 1 {
		t.Errorf("%q and %d images", got, m.Images())
	}
}

// Endpoints echo: neither the words of a file nor an image may get into a log.
func TestFilesAreCutOutOfErrors(t *testing.T) {
	m := Message{Role: "user", Parts: []Part{wordsPart("Is this right?"), {Part: chat.Part{Kind: chat.KindFile, Text: "the salaries of everybody", File: chat.File{Name: "salaries.csv"}}}, imagePart("a.webp", bytes.Repeat(tinyPNG, 50))}}
	sent := sentMessages(t, provider.Quirks{}, m)
	got := newCleaner(provider.Provider{}, Request{Messages: []Message{m}}).text("invalid request: " + sent)
	if strings.Contains(got, "salaries of") || strings.Contains(got, "iVBOR") || strings.Contains(got, "PG1JPjwmPg") || !strings.HasPrefix(got, "invalid request: ") {
		t.Errorf("%s", got)
	}
}
