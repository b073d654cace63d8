package completion

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/bots"
	"parley/internal/provider"
)

// TestHabitsOfServers reads streams that bend the format, cut anywhere.
func TestHabitsOfServers(t *testing.T) {
	const harbour = "The harbour opens at "
	file := func(name string) string {
		raw, err := os.ReadFile(filepath.Join("testdata/cases", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	finishing := func(reason string) string {
		chunk := func(text, reason string) string {
			return `data: {"choices":[{"index":0,"delta":{"content":"` + text + `"},"finish_reason":` + reason + `}]}` + "\n\n"
		}
		return chunk("a", reason) + chunk("b", reason) + chunk("c", reason)
	}
	message := func(text string) string { return `data: {"choices":[{"message":{"content":"` + text + `"}}]}` + "\n\n" }
	choice := func(index int, text string) string {
		return fmt.Sprintf(`data: {"choices":[{"index":%d,"delta":{"content":"%s"}}]}`+"\n\n", index, text)
	}
	split := func(text string) string {
		var b strings.Builder
		for _, r := range text {
			fmt.Fprintf(&b, `data: {"choices":[{"delta":{"content":%q}}]}`+"\n\n", string(r))
		}
		return b.String()
	}
	for _, c := range []struct {
		name, body string
		want       result
	}{
		{name: "the word null as finish reason", body: file("finish-null.sse"), want: result{Text: "The harbour opens at seven and closes at nineteen so bring the blue folder and call Mira before noon because the second gate is locked today ", Finish: "stop"}},
		{name: "null alone is no end", body: finishing(`"null"`), want: result{Text: "abc", Kind: KindTruncated}},
		{name: "NULL and spaces", body: finishing(`" NULL "`), want: result{Text: "abc", Kind: KindTruncated}},
		{name: "empty", body: finishing(`""`), want: result{Text: "abc", Kind: KindTruncated}},
		{name: "none, a number, in progress", body: finishing(`"none"`) + finishing(`0`) + finishing(`"in_progress"`) + finishing(`false`), want: result{Text: "abcabcabcabc", Kind: KindTruncated}},
		{name: "null and [DONE]", body: finishing(`"null"`) + done, want: result{Text: "abc"}},
		{name: "an unknown word on every chunk is an end where the body ends so", body: choice(0, "a") + `data: {"choices":[{"delta":{},"finish_reason":"ran_dry"}]}` + "\n\n", want: result{Text: "a", Finish: "ran_dry"}},
		{name: "an unknown word that text followed is none", body: finishing(`"partly"`), want: result{Text: "abc", Kind: KindTruncated}},
		{name: "stop on every chunk", body: finishing(`"stop"`) + done, want: result{Text: "abc", Finish: "stop"}},
		{name: "another word for stop", body: finishing(`null`) + `data: {"choices":[{"delta":{},"finish_reason":"EOS"}]}` + "\n\n", want: result{Text: "abc", Finish: "stop"}},
		{name: "text after a finish, and then the true one", body: choice(0, "a") + stopChunk + choice(0, "b") + `data: {"choices":[{"delta":{},"finish_reason":"length"}]}` + "\n\n" + done, want: result{Text: "ab", Finish: "length"}},
		{name: "a chunk without text after the finish changes nothing", body: choice(0, "a") + stopChunk + `data: {"choices":[{"delta":{},"finish_reason":null}]}` + "\n\n", want: result{Text: "a", Finish: "stop"}},

		{name: "message beside delta", body: file("perplexity.sse"), want: result{Text: "The harbour opens at seven and closes at ", Finish: "stop"}},
		{name: "the whole message at the end", body: choice(0, "a") + choice(0, "b") + message("ab") + done, want: result{Text: "ab"}},
		{name: "the whole message alone", body: `data: {"choices":[{"delta":{"role":"assistant"}}]}` + "\n\n" + message("ab") + done, want: result{Text: "ab"}},
		{name: "messages that grow", body: message("The ") + message("The sea ") + message("The sea is ") + message("The sea is blue") + done, want: result{Text: "The sea is blue"}},
		{name: "messages that are pieces", body: message("The ") + message("sea ") + message("is") + done, want: result{Text: "The sea is"}},
		{name: "reasoning by deltas, the answer as a message", body: chunk(`{"reasoning_content":"hm"}`) + `data: {"choices":[{"message":{"content":"yes","reasoning_content":"hm"}}]}` + "\n\n" + done, want: result{Text: "yes", Reasoning: "hm"}},

		{name: "deltas that repeat everything", body: choice(0, "The ") + choice(0, "The har") + choice(0, harbour) + choice(0, harbour+"seven") + stopChunk + done, want: result{Text: harbour + "seven", Finish: "stop"}},
		{name: "the last of them twice", body: choice(0, "The ") + choice(0, "The har") + choice(0, harbour) + choice(0, harbour) + stopChunk + done, want: result{Text: harbour, Finish: "stop"}},
		{name: "two of them", body: choice(0, "Yes") + choice(0, "Yes, at seven.") + stopChunk + done, want: result{Text: "Yes, at seven.", Finish: "stop"}},
		{name: "a character that is not whole yet", body: choice(0, "Guten Mo") + choice(0, "Guten Morgen, Gr\ufffd") + choice(0, "Guten Morgen, Grü\ufffd") + choice(0, "Guten Morgen, Grüße") + done, want: result{Text: "Guten Morgen, Grüße"}},
		{name: "pieces that repeat by chance", body: choice(0, "1") + choice(0, "10") + choice(0, " is the number") + done, want: result{Text: "110 is the number"}},
		{name: "pieces that repeat by chance to the end", body: choice(0, "ha") + choice(0, "haha") + done, want: result{Text: "hahaha"}},
		{name: "equal pieces", body: choice(0, " very") + choice(0, " very") + choice(0, " good") + done, want: result{Text: " very very good"}},
		{name: "reasoning that repeats everything", body: chunk(`{"reasoning":"We look"}`) + chunk(`{"reasoning":"We look at"}`) + chunk(`{"reasoning":"We look at it"}`) + choice(0, "yes") + done, want: result{Text: "yes", Reasoning: "We look at it"}},

		{name: "choices that begin at 1", body: choice(1, "a") + choice(1, "b") + done, want: result{Text: "ab"}},
		{name: "choices in turn", body: choice(1, "a") + choice(0, "x") + choice(1, "b") + choice(0, "y") + done, want: result{Text: "ab"}},
		{name: "choices in turn from 0", body: choice(0, "a") + choice(1, "x") + choice(0, "b") + choice(1, "y") + done, want: result{Text: "ab"}},
		{name: "two choices in a chunk", body: `data: {"choices":[{"index":2,"delta":{"content":"x"}},{"delta":{"content":"a"},"index":1}]}` + "\n\n" + choice(1, "b") + done, want: result{Text: "ab"}},
		{name: "the finish of another choice", body: choice(0, "a") + `data: {"choices":[{"index":1,"delta":{},"finish_reason":"length"}]}` + "\n\n" + choice(0, "b") + stopChunk + done, want: result{Text: "ab", Finish: "stop"}},

		{name: "reasoning without an opening mark", body: file("unopened-think.sse"), want: result{Text: "17 times 23 is **391**.", Reasoning: "", Finish: "stop", Retracted: true}},
		{name: "its mark in pieces", body: split("Okay.\n</think>\n\nYes.") + stopChunk, want: result{Text: "Yes.", Finish: "stop", Retracted: true}},
		{name: "its mark first", body: split("</think>\n\nYes."), want: result{Text: "Yes.", Kind: KindTruncated}},
		{name: "its mark in capitals", body: choice(0, "Hm.") + choice(0, "</THINK>Yes") + done, want: result{Text: "Yes", Retracted: true}},
		{name: "its mark and all before it in one delta", body: choice(0, "Hm.</think>Yes") + done, want: result{Text: "Yes", Reasoning: "Hm."}},
		{name: "its mark in a fence", body: split("Write:\n```\n</think>\n```\nDone.") + done, want: result{Text: "Write:\n```\n</think>\n```\nDone."}},
		{name: "its mark in code", body: split("The tag `</think>` ends it.") + done, want: result{Text: "The tag `</think>` ends it."}},
		{name: "only the first counts", body: split("a</think>b</think>c") + done, want: result{Text: "b</think>c", Retracted: true}},
		{name: "not after an opened block", body: split("<think>a</think>b</think>c") + done, want: result{Text: "b</think>c", Reasoning: "a"}},

		{name: "channels", body: file("harmony.sse"), want: result{Text: "It is 391.", Reasoning: "User asks product.", Finish: "stop"}},
		{name: "channels in pieces, with a start and a return", body: split("<|start|>assistant<|channel|>analysis<|message|>Hm < 1.<|end|><|start|>assistant<|channel|>final<|message|>a < b<|return|>") + stopChunk, want: result{Text: "a < b", Reasoning: "Hm < 1.", Finish: "stop"}},
		{name: "commentary and a call", body: split("<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|><|channel|>final <|message|>Yes") + done, want: result{Text: "Yes", Reasoning: "{}"}},
		{name: "the final channel alone", body: split(" <|channel|>final<|message|>Yes<|end|>") + done, want: result{Text: "Yes"}},
		{name: "no channel", body: split("<|start|>assistant<|message|>Yes<|return|>") + done, want: result{Text: "Yes"}},
		{name: "a mark cut off at the end", body: split("<|channel|>final<|message|>Yes<|retu") + stopChunk, want: result{Text: "Yes", Finish: "stop"}},
		{name: "channels without their marks", body: choice(0, "anal") + choice(0, "ysis") + split("User asks product.assistantfinalIt is 391.") + stopChunk, want: result{Text: "It is 391.", Reasoning: "User asks product.", Finish: "stop"}},
		{name: "a word like a channel", body: choice(0, "analysis") + split(" of the Sea: assistantfinal is a word") + stopChunk, want: result{Text: "analysis of the Sea: assistantfinal is a word", Finish: "stop"}},
		{name: "a name like a channel, never closed", body: choice(0, "analysis") + split("Tool is a name") + stopChunk, want: result{Text: "analysisTool is a name", Finish: "stop"}},
		{name: "marks of channels in prose", body: split("The mark <|channel|>final is one.") + done, want: result{Text: "The mark <|channel|>final is one."}},

		{name: "thought", body: file("thought.sse"), want: result{Text: "It is 391.", Reasoning: "Let me see. 391.", Finish: "stop"}},
		{name: "THINK", body: split("\n [THINK]a[/THINK]\nYes") + done, want: result{Text: "Yes", Reasoning: "a"}},
		{name: "thinking", body: split("<Thinking>a</Thinking>Yes") + done, want: result{Text: "Yes", Reasoning: "a"}},
		{name: "reasoning", body: split("<reasoning>a</reasoning>\n\nYes") + done, want: result{Text: "Yes", Reasoning: "a"}},
		{name: "such marks in prose", body: split("Use <thought>, [THINK] and <reasoning> here.") + done, want: result{Text: "Use <thought>, [THINK] and <reasoning> here."}},
		{name: "such a mark first, never closed", body: split("<thought> is a tag") + stopChunk, want: result{Text: "<thought> is a tag", Finish: "stop"}},
		{name: "a link first", body: split("[think](http://x) twice") + stopChunk, want: result{Text: "[think](http://x) twice", Finish: "stop"}},
		{name: "two blocks", body: split("<thought>a</thought><think>b</think>Yes") + done, want: result{Text: "Yes", Reasoning: "ab"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, r := range cuts([]byte(c.body)) {
				got := readAll(200, "text/event-stream", r)
				got.Deltas = 0
				if c.want.Retracted {
					got.Reasoning = "" // what of it was shown is no delta's reasoning
				}
				if got != c.want {
					t.Errorf("%s:\n got %+v\nwant %+v", name, got, c.want)
				}
			}
		})
	}
}

// packed is text in a coding.
func packed(coding, text string) []byte {
	var b bytes.Buffer
	var w interface {
		io.WriteCloser
		Flush() error
	}
	switch coding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	default:
		w, _ = flate.NewWriter(&b, flate.DefaultCompression)
	}
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.Bytes()
}

func TestCompressedAnswersAreRead(t *testing.T) {
	stream := chunk(`{"content":"The harbour "}`) + chunk(`{"content":"is open."}`) + stopChunk + done
	for name, c := range map[string]struct {
		encoding, contentType string
		status                int
		body                  []byte
		text                  string
		kind                  Kind
		says                  string
	}{
		"gzip":                 {encoding: "gzip", body: packed("gzip", stream), text: "The harbour is open."},
		"x-gzip":               {encoding: "X-GZIP", body: packed("gzip", stream), text: "The harbour is open."},
		"a member per event":   {encoding: "gzip", body: append(packed("gzip", stream[:len(stream)/2]), packed("gzip", stream[len(stream)/2:])...), text: "The harbour is open."},
		"deflate with a frame": {encoding: "deflate", body: packed("deflate", stream), text: "The harbour is open."},
		"deflate without":      {encoding: "deflate", body: packed("raw", stream), text: "The harbour is open."},
		"twice":                {encoding: "deflate, gzip", body: packed("gzip", string(packed("deflate", stream))), text: "The harbour is open."},
		"identity":             {encoding: "identity", body: []byte(stream), text: "The harbour is open."},
		"said, but not done":   {encoding: "gzip", body: []byte(stream), text: "The harbour is open."},
		"deflate, not done":    {encoding: "deflate", body: []byte(stream), text: "The harbour is open."},
		"one document":         {encoding: "gzip", contentType: "application/json", body: packed("gzip", `{"choices":[{"message":{"content":"Whole."},"finish_reason":"stop"}]}`), text: "Whole."},
		"an error":             {encoding: "gzip", status: 400, body: packed("gzip", `{"error":{"message":"temperature is odd"}}`), kind: KindBadRequest, says: "temperature is odd"},
		"br":                   {encoding: "br", body: []byte("\x8b\x02\x80"), kind: KindProtocol, says: "answers compressed (br) though parley asked for plain"},
		"zstd inside gzip":     {encoding: "zstd, gzip", body: packed("gzip", "x"), kind: KindProtocol, says: "(zstd)"},
		"an error in br":       {encoding: "br", status: 401, body: []byte("\x8b\x02\x80"), kind: KindAuth, says: "refused the API key"},
		"damaged":              {encoding: "gzip", body: append(packed("gzip", "data: ")[:10], bytes.Repeat([]byte{0xff}, 40)...), kind: KindProtocol, says: "not"},
		"cut off":              {encoding: "gzip", body: packed("gzip", stream)[:40], kind: KindTruncated, says: "broke off"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			srv := quietServer(t, func(w http.ResponseWriter, _ *http.Request) {
				asked++
				w.Header().Set("Content-Encoding", c.encoding)
				w.Header().Set("Content-Type", orElse(c.contentType, "text/event-stream"))
				if c.status != 0 {
					w.WriteHeader(c.status)
				}
				_, _ = w.Write(c.body)
			})
			text, err := streamed(t, loopbackClient(t), record(srv.URL+"/v1/chat/completions", "m"), Request{Model: "m", Retry: Retry{Max: 1, Wait: time.Millisecond}})
			if c.kind == "" {
				if err != nil || text != c.text {
					t.Fatalf("%q, %v", text, err)
				}
				return
			}
			if err == nil || err.Kind != c.kind || !strings.Contains(err.Sentence(), c.says) && !strings.Contains(err.Text, c.says) {
				t.Fatalf("%v: %s", err, err.Sentence())
			}
			if c.kind == KindProtocol && asked != 1 {
				t.Errorf("asked %d times for what no further try mends", asked)
			}
		})
	}
}

func orElse(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// streamed is the text of an answer, as a caller that takes retractions sees it.
func streamed(t *testing.T, c *Client, p provider.Provider, r Request) (text string, failed *Error) {
	t.Helper()
	for d, err := range c.Stream(t.Context(), p, r) {
		if err != nil {
			failed, _ = errors.AsType[*Error](err)
			continue
		}
		if d.Retract {
			text = ""
		}
		text += d.Text
	}
	return text, failed
}

// Each event is shown when it comes, though it is compressed.
func TestACompressedStreamIsReadAsItComes(t *testing.T) {
	for name, open := range map[string]func(io.Writer) interface {
		io.Writer
		Flush() error
	}{
		"gzip": func(w io.Writer) interface {
			io.Writer
			Flush() error
		} {
			return gzip.NewWriter(w)
		},
		"deflate": func(w io.Writer) interface {
			io.Writer
			Flush() error
		} {
			return zlib.NewWriter(w)
		},
	} {
		t.Run(name, func(t *testing.T) {
			seen := make(chan struct{})
			srv := quietServer(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Encoding", name)
				w.Header().Set("Content-Type", "text/event-stream")
				z := open(w)
				send := func(s string) {
					_, _ = io.WriteString(z, s)
					_ = z.Flush()
					_ = http.NewResponseController(w).Flush()
				}
				send(chunk(`{"content":"first"}`))
				select {
				case <-seen:
				case <-r.Context().Done():
				}
				send(chunk(`{"content":" second"}`) + stopChunk + done)
			})
			text := ""
			for d, err := range loopbackClient(t).Stream(t.Context(), record(srv.URL+"/v1/chat/completions", "m"), Request{Model: "m"}) {
				if err != nil {
					t.Fatal(err)
				}
				if text == "" {
					close(seen)
				}
				text += d.Text
			}
			if text != "first second" {
				t.Errorf("got %q", text)
			}
		})
	}
}

// zeros is an endless comment.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	for i := range p {
		p[i] = ':'
		if i%1000 == 999 {
			p[i] = '\n'
		}
	}
	return len(p), nil
}

func TestACompressedBombEnds(t *testing.T) {
	r, w := io.Pipe()
	go func() {
		z := gzip.NewWriter(w)
		_, err := io.Copy(z, zeros{})
		_ = w.CloseWithError(err)
	}()
	plain, err := unpacked(r, "gzip")
	if err != nil {
		t.Fatal(err)
	}
	d := newDecoder(plain, "text/event-stream")
	_, err = d.next()
	_ = r.Close()
	if e, ok := errors.AsType[*Error](err); !ok || e.Kind != KindProtocol || !strings.Contains(e.Error(), "256 MiB") {
		t.Errorf("got %v", err)
	}
}

// scripted answers each request with the next body, the last one for ever.
func scripted(t *testing.T, bodies ...string) (provider.Provider, *[]string) {
	var got []string
	srv := quietServer(t, func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		body := bodies[min(len(got), len(bodies)-1)]
		got = append(got, string(raw))
		if strings.HasPrefix(body, "{") {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
		} else {
			w.Header().Set("Content-Type", "text/event-stream")
		}
		_, _ = io.WriteString(w, body)
	})
	return record(srv.URL+"/v1/chat/completions", "m"), &got
}

// A model whose reasoning nothing opens is remembered: its next answer is held
// from the start; one that has stopped doing so is shown at once again.
func TestUnopenedReasoningIsRemembered(t *testing.T) {
	const said, unmarked = "thoughts", "plain answer"
	thinking := chunk(`{"content":"thou"}`) + chunk(`{"content":"ghts"}`) + chunk(`{"content":"\n</think>\n\nanswer"}`) + stopChunk + done
	without := chunk(`{"content":"plain "}`) + chunk(`{"content":"answer"}`) + stopChunk + done
	p, _ := scripted(t, thinking, thinking, without, without)
	c := loopbackClient(t)
	for i, want := range []struct {
		text      string
		retracted bool
		deltas    int // that carry text
		learned   string
	}{
		{"answer", true, 3, provider.ThinkingUnopened},
		{"answer", false, 1, provider.ThinkingUnopened},
		{unmarked, false, 1, ""},
		{unmarked, false, 2, ""},
	} {
		text, retracted, deltas, reasoning := "", false, 0, ""
		for d, err := range c.Stream(t.Context(), p, Request{Model: "m"}) {
			if err != nil {
				t.Fatal(err)
			}
			if d.Retract {
				text, retracted = "", true
			}
			if d.Text != "" {
				deltas++
			}
			text += d.Text
			reasoning += d.Reasoning
		}
		if text != want.text || retracted != want.retracted || deltas != want.deltas {
			t.Errorf("answer %d: %q, retracted %v, %d deltas", i, text, retracted, deltas)
		}
		if i == 1 && strings.TrimSpace(reasoning) != said {
			t.Errorf("the reasoning is %q", reasoning)
		}
		if got := c.o.Learned("corp", "m").Thinking; got != want.learned {
			t.Errorf("after answer %d it is learned %q", i, got)
		}
	}
}

// An answer the length limit cut says nothing of how the model marks its
// reasoning, and a parser on the server makes holding it needless.
func TestWhatIsHeldIsTheAnswerAtItsEnd(t *testing.T) {
	learned := provider.Quirks{Thinking: provider.ThinkingUnopened}
	for name, c := range map[string]struct {
		body, text string
		kind       Kind
		remains    bool
	}{
		"cut by the limit":     {chunk(`{"content":"so far"}`) + strings.Replace(stopChunk, "stop", "length", 1) + done, "so far", "", true},
		"reasoning in a field": {chunk(`{"reasoning_content":"hm"}`) + chunk(`{"content":"yes"}`) + stopChunk + done, "yes", "", false},
		"broken off":           {chunk(`{"content":"so far"}`), "", KindTruncated, true},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := scripted(t, c.body)
			client := loopbackClient(t)
			client.lessons.put(t.Context(), "corp", "m", learned)
			text, err := streamed(t, client, p, Request{Model: "m", Retry: Retry{Max: -1}})
			if text != c.text || (err == nil) != (c.kind == "") {
				t.Errorf("%q, %v", text, err)
			}
			if remains := client.o.Learned("corp", "m").Thinking != ""; remains != c.remains {
				t.Errorf("remembered: %v", remains)
			}
		})
	}
}

func TestCumulativeDeltasAreRemembered(t *testing.T) {
	two := chunk(`{"content":"ha"}`) + chunk(`{"content":"haha"}`) + stopChunk + done
	p, _ := scripted(t, chunk(`{"content":"The sea"}`)+chunk(`{"content":"The sea is"}`)+chunk(`{"content":"The sea is blue"}`)+stopChunk+done,
		two, chunk(`{"content":"no"}`)+chunk(`{"content":" more"}`)+stopChunk+done, two)
	c := loopbackClient(t)
	for i, want := range []string{"The sea is blue", "haha", "no more", "hahaha"} {
		if text, err := streamed(t, c, p, Request{Model: "m"}); err != nil || text != want {
			t.Errorf("answer %d: %q, %v; want %q", i, text, err, want)
		}
	}
}

var conversationOfTwo = []Message{Text("system", "Be brief."), Text("user", "one"), Text("user", "two")}

// Refusals that speak of roles are learned from, and the request asked again.
func TestRolesAreLearned(t *testing.T) {
	refused, err := os.ReadFile("testdata/cases/roles-alternate.json")
	if err != nil {
		t.Fatal(err)
	}
	answer := chunk(`{"content":"ok"}`) + stopChunk + done
	oaiError := func(text string) string {
		return fmt.Sprintf(`{"error":{"message":%q,"type":"invalid_request_error"}}`, text)
	}
	for name, c := range map[string]struct {
		refusals []string
		messages []Message
		want     string
		learned  string
	}{
		"roles must alternate": {[]string{string(refused)}, conversationOfTwo,
			`[{"role":"system","content":"Be brief."},{"role":"user","content":"one\n\ntwo"}]`, "roles alternate"},
		"alternation that a system message breaks": {[]string{string(refused), string(refused)}, conversationOfTwo,
			`[{"role":"user","content":"Be brief.\n\none\n\ntwo"}]`, "roles alternate; system text in the first question"},
		"alternation where only the system message is left": {[]string{string(refused)}, conversationOfTwo[:2],
			`[{"role":"user","content":"Be brief.\n\none"}]`, "system text in the first question"},
		"the assistant first": {[]string{oaiError("After the optional system message, conversation roles must alternate user/assistant/user/assistant/...")},
			[]Message{Text("assistant", "hello"), Text("user", "one")},
			`[{"role":"user","content":"You said earlier:\nhello\n\none"}]`, "roles alternate"},
		"system role not supported":         {[]string{oaiError("System role not supported")}, conversationOfTwo[:2], `[{"role":"user","content":"Be brief.\n\none"}]`, "system text in the first question"},
		"only user and assistant":           {[]string{oaiError("Only user and assistant roles are supported!")}, conversationOfTwo[:2], `[{"role":"user","content":"Be brief.\n\none"}]`, "system text in the first question"},
		"developer instruction not enabled": {[]string{oaiError("Developer instruction is not enabled for models/gemma-3-1b-it")}, conversationOfTwo[:2], `[{"role":"user","content":"Be brief.\n\none"}]`, "system text in the first question"},
		"does not support system messages":  {[]string{oaiError("This model does not support system messages.")}, conversationOfTwo[:2], `[{"role":"user","content":"Be brief.\n\none"}]`, "system text in the first question"},
		"unsupported value: role system":    {[]string{oaiError("Unsupported value: 'messages[0].role' does not support 'system' with this model.")}, conversationOfTwo[:2], `[{"role":"user","content":"Be brief.\n\none"}]`, "system text in the first question"},
		"invalid role system":               {[]string{oaiError("Unknown role: system")}, conversationOfTwo[:2], `[{"role":"user","content":"Be brief.\n\none"}]`, "system text in the first question"},
	} {
		t.Run(name, func(t *testing.T) {
			p, got := scripted(t, append(c.refusals, answer)...)
			client := loopbackClient(t)
			for range 2 {
				if text, err := streamed(t, client, p, Request{Model: "m", Messages: c.messages, Retry: Retry{Max: -1}}); err != nil || text != "ok" {
					t.Fatalf("%q, %v", text, err)
				}
			}
			if len(*got) != len(c.refusals)+2 {
				t.Errorf("%d requests", len(*got))
			}
			for _, body := range (*got)[len(c.refusals):] {
				if !strings.HasSuffix(body, `"messages":`+c.want+"}") {
					t.Errorf("sent %s", body)
				}
			}
			if said := client.o.Learned("corp", "m").String(); said != c.learned {
				t.Errorf("learned %q", said)
			}
		})
	}
	t.Run("other refusals teach nothing of roles", func(t *testing.T) {
		for _, text := range []string{"The system is overloaded", "system_fingerprint is not supported", "Your account role does not allow this", "invalid value for temperature"} {
			e := errorFromBody(400, []byte(oaiError(text)))
			if q := learnRoles(e, conversationOfTwo, provider.Quirks{}); !q.IsZero() {
				t.Errorf("%q taught %s", text, q)
			}
		}
	})
}

// tooLongErrors are the sentences of services about a prompt that is too long.
var tooLongErrors = []struct {
	body        string
	limit, size int
}{
	{`{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":5512,"n_ctx":4096}}`, 4096, 5512},
	{`{"error":{"message":"litellm.ContextWindowExceededError: {\"error\":{\"message\":\"too long\",\"n_prompt_tokens\":5512,\"n_ctx\":4096,\"type\":\"exceed_context_size_error\"}}"}}`, 4096, 5512},
	{`{"error":{"message":"{\"error\":{\"message\":\"too long\",\"n_prompt_tokens\":5512,\"n_ctx\":4096,\"type\":\"exceed_context_size_error\"}}"}}`, 4096, 5512},
	{`{"error":{"message":"request (5512 tokens) exceeds the available context size (4096 tokens), try increasing it"}}`, 4096, 5512},
	{`{"error":{"message":"This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens. Please reduce the length of the messages.","code":"context_length_exceeded"}}`, 8192, 9001},
	{`{"error":{"message":"This model's maximum context length is 4,097 tokens, however you requested 5,000 tokens (4000 in your prompt; 1000 for the completion)."}}`, 4097, 4000},
	{`{"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 6096 tokens (4048 in the messages, 2048 in the completion). Please reduce the length of the messages or completion.","code":400}`, 4096, 4048},
	{`{"error":{"message":"'max_tokens' or 'max_completion_tokens' is too large: 2048. This model's maximum context length is 4096 tokens and your request has 3000 input tokens (2048 > 4096 - 3000)."}}`, 4096, 3000},
	{`{"message":"The decoder prompt (length 9000) is longer than the maximum model length of 8192."}`, 8192, 9000},
	{`{"error":{"message":"This endpoint's maximum context length is 131072 tokens. However, you requested about 150000 tokens (149000 of text input, 1000 in the output)."}}`, 131072, 149000},
	{`{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}`, 200000, 210000},
	{`{"error":{"message":"input length and ` + "`max_tokens`" + ` exceed context limit: 190000 + 20000 > 200000, decrease input length"}}`, 200000, 190000},
	{`{"error":"Input validation error: ` + "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 200 `max_new_tokens`" + `","error_type":"validation"}`, 4096, 4000},
	{`{"error":"Input validation error: ` + "`inputs` must have less than 4095 tokens. Given: 5000" + `","error_type":"validation"}`, 4095, 5000},
	{`{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}`, 1048576, 1200000},
	{`{"object":"error","message":"Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length"}`, 32768, 40000},
	{`{"error":{"message":"This model's maximum prompt length is 131072 but the request contains 140000 tokens."}}`, 131072, 140000},
	{`{"error":"Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens."}`, 4096, 5000},
	{`{"error":{"message":"input length exceeds the context length"}}`, 0, 0},
}

func TestTheNumbersOfAPromptThatIsTooLong(t *testing.T) {
	for _, c := range tooLongErrors {
		e := errorFromBody(400, []byte(c.body))
		if e.Kind != KindContext || e.Limit != c.limit || e.Size != c.size {
			t.Errorf("%s of %d, limit %d, in %s", e.Kind, e.Size, e.Limit, c.body)
		}
	}
}

func TestAToldContextLengthIsRemembered(t *testing.T) {
	p, _ := scripted(t, tooLongErrors[4].body)
	c := loopbackClient(t)
	if _, err := streamed(t, c, p, Request{Model: "m", Params: bots.Params{}}); err == nil || err.Limit != 8192 || err.Size != 9001 {
		t.Errorf("got %+v", err)
	}
	if got := c.o.Learned("corp", "m"); got.MaxInput != 8192 || got.String() != "context of 8192 tokens" {
		t.Errorf("learned %+v: %s", got, got)
	}
}
