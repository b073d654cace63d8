// What is written down of an uploaded file, and what becomes of one that an
// earlier process uploaded.

package stream

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
)

// filed is a turn's record as Announce and Record make it.
type filed struct {
	order []string
	parts map[string]Posted
	steps []Posted
}

func (f *filed) job() Job {
	f.parts = map[string]Posted{}
	keep := func(p Posted) {
		if _, known := f.parts[p.Key]; !known {
			f.order = append(f.order, p.Key)
		}
		f.parts[p.Key] = p
		f.steps = append(f.steps, p)
	}
	return Job{
		Turn: "t", MaxMessages: 1,
		Record: func(_ context.Context, all ...Posted) error {
			for _, p := range all {
				keep(p)
			}
			return nil
		},
	}
}

// taken is the job of the next process.
func (f *filed) taken() Job {
	var posted []Posted
	for _, key := range f.order {
		posted = append(posted, f.parts[key])
	}
	j := f.job()
	j.Posted = posted
	return j
}

func TestAnUploadIsWrittenDownBeforeAndAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newPlatform(chat.Limits{Size: 300}), &filed{}
		announced := false
		p.before = func(_ int, k request) error {
			if k.kind == "upload" {
				last := f.steps[len(f.steps)-1]
				announced = last.File == fileName && last.Pending && last.ID == ""
			}
			return nil
		}
		a := open(t, remover{p}, f.job())
		say(a, 10*time.Millisecond, many(100)...)
		r := end(t, a)
		if len(p.files) != 1 || !r.File || len(r.Messages) != 1 {
			t.Fatalf("%d files, result %+v", len(p.files), r)
		}
		if !announced {
			t.Error("before the upload nothing says that one is coming")
		}
		last := f.steps[len(f.steps)-1]
		if last.ID != p.fileIDs[0] || last.File != fileName || !last.Stuck || last.Pending {
			t.Errorf("written down is %+v", last)
		}
	})
}

// A new owner asks the model again, and its file takes the place of the old one,
// also of one whose upload nobody wrote down.
func TestTheFileOfAnEarlierProcessMakesWay(t *testing.T) {
	for _, recorded := range []bool{true, false} {
		for _, again := range []bool{true, false} { // the new answer is too long, too
			synctest.Test(t, func(t *testing.T) {
				p, f := newPlatform(chat.Limits{Size: 300}), &filed{}
				a := open(t, remover{p}, f.job())
				say(a, 10*time.Millisecond, many(100)...)
				end(t, a)
				if !recorded {
					part := f.parts["t-1"]
					part.ID, part.Pending = "", true
					f.parts["t-1"] = part
				}
				n := 20
				if again {
					n = 120
				}
				b := open(t, remover{p}, f.taken())
				say(b, 10*time.Millisecond, many(n)...)
				r := end(t, b)
				if want := map[bool]int{true: 1, false: 0}[again]; len(p.files) != want || r.File != again {
					t.Errorf("recorded %v, again %v: %d files are there, want %d", recorded, again, len(p.files), want)
				}
				if again && p.fileIDs[0] != "f2" {
					t.Errorf("recorded %v: the old file stands, the new one went", recorded)
				}
				if len(p.order) != 1 || len(r.Messages) != 1 {
					t.Errorf("messages %q, result %+v", p.texts(), r)
				}
			})
		}
	}
}

// An upload that arrived, but whose answer got lost, is found again.
func TestAFileIsUploadedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newPlatform(chat.Limits{Size: 300}), &filed{}
		p.after = func(_ int, k request) error {
			if k.kind == "upload" {
				return errWeather
			}
			return nil
		}
		a := open(t, remover{p}, f.job())
		say(a, 10*time.Millisecond, many(100)...)
		if r := end(t, a); len(p.files) != 1 || !r.File || f.parts["t-1"].ID != p.fileIDs[0] {
			t.Errorf("%d files, result %+v, recorded %+v", len(p.files), r, f.parts["t-1"])
		}
	})
}

// A platform may show an upload a moment after it took it. One whose reply got
// lost is then made once more, and the first goes when it can be seen.
func TestAnUploadThatIsSeenLateIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newPlatform(chat.Limits{Size: 300}), &filed{}
		p.hides = 1
		uploads := 0
		p.after = func(_ int, k request) error {
			if k.kind == "upload" {
				if uploads++; uploads == 1 {
					return errWeather
				}
			}
			return nil
		}
		a := open(t, remover{p}, f.job())
		say(a, 10*time.Millisecond, many(100)...)
		if r := end(t, a); uploads != 2 || len(p.files) != 1 || p.fileIDs[0] != "f2" || !r.File {
			t.Errorf("after %d uploads %d files %v, result %+v", uploads, len(p.files), p.fileIDs, r)
		}
	})
}

// Discord answers a second upload with the first message, and gets its bytes
// exchanged.
func TestAFileThatThePlatformPutsInTheOldPlaceStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newPlatform(chat.Limits{Size: 300}), &filed{}
		p.dedupes = true
		for n := range 2 {
			job := f.taken()
			if n == 0 {
				job = f.job()
			}
			a := open(t, remover{p}, job)
			say(a, 10*time.Millisecond, many(100)...)
			end(t, a)
		}
		if len(p.files) != 1 || p.count("upload") != 2 || p.count("remove") != 0 {
			t.Errorf("%d files after %d uploads and %d removals", len(p.files), p.count("upload"), p.count("remove"))
		}
	})
}

// An announced post that nobody knows of is looked for, not made to be removed;
// behind the message that it followed, so before that is taken back.
func TestNothingIsPostedToBeTakenBack(t *testing.T) {
	for _, happened := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlatform(chat.Limits{Size: 300})
			job := Job{Turn: "t", Posted: []Posted{p.stand("t-0", "old"), p.stand("t-1", "older")}}
			if happened {
				p.stand("t-2", "oldest")
			}
			job.Posted = append(job.Posted, Posted{Key: "t-2", Pending: true})
			a := open(t, remover{p}, job)
			a.Append("A short answer this time.")
			end(t, a)
			if p.count("post") != 0 || p.count("find") != 1 || len(p.order) != 1 {
				t.Errorf("happened %v: %d posts, %d looks; there stands %q", happened, p.count("post"), p.count("find"), p.texts())
			}
			for _, k := range p.calls {
				if k.kind == "find" && k.After != "m1" {
					t.Errorf("it was looked for behind %q", k.After)
				}
			}
		})
	}
}
