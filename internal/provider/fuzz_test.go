package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// cutReader gives b in pieces whose sizes cycle through cuts.
type cutReader struct {
	b    []byte
	cuts []byte
	i    int
}

func (r *cutReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := len(r.b)
	if len(r.cuts) > 0 {
		n = 1 + int(r.cuts[r.i%len(r.cuts)])
		r.i++
	}
	n = copy(p, r.b[:min(n, len(r.b))])
	r.b = r.b[n:]
	if len(r.b) == 0 && r.i%2 == 1 { // the end may come with the last bytes or after them
		return n, io.EOF
	}
	return n, nil
}

// decodeAll lists all deltas and the end.
func decodeAll(t *testing.T, r io.Reader, contentType string) (deltas []Delta, end *Error) {
	t.Helper()
	d := newDecoder(r, contentType)
	for {
		delta, err := d.next()
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return deltas, nil
		}
		if err != nil {
			e, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("error of type %T: %v", err, err)
			}
			return deltas, e
		}
		deltas = append(deltas, delta)
	}
}

func plain(deltas []Delta) []result {
	var out []result
	for _, d := range deltas {
		r := result{Text: d.Text, Reasoning: d.Reasoning, Finish: d.Finish}
		if d.Usage != nil {
			r.Usage = *d.Usage
		}
		out = append(out, r)
	}
	return out
}

// FuzzWire holds the reader to its promises for any bytes: the deltas and the
// end do not depend on how the bytes are cut, text is valid UTF-8, there is at
// most one finish, and no delta is empty.
func FuzzWire(f *testing.F) {
	files, err := filepath.Glob("testdata/wire/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, []byte{0}, strings.HasSuffix(name, ".sse"))
		f.Add(bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n")), []byte{2, 0, 13}, strings.HasSuffix(name, ".sse"))
	}
	f.Add([]byte(chunk(`{"content":"a\ud83d"}`)+chunk(`{"content":"\ude00<thi"}`)+chunk(`{"content":"nk>x</think>y"}`)+done), []byte{3}, true)
	f.Add([]byte("data: {\"choices\":[{\"delta\":\ndata: {\"content\":\"`a`<think>\"}}]}\n\nevent: error\ndata: x\n\n"), []byte{0}, true)
	f.Add([]byte("\xef\xbb\xbf\r\r\n [{\"error\":\"x\"}]"), []byte{0}, false)
	f.Fuzz(func(t *testing.T, body, cuts []byte, sse bool) {
		contentType := "application/json"
		if sse {
			contentType = "text/event-stream; charset=utf-8"
		}
		whole, end := decodeAll(t, bytes.NewReader(body), contentType)
		pieces, pieceEnd := decodeAll(t, &cutReader{b: body, cuts: cuts}, contentType)
		if !slices.Equal(plain(whole), plain(pieces)) {
			t.Fatalf("deltas depend on the cut:\n%+v\n%+v", plain(whole), plain(pieces))
		}
		if (end == nil) != (pieceEnd == nil) || end != nil && (end.Kind != pieceEnd.Kind || end.Text != pieceEnd.Text || end.Status != pieceEnd.Status) {
			t.Fatalf("the end depends on the cut: %v, %v", end, pieceEnd)
		}
		finishes := 0
		for i, d := range whole {
			if d == (Delta{}) {
				t.Fatalf("delta %d is empty", i)
			}
			if !utf8.ValidString(d.Text) || !utf8.ValidString(d.Reasoning) {
				t.Fatalf("delta %d is no text: %+v", i, d)
			}
			if d.Finish != "" {
				finishes++
			}
		}
		if finishes > 1 {
			t.Fatalf("%d finishes", finishes)
		}
		if end != nil && end.Kind == KindTruncated && !errors.Is(end, io.ErrUnexpectedEOF) {
			t.Fatal("truncated, but no unexpected EOF")
		}
	})
}

// FuzzScan holds the scanner to encoding/json: what is valid there is consumed
// whole here.
func FuzzScan(f *testing.F) {
	for _, s := range []string{`{}`, `[1,-2.5e+3,"x\"\\\u12aF",true,false,null,{"a":[{}]}]`, ` "a" `, `{"a":1,}`, `[`, `"\`, `nul`, `1 2`, `{"a"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := scanner{b: data}
		s.skip(0)
		s.space()
		if json.Valid(data) && strings.Count(string(data), "[")+strings.Count(string(data), "{") < maxDepth && (s.failed || s.i != len(data)) {
			t.Fatalf("refused at %d: %q", s.i, data)
		}
		if s.short && json.Valid(data) {
			t.Fatal("short, yet valid")
		}
	})
}

// FuzzString holds unquoting and joining to encoding/json for every string,
// cut anywhere.
func FuzzString(f *testing.F) {
	f.Add("a😀\"\\\n\u2028é", uint(3))
	f.Add("\xff\xed\xa0\xbd\xed\xb8\x80", uint(4))
	f.Fuzz(func(t *testing.T, text string, cut uint) {
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var want string
		if err := json.Unmarshal(quoted, &want); err != nil {
			t.Fatal(err)
		}
		s := scanner{b: quoted}
		raw, escaped := s.str()
		b := appendString(nil, raw, escaped)
		at := int(cut % uint(len(b)+1))
		var j joiner
		got := string(j.join(b[:at])) + string(j.join(b[at:])) + string(j.rest())
		if s.failed || got != want {
			t.Fatalf("%q cut at %d: %q", want, at, got)
		}
	})
}

// FuzzErrorBody: whatever an endpoint answers, the text is short and clean and
// the kind is one of the set.
func FuzzErrorBody(f *testing.F) {
	files, err := filepath.Glob("testdata/wire/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, 400)
	}
	f.Add([]byte("<title>x</title>"), 502)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		e := errorFromBody(status, body)
		if e.Kind == "" {
			t.Fatal("no kind")
		}
		p := Provider{ID: "p"}
		c := newCleaner(p, Request{Messages: []Message{{Content: "a secret plan for tomorrow"}}})
		text := c.text(e.Text)
		if utf8.RuneCountInString(text) > maxText || !utf8.ValidString(text) || strings.Contains(text, "secret plan for") || strings.ContainsAny(text, "\n\r\x00") {
			t.Fatalf("text %q", text)
		}
	})
}
