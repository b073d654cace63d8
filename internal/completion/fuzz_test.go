package completion

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"parley/internal/provider"
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
		r := result{Text: d.Text, Reasoning: d.Reasoning, Finish: d.Finish, Retracted: d.Retract}
		if d.Usage != nil {
			r.Usage = *d.Usage
		}
		out = append(out, r)
	}
	return out
}

// FuzzWire holds the reader to its promises for any bytes: the deltas and the
// end do not depend on how the bytes are cut, text is valid UTF-8, a finish
// comes again only as another one, and no delta is empty.
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
	f.Add([]byte(chunk(`{"content":"thoughts </thi"}`)+chunk(`{"content":"nk> answer"}`)+stopChunk+chunk(`{"content":" late"}`)+done), []byte{5}, true)
	f.Add([]byte(chunk(`{"content":"<|channel|>analysis<|mess"}`)+chunk(`{"content":"age|>x<|end|><|start|>assistant<|channel|>final<|message|>y<|return|>"}`)+done), []byte{1}, true)
	f.Add([]byte(chunk(`{"content":"The "}`)+chunk(`{"content":"The sea "}`)+chunk(`{"content":"The sea is "}`)+done), []byte{4}, true)
	f.Add([]byte(`data: {"choices":[{"index":1,"message":{"content":"a"},"delta":{},"finish_reason":"null"},{"index":2,"delta":{"content":"b"}}]}`), []byte{4}, true)
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
		finish := ""
		for i, d := range whole {
			if d == (Delta{}) {
				t.Fatalf("delta %d is empty", i)
			}
			if !utf8.ValidString(d.Text) || !utf8.ValidString(d.Reasoning) {
				t.Fatalf("delta %d is no text: %+v", i, d)
			}
			if d.Finish != "" && d.Finish == finish {
				t.Fatalf("finish %q comes twice", finish)
			}
			finish = cmp.Or(d.Finish, finish)
		}
		if end != nil && end.Kind == KindTruncated && !errors.Is(end, io.ErrUnexpectedEOF) {
			t.Fatal("truncated, but no unexpected EOF")
		}
	})
}

// FuzzMarks: however an answer is cut into pieces, the marks in it mean the
// same, and nothing is lost: every byte is answer, reasoning, a mark, a header
// of a channel, or white space around a block.
func FuzzMarks(f *testing.F) {
	for _, text := range []string{
		"<think>a</think>b", "a </think> b", "\n[THINK]a[/THINK]\nb", "<thought>never closed", "`</think>` is a tag", "x <think> y",
		"<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b<|return|>", "<|start|>assistant<|message|>b < c<|en",
		"```\n</think>\n```\nthe tag", "</think>\n\nb", "<thinking", "[thin",
	} {
		f.Add(text, []byte{1}, false)
		f.Add(text, []byte{0, 3}, true)
	}
	f.Fuzz(func(t *testing.T, text string, cuts []byte, hold bool) {
		if strings.Contains(text, bareOpen) {
			return // a token, whose pieces are not waited for
		}
		all := func(next func(rest string) int) (answer, reasoning string) {
			s := thinkSplitter{hold: hold}
			add := func(a, r []byte) {
				if s.retract {
					reasoning, answer, s.retract = reasoning+answer, "", false
				}
				answer, reasoning = answer+string(a), reasoning+string(r)
			}
			for rest := text; rest != ""; {
				n := min(next(rest), len(rest))
				add(s.split([]byte(rest[:n])))
				rest = rest[n:]
			}
			add(s.rest(true, false))
			return answer, reasoning
		}
		answer, reasoning := all(func(rest string) int { return len(rest) })
		k := 0
		a, r := all(func(string) int {
			k++
			if len(cuts) == 0 {
				return 1
			}
			return 1 + int(cuts[k%len(cuts)])%7
		})
		if a != answer {
			t.Fatalf("the answer depends on the cut: %q, %q", answer, a)
		}
		if strings.Join(strings.Fields(r), "") != strings.Join(strings.Fields(reasoning), "") {
			t.Fatalf("the reasoning depends on the cut: %q, %q", reasoning, r)
		}
		if !strings.ContainsAny(text, "<[") && strings.TrimSpace(answer) != strings.TrimSpace(text) {
			t.Fatalf("%q became %q", text, answer)
		}
	})
}

// FuzzUnpack: no compressed body, whole or damaged, is more than an error.
func FuzzUnpack(f *testing.F) {
	f.Add(packed("gzip", "data: x\n\n"), "gzip")
	f.Add(packed("deflate", "data: x\n\n"), "deflate")
	f.Add(packed("raw", "data: x\n\n"), "gzip, deflate")
	f.Add([]byte("data: plain"), "x-gzip")
	f.Fuzz(func(t *testing.T, body []byte, encoding string) {
		r, err := unpacked(bytes.NewReader(body), encoding)
		if err != nil {
			if e, ok := errors.AsType[*Error](err); !ok || e.Kind != KindProtocol {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(r, 8<<20))
	})
}

// FuzzTooLong: whatever an error says, its numbers are counts.
func FuzzTooLong(f *testing.F) {
	for _, c := range tooLongErrors {
		f.Add([]byte(c.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		limit, size := tooLong(body, string(body))
		if limit < 0 || size < 0 || limit > 1e9 || size > 1e9 {
			t.Fatalf("%d, %d", limit, size)
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
		p := provider.Provider{ID: "p"}
		c := newCleaner(p, Request{Messages: []Message{Text("user", "a secret plan for tomorrow")}})
		text := c.text(e.Text)
		if utf8.RuneCountInString(text) > maxText || !utf8.ValidString(text) || strings.Contains(text, "secret plan for") || strings.ContainsAny(text, "\n\r\x00") {
			t.Fatalf("text %q", text)
		}
	})
}
