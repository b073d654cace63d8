package stream

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
)

// crowd lets n answers of about 2,000 characters begin within a second on one
// limit, and returns what each channel saw and how long each end took.
func crowd(t *testing.T, n int, paragraphs bool) (places []*platform, texts []string, ends []time.Duration) {
	edits := chat.Budget{Key: "edits", Calls: 50, Window: time.Minute, Burst: 10}
	s := NewScheduler(Options{})
	defer s.Close()
	ends, texts = make([]time.Duration, n), make([]string, n)
	var all sync.WaitGroup
	for k := range n {
		p := newPlatform(chat.Limits{Size: 12000, Edits: edits})
		places = append(places, p)
		all.Go(func() {
			<-time.After(time.Duration(k) * time.Second / time.Duration(n))
			a := openOn(t, s, p, Job{Turn: fmt.Sprint("t", k)})
			words := many(250)
			for i := range words {
				if paragraphs && i%25 == 24 {
					words[i] += "\n\n"
				}
			}
			texts[k] = say(a, 40*time.Millisecond, words...)
			begin := time.Now()
			end(t, a)
			ends[k] = time.Since(begin)
		})
	}
	all.Wait()
	return places, texts, ends
}

// In overload an answer is only begun in a message that must be edited again
// while that edit is affordable; the others are posted in whole pieces, cut at
// a paragraph, and no end waits for long.
func TestOverloadPostsWholePieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		places, texts, ends := crowd(t, 40, true)
		late, pieces := 0, 0
		for k, p := range places {
			if p.shown() != texts[k] {
				t.Errorf("answer %d ends as %q", k, p.shown())
			}
			p.settled(t)
			if ends[k] > 1700*time.Millisecond {
				late++
			}
			if len(p.order) < 2 {
				continue
			}
			pieces++
			if p.count("edit") > 0 {
				t.Errorf("answer %d was posted in pieces and edited %d times", k, p.count("edit"))
			}
			if len(p.order) > 5 {
				t.Errorf("answer %d fell into %d pieces", k, len(p.order))
			}
			for i, text := range p.texts()[:len(p.order)-1] {
				if !strings.HasSuffix(text, "\n\n") || len(text) < firstChunk<<i {
					t.Errorf("piece %d of answer %d ends within a paragraph or is short: %q", i, k, text)
				}
			}
		}
		if pieces < 20 || late > 2 {
			t.Errorf("%d answers in pieces, %d ends later than 1.7 s", pieces, late)
		}
	})
}

// Without a paragraph to cut at, an answer that may not grow waits for its end.
func TestOverloadWithoutParagraphsPostsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		places, texts, _ := crowd(t, 40, false)
		once := 0
		for k, p := range places {
			if p.shown() != texts[k] {
				t.Errorf("answer %d ends as %q", k, p.shown())
			}
			if len(p.calls) == 1 {
				once++
			}
		}
		if once < 15 {
			t.Errorf("%d answers were posted once", once)
		}
	})
}

// An answer that was posted in pieces goes on so, and grows again when few are
// left: whatever happens, it is never forgotten.
func TestAfterOverloadAnAnswerGrowsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewScheduler(Options{})
		defer s.Close()
		limits := chat.Limits{Size: 12000, Edits: chat.Budget{Key: "edits", Calls: 50, Window: time.Minute, Burst: 10}}
		var all sync.WaitGroup
		for k := range 40 {
			all.Go(func() {
				a := openOn(t, s, newPlatform(limits), Job{Turn: fmt.Sprint("t", k)})
				say(a, 40*time.Millisecond, many(100)...)
				end(t, a)
			})
		}
		<-time.After(time.Second)
		p := newPlatform(limits)
		a := openOn(t, s, p, Job{})
		paragraph := strings.Repeat("words ", 20) + "\n\n"
		length, behind := 0, 0
		for range 600 {
			a.Append(paragraph)
			length += len(paragraph)
			<-time.After(200 * time.Millisecond)
			p.mu.Lock()
			behind = max(behind, length-len(p.shown()))
			p.mu.Unlock()
		}
		all.Wait()
		end(t, a)
		p.settled(t)
		if len(p.shown()) != length {
			t.Errorf("%d bytes stand of %d", len(p.shown()), length)
		}
		if behind > 12000 || p.count("edit") < 20 {
			t.Errorf("up to %d bytes were unseen; %d edits", behind, p.count("edit"))
		}
	})
}

// Up to the limit of overload, first words wait only until their answer's end
// is affordable.
func TestFirstWordsAreHeldWhileTheEndIsNotAffordable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		places, texts, ends := crowd(t, 18, true)
		held := 0
		for k, p := range places {
			if p.shown() != texts[k] {
				t.Errorf("answer %d ends as %q", k, p.shown())
			}
			if len(p.order) > 1 {
				t.Errorf("answer %d fell into pieces", k)
			}
			if p.calls[0].Final {
				held++
			}
			if ends[k] > 5*time.Second {
				t.Errorf("the end of answer %d took %v", k, ends[k])
			}
		}
		if held < 2 || held > 8 {
			t.Errorf("%d answers were held to their end", held)
		}
	})
}

// Ends go first, then first words, then growth.
func TestTheOrderOfTheSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// One call at a time for everything, so that the order shows.
		global := chat.Budget{Key: "g", Calls: 1, Window: time.Second, Sliding: true}
		s := NewScheduler(Options{})
		defer s.Close()
		var mu sync.Mutex
		var order []string
		start := func(name string) (*Answer, *platform) {
			p := newPlatform(chat.Limits{Global: global})
			p.before = func(_ int, k request) error {
				mu.Lock()
				order = append(order, k.kind+" "+name)
				mu.Unlock()
				return nil
			}
			return openOn(t, s, p, Job{Turn: name}), p
		}
		grown, _ := start("grown")
		grown.Append("Some words that stand there first")
		<-time.After(5 * time.Second)
		ended, _ := start("ended")
		ended.Append("Some other words that stand there")
		<-time.After(5 * time.Second)
		blocker, _ := start("blocker") // takes the only slot
		blocker.Append("And some words to take up the slot")
		<-time.After(10 * time.Millisecond)
		grown.Append(strings.Repeat(" and much more", 50))
		begun, _ := start("begun")
		begun.Append("First words of an answer, later than growth")
		var all sync.WaitGroup
		all.Go(func() { end(t, ended) })
		<-time.After(10 * time.Second)
		all.Go(func() { end(t, grown) })
		all.Go(func() { end(t, begun) })
		all.Go(func() { end(t, blocker) })
		all.Wait()
		want := []string{"post grown", "post ended", "post blocker", "edit ended", "post begun", "edit grown"}
		if got := order[:6]; strings.Join(got, ", ") != strings.Join(want, ", ") {
			t.Errorf("the order was %q", order)
		}
	})
}
