package stream

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
)

// After a takeover the answer goes into the messages that are there already,
// and a person never sees one shrink before the end.
func TestTakeoverWritesIntoTheSameMessages(t *testing.T) {
	for _, length := range []int{20, 60, 150} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlatform(chat.Limits{Size: 300})
			old := strings.Repeat("old ", 50)
			a := open(t, p, Job{Posted: []Posted{p.stand("t-0", old)}})
			if !a.Shown() {
				t.Error("nothing is shown, it says")
			}
			want := say(a, 20*time.Millisecond, many(length)...)
			end(t, a)
			if p.shown() != want {
				t.Errorf("in the end stands %q", p.shown())
			}
			for i, k := range p.calls {
				if k.id == "m0" && len(k.Markdown) <= len(old) && !k.Final {
					t.Errorf("call %d of %d shrank the message to %q", i, len(p.calls), k.Markdown)
				}
			}
			p.settled(t)
		})
	}
}

// A post that was announced and never confirmed is looked for, and ends with
// the right text whether it had happened or not.
func TestTakeoverOfAnAnnouncedPost(t *testing.T) {
	for _, happened := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlatform(chat.Limits{})
			if happened {
				p.stand("t-0", "old words")
			}
			a := open(t, p, Job{Posted: []Posted{{Key: "t-0", Pending: true}}})
			want := say(a, 20*time.Millisecond, many(3)...)
			end(t, a)
			if p.shown() != want || len(p.order) != 1 {
				t.Errorf("happened=%v: in the end stands %q", happened, p.texts())
			}
			if !p.calls[0].Again {
				t.Error("it was not looked for")
			}
			p.settled(t)
		})
	}
}

// Messages that the new answer does not need are taken back, or say that
// nothing follows.
func TestTakeoverOfALongerAnswer(t *testing.T) {
	for _, canRemove := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlatform(chat.Limits{Size: 300})
			job := Job{Posted: []Posted{
				p.stand("t-0", strings.Repeat("old ", 70)), p.stand("t-1", "older"), {Key: "t-2", Pending: true},
			}}
			var r chat.Responder = p
			if canRemove {
				r = remover{p}
			}
			a := open(t, r, job)
			a.Append("A short answer this time.")
			<-time.After(5 * time.Second)
			result := end(t, a)
			got := p.texts()
			if got[0] != "A short answer this time." || len(result.Messages) != 1 {
				t.Errorf("in the end stand %q, result %+v", got, result)
			}
			for _, rest := range got[1:] {
				if canRemove || rest != surplusText {
					t.Errorf("left over: %q", rest)
				}
			}
			p.settled(t)
		})
	}
}

func TestTakeoverThatEndsInNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{})
		a := open(t, remover{p}, Job{Posted: []Posted{p.stand("t-0", "old words")}})
		end(t, a)
		if len(p.order) != 0 {
			t.Errorf("left over: %q", p.texts())
		}
	})
}

// What is recorded of the messages is the answer's own text, whole, however it
// was cut: the next owner can end the answer as it stands.
func TestTheTextThatStandsIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{Size: 300})
		stands := map[string]string{}
		a := open(t, p, Job{Turn: "t", Record: func(_ context.Context, all ...Posted) error {
			for _, p := range all {
				if p.Text == "" {
					t.Errorf("%s is recorded, but not what it says", p.Key)
				}
				if !strings.HasPrefix(p.Text, stands[p.Key]) {
					t.Errorf("announced %q, posted %q", stands[p.Key], p.Text)
				}
				stands[p.Key] = p.Text
			}
			return nil
		}})
		want := say(a, 20*time.Millisecond, "```go\n", strings.Repeat("x := 1\n", 60), "```\n\n", "And that was all of it.")
		end(t, a)
		if got := stands["t-0"] + stands["t-1"]; len(stands) != 2 || got != want {
			t.Errorf("%d messages hold %q, want %q", len(stands), got, want)
		}
		p.settled(t)
	})
}

// A note below the answer is none of its text: who ends the answer once more
// writes a note of its own.
func TestANoteIsNotRecordedAsText(t *testing.T) {
	for _, text := range []string{"", "What the model wrote."} {
		synctest.Test(t, func(t *testing.T) {
			p, f := newPlatform(chat.Limits{}), &filed{}
			job := f.job()
			for range 2 { // the second as after a crash before the turn was closed
				a := open(t, p, job)
				a.Append(text)
				if _, err := a.Finish(t.Context(), End{Note: "It failed."}); err != nil {
					t.Fatal(err)
				}
				if got := f.parts["t-0"].Text; got != text {
					t.Errorf("recorded is %q, want %q", got, text)
				}
				job = f.taken()
			}
			if want := strings.TrimSpace(text + "\n\nIt failed."); len(p.order) != 1 || p.shown() != want {
				t.Errorf("there stands %q", p.texts())
			}
		})
	}
}

// A message that the new answer does not need is written down as none of its own
// before it goes: who takes over in between would write into what is gone.
func TestASurplusMessageIsDisownedBeforeItIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newPlatform(chat.Limits{}), &filed{}
		job := f.job()
		job.Posted = []Posted{p.stand("t-0", "old"), p.stand("t-1", "older")}
		removed := false
		p.before = func(_ int, k request) error {
			if k.kind == "remove" {
				removed = true
				if q := f.parts["t-1"]; !q.Stuck || q.ID != "m1" || q.Text != "" {
					t.Errorf("it goes, and written down is %+v", q)
				}
			}
			return nil
		}
		a := open(t, remover{p}, job)
		a.Append("A short answer this time.")
		end(t, a)
		if !removed || len(p.order) != 1 {
			t.Errorf("there stands %q", p.texts())
		}
	})
}
