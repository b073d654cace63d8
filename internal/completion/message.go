// Messages: what they are made of, and their form on the wire.

package completion

import (
	"encoding/base64"
	"net/http"
	"slices"

	"parley/internal/chat"
)

// Message is one entry of a request's messages.
type Message struct {
	Role  string // "system", "user", "assistant"
	Parts []Part
	Name  string
}

// Part is a part of a message as it is sent.
type Part struct {
	chat.Part
	// Image is what the file of an image holds, JPEG or PNG. Without it the model
	// reads one line that names the file.
	Image []byte
}

// Text is a message of words alone.
func Text(role, text string) Message { return Of(role, []chat.Part{chat.TextPart(text)}) }

// Of is a message of parts whose files have not been opened.
func Of(role string, parts []chat.Part) Message {
	m := Message{Role: role, Parts: make([]Part, len(parts))}
	for i, p := range parts {
		m.Parts[i].Part = p
	}
	return m
}

// Text is all of m that is sent as text.
func (m Message) Text() string {
	var parts []chat.Part
	for _, p := range m.Parts {
		if !p.isImage() {
			parts = append(parts, p.Part)
		}
	}
	return chat.AsText(parts)
}

// Images is how many images are sent with m.
func (m Message) Images() (n int) {
	for _, p := range m.Parts {
		if p.isImage() {
			n++
		}
	}
	return n
}

func (p Part) isImage() bool { return p.Kind == chat.KindImage && len(p.Image) > 0 }

// Then is m and after it, in the same message, what next holds.
func (m Message) Then(next Message) Message {
	m.Parts = slices.Concat(m.Parts, next.Parts)
	return m
}

// behind is m with words in front of it.
func (m Message) behind(words string) Message {
	m.Parts = slices.Concat(Text(m.Role, words).Parts, m.Parts)
	return m
}

// wireMessage is a message in OpenAI's form.
type wireMessage struct {
	Role    string `json:"role"`
	Content any    `json:"content"` // a string, or a []wirePart where there are images
	Name    string `json:"name,omitempty"`
}

type wirePart struct {
	Type  string     `json:"type"`
	Text  string     `json:"text,omitempty"`
	Image *wireImage `json:"image_url,omitempty"`
}

type wireImage struct {
	URL string `json:"url"`
}

// onWire are messages in the form in which they are sent. One without images has
// a string for its content: there are servers that take nothing else.
func onWire(messages []Message) []wireMessage {
	out := make([]wireMessage, len(messages))
	for i, m := range messages {
		out[i] = wireMessage{Role: m.Role, Content: m.Text(), Name: m.Name}
		if m.Images() > 0 {
			out[i].Content = m.wireParts()
		}
	}
	return out
}

// wireParts are m's images, and one text for what stands between two of them.
func (m Message) wireParts() []wirePart {
	var out []wirePart
	var words []chat.Part
	flush := func() {
		if text := chat.AsText(words); text != "" {
			out = append(out, wirePart{Type: "text", Text: text})
		}
		words = nil
	}
	for _, p := range m.Parts {
		if !p.isImage() {
			words = append(words, p.Part)
			continue
		}
		flush()
		url := "data:" + http.DetectContentType(p.Image) + ";base64," + base64.StdEncoding.EncodeToString(p.Image)
		out = append(out, wirePart{Type: "image_url", Image: &wireImage{url}})
	}
	flush()
	return out
}
