package stream

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
)

// sayOn says text as the turn "t" on a scheduler of its own.
func sayOn(t *testing.T, r chat.Responder, j Job, text string) error {
	t.Helper()
	s := NewScheduler(Options{})
	defer s.Close()
	j.Turn, j.Responder = "t", r
	return s.Say(t.Context(), j, "", chat.Content{Markdown: text})
}

// kinds are the calls that arrived.
func (p *platform) kinds() string {
	var out []string
	for _, k := range p.calls {
		out = append(out, k.kind)
	}
	return strings.Join(out, " ")
}

func TestASentenceIsOnePost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newPlatform(chat.Limits{Size: 300}), &filed{}
		p.before = func(int, request) error {
			if !f.parts["t-0"].Pending {
				t.Error("it was posted before it was announced")
			}
			return nil
		}
		j := f.job()
		s := NewScheduler(Options{})
		defer s.Close()
		j.Turn, j.Responder, j.Stop = "t", p, true
		menu := &chat.Menu{Placeholder: "Model"}
		if err := s.Say(t.Context(), j, "", chat.Content{Markdown: "One sentence.", Menu: menu, Only: "U1"}); err != nil {
			t.Fatal(err)
		}
		c := p.messages["m0"]
		if p.kinds() != "post" || c.Markdown != "One sentence." || c.Menu != menu || c.Only != "U1" || c.Stop != "" || !c.Final {
			t.Errorf("calls %q, posted %+v", p.kinds(), c)
		}
		if got := f.parts["t-0"]; got.ID != "m0" || got.Pending || got.Text != "" {
			t.Errorf("written down is %+v", got)
		}
	})
}

// Whoever says a sentence closes the turn: the record goes along with that.
func TestTheRecordOfASentenceIsHeldForTheClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newPlatform(chat.Limits{Size: 300}), &filed{}
		j := f.job()
		var held []Posted
		j.Hold = func(q Posted) { held = append(held, q) }
		if err := sayOn(t, p, j, "One sentence."); err != nil {
			t.Fatal(err)
		}
		if len(f.steps) != 1 || !f.steps[0].Pending || len(held) != 1 || held[0].ID != "m0" || held[0].Pending {
			t.Errorf("written down is %+v, held %+v", f.steps, held)
		}
	})
}

func TestASentenceIsPostedOnceThroughEveryFault(t *testing.T) {
	for name, c := range map[string]struct {
		before, after func(n int, k request) error
		record        error // the first time
		calls         string
	}{
		"the platform is away":  {before: atFirst(errWeather), calls: "post post"},
		"the reply got lost":    {after: atFirst(errWeather), calls: "post post"},
		"the platform is busy":  {before: atFirst(&chat.RateLimited{After: 3 * time.Second}), calls: "post post"},
		"the store was away":    {record: errWeather, calls: "post"},
		"the record waits, too": {after: atFirst(errWeather), record: errWeather, calls: "post post"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlatform(chat.Limits{})
				p.before, p.after = c.before, c.after
				recorded := 0
				record := func(_ context.Context, all ...Posted) error {
					if all[0].ID == "" {
						return nil
					}
					if recorded++; recorded == 1 {
						return c.record
					}
					return nil
				}
				if err := sayOn(t, p, Job{Record: record}, "Only once."); err != nil {
					t.Fatal(err)
				}
				if p.kinds() != c.calls || !slices.Equal(p.texts(), []string{"Only once."}) || recorded == 0 {
					t.Errorf("calls %q; there stands %q, recorded %d times", p.kinds(), p.texts(), recorded)
				}
			})
		})
	}
}

// atFirst is an error of the first call only.
func atFirst(err error) func(int, request) error {
	return func(n int, _ request) error {
		if n == 0 {
			return err
		}
		return nil
	}
}

func TestASentenceEndsWithThePermanentNoOrTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{})
		p.before = func(int, request) error { return refuse(chat.NoAccess) }
		if err := sayOn(t, p, Job{}, "Not here."); !chat.Refused(err, chat.NoAccess) || p.kinds() != "post" {
			t.Errorf("%v after %q", err, p.kinds())
		}
		q, lost := newPlatform(chat.Limits{}), errors.New("lost")
		guard := func(ctx context.Context) (context.Context, context.CancelFunc, error) { return ctx, func() {}, lost }
		if err := sayOn(t, q, Job{Guard: guard}, "No longer ours."); !errors.Is(err, lost) || len(q.calls) != 0 {
			t.Errorf("%v after %q", err, q.kinds())
		}
	})
}

// What waits for a limit ends with its context, and draws on the limit no more.
func TestASentenceWaitsForTheLimitItSharesWithAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		posts := chat.Budget{Key: "p", Calls: 2, Window: 10 * time.Second, Sliding: true}
		w := &town{edits: &gate{Budget: chat.Budget{Calls: 1000, Window: time.Second, Burst: 1000}}, posts: map[string]*gate{"a": {Budget: posts}}}
		s := NewScheduler(Options{})
		defer s.Close()
		var all sync.WaitGroup
		for k := range 9 {
			p := newPlatform(chat.Limits{Posts: posts})
			p.before = func(_ int, k request) error {
				w.mu.Lock()
				defer w.mu.Unlock()
				return w.posts["a"].pass(k.at)
			}
			all.Go(func() {
				job := Job{Turn: "t", Responder: p}
				if k%3 == 0 {
					a := s.Open(t.Context(), job)
					a.Append("An answer.")
					if _, err := a.Finish(t.Context(), End{}); err != nil {
						t.Error(err)
					}
				} else if err := s.Say(t.Context(), job, "", chat.Content{Markdown: "A sentence."}); err != nil {
					t.Error(err)
				}
			})
		}
		began := time.Now()
		all.Wait()
		if w.posts["a"].refused > 0 {
			t.Errorf("%d calls were refused", w.posts["a"].refused)
		}
		if took := time.Since(began); took < 40*time.Second || took > 42*time.Second {
			t.Errorf("nine posts at two in ten seconds took %v", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		p := newPlatform(chat.Limits{Posts: posts})
		for range 3 {
			if err := s.Say(ctx, Job{Turn: "u", Responder: p}, "", chat.Content{Markdown: "x"}); err != nil {
				t.Fatal(err)
			}
		}
		time.AfterFunc(time.Second, cancel)
		if err := s.Say(ctx, Job{Turn: "v", Responder: p}, "", chat.Content{Markdown: "y"}); !errors.Is(err, context.Canceled) || p.count("post") != 3 {
			t.Errorf("%v after %d posts", err, p.count("post"))
		}
		if b := s.budgets["p"]; b.users != 0 || b.flying != 0 {
			t.Errorf("%d users and %d calls are left", b.users, b.flying)
		}
	})
}

// What earlier attempts posted gets the sentence as its end, and no Stop button.
func TestASentenceEndsWhatEarlierAttemptsPosted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{})
		s := NewScheduler(Options{})
		defer s.Close()
		job := Job{Turn: "t", Responder: p, Posted: []Posted{p.stand("t-0", "Half an answer")}}
		if err := s.Say(t.Context(), job, "Half an answer", chat.Content{Markdown: "It failed."}); err != nil {
			t.Fatal(err)
		}
		if got := p.texts(); len(got) != 1 || got[0] != "Half an answer\n\nIt failed." || p.messages["m0"].Stop != "" {
			t.Errorf("there stands %q, %+v", got, p.messages["m0"])
		}
	})
}

func TestASentenceThatIsNotTakenAsOneGoesTheWayOfAnAnswer(t *testing.T) {
	long := strings.Repeat("A list of models. ", 40)
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{Size: 300})
		if err := sayOn(t, p, Job{}, long); err != nil {
			t.Fatal(err)
		}
		if len(p.order) < 2 || strings.Join(strings.Fields(p.shown()), "") != strings.Join(strings.Fields(long), "") {
			t.Errorf("there stands %q", p.texts())
		}
		q := newPlatform(chat.Limits{})
		q.before = func(_ int, k request) error {
			if len(k.Markdown) > 300 {
				return refuse(chat.TooLong)
			}
			return nil
		}
		f := &filed{}
		if err := sayOn(t, q, f.job(), long); err != nil {
			t.Fatal(err)
		}
		if len(q.order) < 2 || strings.Join(strings.Fields(q.shown()), "") != strings.Join(strings.Fields(long), "") {
			t.Errorf("after a refusal there stands %q", q.texts())
		}
	})
}
