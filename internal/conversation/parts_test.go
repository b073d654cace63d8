// Questions of more than text: what a transcript holds of them, also when an
// older release reads and rewrites it.

package conversation_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/inbox"
	"parley/internal/secret"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

// desk is one thread's transcript in a store.
type desk struct {
	t     *testing.T
	store *store.Store
	ring  *secret.Ring
	book  *conversation.Book
	place chat.Place
	key   string
}

func newDesk(t *testing.T, s *store.Store) *desk {
	ring, err := secret.ParseRing(secret.GenerateKey("k"))
	if err != nil {
		t.Fatal(err)
	}
	place := chat.Place{Platform: "slack", Workspace: "T01", Channel: "C1", Thread: "1.1"}
	key := inbox.New(inbox.Options{Client: s.Client, Prefix: "parley", Ring: ring}).ScopeKey
	return &desk{t, s, ring, conversation.New(s.Client, ring, key, slog.New(slog.DiscardHandler)), place, key(scope, "conv", place.Conversation(), "0")}
}

func (d *desk) load() conversation.Transcript {
	d.t.Helper()
	transcript, err := d.book.Load(d.t.Context(), scope, d.place)
	if err != nil {
		d.t.Fatal(err)
	}
	return transcript
}

// add writes as closing a turn does.
func (d *desk) add(e conversation.Exchange) {
	d.t.Helper()
	writes, err := d.book.Add(d.load(), e)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, w := range writes {
		if w.Key != d.key || w.Keep != conversation.Keep || w.TTL != conversation.KeepFor {
			d.t.Errorf("a write to %s of %d for %s", w.Key, w.Keep, w.TTL)
		}
		d.push(w.Push)
	}
}

func (d *desk) push(sealed []byte) {
	d.t.Helper()
	if err := d.store.Client.RPush(d.t.Context(), d.key, sealed).Err(); err != nil {
		d.t.Fatal(err)
	}
}

// entries are what the store holds, opened.
func (d *desk) entries() []string {
	d.t.Helper()
	sealed, err := d.store.Client.LRange(d.t.Context(), d.key, 0, -1).Result()
	if err != nil {
		d.t.Fatal(err)
	}
	for i, s := range sealed {
		plain, _, err := d.ring.Open([]byte(s), d.key)
		if err != nil {
			d.t.Fatal(err)
		}
		sealed[i] = string(plain)
	}
	return sealed
}

// former is an exchange as the release before parts had it.
type former struct {
	ID       chat.MessageID   `json:"id,omitempty"`
	ReplyTo  chat.MessageID   `json:"reply_to,omitempty"`
	Author   chat.Author      `json:"author"`
	Question string           `json:"question"`
	Answer   string           `json:"answer"`
	Posted   []chat.MessageID `json:"posted,omitempty"`
	Bot      string           `json:"bot,omitempty"`
	Owner    string           `json:"owner,omitempty"`
	At       time.Time        `json:"at"`
	Heard    []former         `json:"heard,omitempty"`
}

// withdraw takes an exchange back as that release did.
func (d *desk) withdrawFormerly(id chat.MessageID) {
	d.t.Helper()
	for i, plain := range d.entries() {
		var e former
		if json.Unmarshal([]byte(plain), &e) != nil || e.ID != id || e.Question == "" {
			continue
		}
		raw, err := json.Marshal(former{ID: e.ID, Owner: e.Owner, At: e.At, Heard: e.Heard})
		if err != nil {
			d.t.Fatal(err)
		}
		if err := d.store.Client.LSet(d.t.Context(), d.key, int64(i), d.ring.Seal(raw, d.key)).Err(); err != nil {
			d.t.Fatal(err)
		}
	}
}

func message(id, text string, files ...chat.File) chat.Message {
	return chat.Message{ID: chat.MessageID(id), Author: chat.Author{ID: "ann"}, Text: text, Files: files}
}

func picture(name string) chat.File {
	return chat.File{ID: "F" + name, Name: name, Type: "image/png", Size: 9}
}

// said is who said what, in order.
func said(t conversation.Transcript) string {
	var all []string
	for _, e := range t.Exchanges {
		kinds := ""
		for _, p := range e.Asked() {
			kinds += string(p.Kind[0])
		}
		all = append(all, fmt.Sprintf("%s %s", e.ID, kinds))
	}
	return strings.Join(all, ", ")
}

func each(t *testing.T, test func(t *testing.T, d *desk)) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) { test(t, newDesk(t, s)) })
}

// A transcript of text is what it always was, to the byte.
func TestATranscriptOfTextHasNoParts(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		e := conversation.Asked(message("2", " why? "))
		e.Answer, e.Heard = "because", []conversation.Exchange{conversation.Asked(message("1", "hm"))}
		d.add(e)
		want, err := json.Marshal(former{ID: "2", Author: chat.Author{ID: "ann"}, Question: "why?", Answer: "because", Owner: "ann",
			Heard: []former{{ID: "1", Author: chat.Author{ID: "ann"}, Question: "hm"}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := d.entries(); len(got) != 1 || got[0] != string(want) {
			t.Errorf("stored %q, want %s", got, want)
		}
	})
}

func TestWhatAnOlderReleaseStoredIsOneText(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.push(d.ring.Seal([]byte(`{"id":"1","author":{"id":"ann"},"question":"why?","answer":"because","at":"2026-01-02T03:04:05Z","heard":[{"id":"0","author":{"id":"bob"},"question":"hm","answer":"","at":"2026-01-02T03:04:04Z"}]}`), d.key))
		got := d.load().Exchanges
		if len(got) != 2 || !slices.Equal(got[0].Asked(), []chat.Part{chat.TextPart("hm")}) || !slices.Equal(got[1].Asked(), []chat.Part{chat.TextPart("why?")}) {
			t.Errorf("%+v", got)
		}
	})
}

func TestAnOlderReleaseReadsAllAsText(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m := message("1", "what is this?", picture("a.png"))
		m.Parts = append(m.Said(), chat.Part{Kind: chat.KindFile, Text: "x := 1\n", File: chat.File{Name: "a.go"}})
		d.add(conversation.Asked(m))
		var e former
		if err := json.Unmarshal([]byte(d.entries()[0]), &e); err != nil || e.Question != "what is this?\n[attached file: a.png]\n\na.go\n```\nx := 1\n```" {
			t.Errorf("%q, %v", e.Question, err)
		}
	})
}

// Whatever is asked and heard, in whatever order, is loaded as it was said.
func TestQuestionsSurviveBeingStored(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		r := rand.New(rand.NewPCG(7, 8))
		id := 0
		question := func() chat.Message {
			id++
			m := message(fmt.Sprint(id), []string{"why?", "<&>", "é🎉"}[r.IntN(3)])
			for range r.IntN(3) {
				m.Files = append(m.Files, []chat.File{picture("a.png"), {Name: "b.txt"}, {}}[r.IntN(3)])
			}
			if r.IntN(2) == 0 {
				m.Parts = append(m.Said(), chat.Part{Kind: chat.KindFile, Text: "x\n", File: chat.File{Name: "c"}}, chat.TextPart("and?"))
			}
			return m
		}
		var want []conversation.Exchange
		for range 20 {
			var heard []conversation.Exchange
			for range r.IntN(4) {
				heard = append(heard, conversation.Asked(question()))
			}
			e := conversation.Asked(question())
			e.Answer, e.Owner, e.Heard = "because", "ann", heard
			d.add(e)
			for _, h := range heard {
				h.Owner = "ann"
				want = append(want, h)
			}
			e.Heard = nil
			want = append(want, e)
		}
		got := d.load().Exchanges
		if len(got) != len(want) {
			t.Fatalf("%d exchanges, want %d", len(got), len(want))
		}
		for i := range want {
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Fatalf("exchange %d:\n%+v, want\n%+v", i, got[i], want[i])
			}
		}
	})
}

func TestATranscriptHoldsTheBeginningOfAFile(t *testing.T) {
	long := strings.Repeat("é", conversation.KeepText) // two bytes each
	words := strings.Repeat("w", 2*conversation.KeepText)
	m := message("1", words)
	m.Parts = append(m.Said(), chat.Part{Kind: chat.KindFile, Text: "x" + long, File: chat.File{Name: "long.txt"}}, chat.Part{Kind: chat.KindFile, Text: "short", File: chat.File{Name: "short.txt"}})
	got := conversation.Asked(m).Asked()
	if got[0].Text != words || got[2].Text != "short" {
		t.Errorf("words and short files are whole: %d and %d bytes", len(got[0].Text), len(got[2].Text))
	}
	if text := got[1].Text; len(text) != conversation.KeepText-1 || !strings.HasPrefix("x"+long, text) || strings.HasSuffix(text, "\ufffd") {
		t.Errorf("%d bytes of a long file", len(text))
	}
	if len(m.Parts[1].Text) != 1+len(long) {
		t.Error("what the model reads of it is cut too")
	}
	if strings.Contains(conversation.Asked(m).Question, long) {
		t.Error("all of the file is in Question")
	}
}

// An older release that takes a question back loses nothing of what was said
// beside it.
func TestAnOlderReleaseTakesAQuestionBack(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		e := conversation.Asked(message("5", "what is this?", picture("b.png")))
		e.Answer = "A cat."
		for i, m := range []chat.Message{message("1", "hm"), message("2", "look", picture("a.png")), message("3", "oh"), message("4", "so?", chat.File{Name: "a.go"})} {
			h := conversation.Asked(m)
			h.At = time.Unix(int64(i), 0).UTC()
			e.Heard = append(e.Heard, h)
		}
		d.add(e)
		if got := said(d.load()); got != "1 t, 2 ti, 3 t, 4 tf, 5 ti" {
			t.Fatalf("before: %s", got)
		}
		d.withdrawFormerly("5")
		if got := said(d.load()); got != "1 t, 2 ti, 3 t, 4 tf, 5 " {
			t.Errorf("the question taken back: %s", got)
		}
		if file := d.load().Exchanges[1].Asked()[1].File; file != picture("a.png") {
			t.Errorf("the picture is %+v", file)
		}
		d.withdrawFormerly("2")
		if got := said(d.load()); got != "1 t, 2 , 3 t, 4 tf, 5 " {
			t.Errorf("a message with a picture taken back: %s", got)
		}
	})
}

// Taking a question back leaves nothing of it, and of the rest all, also what
// only a newer release knows.
func TestTakingAQuestionBack(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		m := message("2", "secret words", picture("secret.png"))
		m.Parts = append(m.Said(), chat.Part{Kind: chat.KindFile, Text: "secret text", File: chat.File{Name: "secret.txt"}})
		raw, err := json.Marshal(conversation.Asked(m))
		if err != nil {
			t.Fatal(err)
		}
		const heard = `"heard":[{"id":"1","author":{"id":"bob"},"question":"hm","answer":"","at":"2026-01-02T03:04:04Z","newer":{"a":[1]}}]`
		d.push(d.ring.Seal([]byte(strings.TrimSuffix(string(raw), "}")+","+heard+"}"), d.key))
		if err := d.book.Withdraw(t.Context(), scope, d.place, "2"); err != nil {
			t.Fatal(err)
		}
		got := d.entries()
		if len(got) != 1 || !strings.Contains(got[0], heard) || strings.Contains(got[0], "secret") {
			t.Errorf("left: %q", got)
		}
		if got := said(d.load()); got != "1 t, 2 " {
			t.Errorf("loaded: %s", got)
		}
	})
}
