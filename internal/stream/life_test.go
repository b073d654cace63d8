// Random legal lives of an answer, on a platform and a store that fail, refuse,
// lose replies, and are taken over. What must be true of every life is held at each
// call, and at the end.

package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
)

var errOwner = errors.New("the lease is lost")

// life is one random answer, perhaps of several processes one after the other.
type life struct {
	t    *testing.T
	seed uint64
	rnd  *rand.Rand
	p    *platform
	r    chat.Responder
	max  int // messages
	want string
	note string

	mu     sync.Mutex        // of what follows; not held together with the scheduler's
	record map[string]Posted // as the inbox would keep it
	held   map[string]Posted // what the process that lives holds for the close
	order  []string
	store  *rand.Rand // its weather

	retracted, meant int               // how often, and when the call under way began
	invalid, refused bool              // the platform called the text invalid once; it said no for good
	steps            sync.Mutex        // of walked; held within a scheduler's lock
	walked           map[[2]phase]bool // every change of phase
	met              map[string]bool   // what happened in this life or another
	owner            *process
	gone             []*process                // that lost the lease, and may not know it
	written          map[chat.MessageID]string // what each message holds for good, as the owner was told
}

// process is one owner of the answer.
type process struct {
	s       *Scheduler
	a       *Answer
	lost    time.Time // when it lost the lease; zero while it has it
	refused bool      // by the platform, for good
	guarded int       // calls that it was allowed and that are not back
	cut     context.CancelCauseFunc
	dead    chan struct{} // closed once it was killed
}

// ownerKey finds the process in the context of a call that it was allowed.
type ownerKey struct{}

func (l *life) errorf(format string, args ...any) {
	l.t.Errorf("seed %d: "+format, append([]any{l.seed}, args...)...)
}

// begin makes the next process the owner.
func (l *life) begin() {
	p := &process{s: NewScheduler(Options{}), dead: make(chan struct{})}
	p.s.watch = l.watch
	j := Job{
		Turn: "t", Stop: true, Responder: l.r, MaxMessages: l.max,
		Record: func(_ context.Context, all ...Posted) error { return l.write(p, all) },
		Guard: func(ctx context.Context) (context.Context, context.CancelFunc, error) {
			return l.guard(ctx, p)
		},
	}
	if l.seed%2 == 0 {
		j.Hold = func(q Posted) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.keep(l.held, q)
		}
	}
	l.mu.Lock()
	l.owner, l.written = p, map[chat.MessageID]string{}
	clear(l.held)
	for _, key := range l.order {
		if q, ok := l.record[key]; ok {
			j.Posted = append(j.Posted, q)
		}
	}
	l.mu.Unlock()
	a := p.s.Open(l.t.Context(), j) // which may begin a call at once
	l.mu.Lock()
	defer l.mu.Unlock()
	p.a = a
}

// guard begins a call, if p is the owner still. Its context ends with the lease.
func (l *life) guard(ctx context.Context, p *process) (context.Context, context.CancelFunc, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !p.lost.IsZero() {
		return ctx, func() {}, errOwner
	}
	p.guarded++
	l.meant = l.retracted
	ctx, p.cut = context.WithCancelCause(context.WithValue(ctx, ownerKey{}, p))
	return ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		p.guarded--
	}, nil
}

// lose ends the lease of p.
func (l *life) lose(p *process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.lost = time.Now()
	if p.cut != nil {
		p.cut(errOwner)
	}
}

// owns reports whether p has the lease.
func (l *life) owns(p *process) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return p.lost.IsZero()
}

// kill ends p where it is. What it waits for from the platform may arrive or not.
func (l *life) kill(p *process) {
	l.mu.Lock()
	p.lost = time.Now()
	l.mu.Unlock()
	began := time.Now()
	p.s.Close()
	if took := time.Since(began); took > 0 {
		l.errorf("closing waited %v for a call that it should have cut", took)
	}
}

// meet notes that something happened.
func (l *life) meet(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.met[what] = true
}

// write is the store: it fails now and then, before or after it has written, and
// takes nothing from who lost the lease.
func (l *life) write(p *process, all []Posted) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !p.lost.IsZero() {
		return errOwner
	}
	fails := l.store.IntN(20)
	if fails == 0 {
		return errWeather
	}
	for _, q := range all {
		if old, ok := l.record[q.Key]; !q.Pending || !ok || old.ID == "" {
			l.keep(l.record, q)
		}
	}
	if fails == 1 {
		l.met["a record whose reply got lost"] = true
		return errWeather
	}
	return nil
}

func (l *life) keep(in map[string]Posted, q Posted) {
	if !slices.Contains(l.order, q.Key) {
		l.order = append(l.order, q.Key)
	}
	in[q.Key] = q
}

// watch notes each change of phase and checks it against the table.
func (l *life) watch(_ *Answer, from, to phase) {
	l.steps.Lock()
	defer l.steps.Unlock()
	l.walked[[2]phase{from, to}] = true
	if !slices.Contains(follows[from], to) {
		l.errorf("%s goes to %s", from, to)
	}
}

// known reports whether the record says where a message is. What is held for the
// close is not: that comes only when no call does any more.
func (l *life) known(id chat.MessageID) bool {
	for _, q := range l.record {
		if q.ID == id {
			return true
		}
	}
	return false
}

// arrives holds what must be true of every call as it reaches the platform.
func (l *life) arrives(k request) {
	p, _ := k.ctx.Value(ownerKey{}).(*process)
	if p == nil {
		l.errorf("a %s arrives of who was not allowed to make it", k.kind)
		return
	}
	l.mu.Lock()
	a := p.a
	l.mu.Unlock()
	ended := a != nil && a.phaseNow() == over
	l.mu.Lock()
	defer l.mu.Unlock()
	l.met[k.kind] = true
	switch {
	case p.lost.Equal(time.Now()):
		return // it was under way
	case !p.lost.IsZero() || p != l.owner:
		l.errorf("a %s arrives of who lost the lease", k.kind)
	case p.guarded != 1:
		l.errorf("%d calls are under way at once", p.guarded)
	case ended:
		l.errorf("a %s arrives after the end", k.kind)
	case p.refused:
		l.errorf("a %s arrives after a no for good", k.kind)
	}
	// Every post is recorded before the next call. A message of which the owner
	// was told is in written.
	for id := range l.written {
		if !l.known(id) {
			l.errorf("a %s arrives, and nobody has written down message %s", k.kind, id)
		}
	}
	if k.kind == "post" || k.kind == "start" {
		if q, ok := l.record[k.Key]; !ok || !q.Pending && q.ID == "" {
			l.errorf("%s is posted and was not announced: %+v", k.Key, q)
		}
	}
	if k.kind == "upload" && !l.announcedFile() {
		l.errorf("a file is uploaded and was not announced")
	}
	switch stands, told := l.written[k.id]; {
	case !told || stands == "" || k.Markdown == "" && k.kind == "end":
	case k.kind == "edit" && k.Final && k.Markdown == stands, k.kind == "end" && k.Markdown == stands:
		l.errorf("message %s gets its final text twice: %q", k.id, stands)
	case (k.kind == "edit" || k.kind == "append") && !k.Final:
		l.errorf("message %s is edited after its end", k.id)
	}
}

// announced reports whether the record says that a post may have been made.
func (l *life) announced() bool {
	for _, q := range l.record {
		if q.Pending && q.ID == "" {
			return true
		}
	}
	return false
}

func (l *life) announcedFile() bool {
	for _, q := range l.record {
		if q.File != "" && q.Pending {
			return true
		}
	}
	return false
}

// told notes what the owner learns. The empty text means: it may be edited.
func (l *life) told(k request, id chat.MessageID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.ctx.Value(ownerKey{}) != l.owner {
		return
	}
	switch k.kind {
	case "upload":
		l.written[id] = ""
	case "post", "start", "edit", "append", "end":
		text := ""
		if k.Final && k.Markdown != "" && !k.Again && l.meant == l.retracted {
			text = k.Markdown
		}
		l.written[id] = text
	case "remove":
		delete(l.written, k.id)
	}
}

// mishap is what a platform answers instead. Refusals that end an answer are at
// most one in a life, since nothing comes after.
func (l *life) mishap(rnd *rand.Rand, fatal, mortal bool) (before, after func(int, request) error) {
	_, canRemove := l.r.(chat.Remover)
	// The process is killed by another hand, while the call is on its way.
	killed := func(k request) {
		if p, ok := k.ctx.Value(ownerKey{}).(*process); ok && l.owns(p) {
			l.meet("killed at a call")
			go func() {
				l.kill(p)
				close(p.dead)
			}()
		}
	}
	before = func(_ int, k request) error {
		l.arrives(k)
		switch n := rnd.IntN(40); {
		case n < 3:
			return errWeather
		case n == 3:
			return &chat.RateLimited{After: time.Duration(rnd.IntN(3000)) * time.Millisecond}
		case n == 4 && k.kind == "edit" && canRemove: // else half an answer stays, and nobody can help it
			l.meet("edit closed")
			return refuse(chat.EditClosed)
		case n == 5 && len(k.Markdown) > smallest && k.kind != "remove" && (k.kind != "upload" || !l.invalid):
			l.meet("too long")
			return refuse(chat.TooLong)
		case n == 6 && !k.Final && k.kind == "edit":
			l.meet("invalid")
			l.invalid = true
			return refuse(chat.Invalid)
		case n == 7 && fatal && (k.kind == "post" || k.kind == "edit") && k.Markdown != surplusText:
			l.meet("refused for good")
			l.refused, l.owner.refused = true, true
			return refuse([]chat.Reason{chat.Gone, chat.NoAccess, chat.Blocked}[rnd.IntN(3)])
		case n == 8 && mortal:
			killed(k)
			if rnd.IntN(2) == 0 {
				return errWeather // it did not get there
			}
		}
		return nil
	}
	after = func(int, request) error {
		if rnd.IntN(15) == 0 {
			return errWeather // it happened, and nobody was told
		}
		return nil
	}
	return before, after
}

// handOver gives the answer to another process: in order, because this one died, or
// because it lost the lease and does not know it yet. Then a call may be under way,
// which arrives or not, and what it held is gone.
func (l *life) handOver(how string) {
	p := l.owner
	l.meet(how)
	switch how {
	case "killed":
		l.kill(p)
	case "usurped":
		l.lose(p)
		l.gone = append(l.gone, p)
	case "handed over":
		ctx, cancel := context.WithTimeout(l.t.Context(), 3*time.Second)
		p.a.Abandon(ctx, errors.New("handed over"))
		cancel()
		l.lose(p)
		p.s.Close()
		for id := range l.written {
			if !l.known(id) && !l.announced() { // the store was away: it looks for the post
				l.errorf("the next owner does not find message %s", id)
			}
		}
	}
	l.takeOver()
}

// takeOver goes on with the answer. The next model says the same as the one before,
// or something else.
func (l *life) takeOver() {
	l.begin()
	if l.rnd.IntN(2) == 0 {
		l.want = strings.Join(many(1+l.rnd.IntN(80)), "")
	}
	l.owner.a.Append(l.want)
}

// retract takes everything back.
func (l *life) retract() {
	l.meet("retracted")
	l.owner.a.Retract()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retracted++
	clear(l.written)
	l.want = ""
}

// say appends words until the answer needs no more; false: a person stopped it, or
// it cannot be shown any more.
func (l *life) say(words ...string) (goesOn bool) {
	every := time.Duration(1+l.rnd.IntN(120)) * time.Millisecond
	for _, w := range words {
		select {
		case <-l.owner.dead:
			l.takeOver()
			continue
		case <-l.owner.a.Done():
			if !l.owns(l.owner) {
				<-l.owner.dead
				l.takeOver()
				continue
			}
			return false
		case <-time.After(every):
		}
		l.owner.a.Append(w)
		l.want += w
	}
	return true
}

// live drives an answer from its first word to its end: bursts of text, pauses, a
// retraction, a Stop, a hand-over, a death.
func (l *life) live() {
	l.begin()
	defer func() {
		for _, p := range append(l.gone, l.owner) {
			p.s.Close()
		}
	}()
	goesOn := true
	for range l.rnd.IntN(7) {
		if !goesOn {
			break
		}
		switch n := l.rnd.IntN(14); {
		case n < 6:
			goesOn = l.say(many(1 + l.rnd.IntN(50))...)
		case n < 7:
			l.retract()
		case n < 10:
			l.handOver([]string{"killed", "usurped", "handed over"}[n-7])
		case n < 11:
			l.meet("stopped")
			goesOn = false // as a person's Stop: the model is cut, the answer ends
		default:
			<-time.After(time.Duration(l.rnd.IntN(5000)) * time.Millisecond)
		}
	}
	if goesOn {
		l.say("the ", "last ", "words")
	}
	l.end()
	if l.owner.a.Err() == nil && l.rnd.IntN(4) == 0 {
		l.meet("killed before the close")
		l.handOver("killed")
		l.end()
	}
}

// end finishes the answer, in this process or the next, and holds that nothing
// comes after.
func (l *life) end() {
	result, err := l.owner.a.Finish(l.t.Context(), End{Note: l.note})
	for errors.Is(err, ErrClosed) || errors.Is(err, errOwner) {
		<-l.owner.dead
		l.takeOver()
		result, err = l.owner.a.Finish(l.t.Context(), End{Note: l.note})
	}
	calls := len(l.p.calls)
	<-time.After(time.Minute)
	if len(l.p.calls) != calls {
		l.errorf("%d calls came after the end", len(l.p.calls)-calls)
	}
	l.recorded(result)
	switch {
	case err == nil:
		l.check(result)
	case !l.refused || !chat.Refused(err, chat.Gone, chat.NoAccess, chat.Blocked):
		l.errorf("the end: %v", err)
	default:
		select {
		case <-l.owner.a.Done():
		default:
			l.errorf("it ended with %v, and whoever writes it is not told", err)
		}
	}
}

// recorded holds that whoever goes on finds every message.
func (l *life) recorded(result Result) {
	for _, m := range result.Messages {
		kept, ok := l.held[m.Key]
		if !ok {
			kept = l.record[m.Key]
		}
		if kept.ID != m.ID {
			l.errorf("the record says %+v of %+v", kept, m)
		}
	}
}

// check holds what must be true of every answer that ended well: all of the text
// stands once, nothing else does, and nothing can be pressed.
func (l *life) check(result Result) {
	l.p.most = 0 // of two processes, which guarded tells apart
	l.p.settled(l.t)
	texts, files := l.p.texts(), l.p.files
	if _, canRemove := l.r.(chat.Remover); !canRemove { // what earlier processes left can only be told apart
		texts = slices.DeleteFunc(texts, func(s string) bool { return s == surplusText })
		files = files[max(0, len(files)-1):]
		if !result.File {
			files = nil
		}
	}
	want := l.want + " " + l.note
	if got := strings.Join(texts, "") + strings.Join(files, ""); squeeze(got) != squeeze(want) {
		l.errorf("there stands %q and in files %q, want %q", texts, files, want)
	}
	parts := slices.DeleteFunc(result.Messages, func(m Posted) bool { return m.Stuck })
	if len(parts) != len(texts) || result.File != (len(files) == 1) || len(files) > 1 {
		l.errorf("%d messages are the answer's, %d are there, and %d files", len(parts), len(texts), len(files))
	}
	for _, m := range result.Messages {
		if kept := l.record[m.Key]; l.owner.a.job.Hold == nil && (kept.Pending || kept.Streaming) {
			l.errorf("the record says %+v of %+v", kept, m)
		}
	}
	if result.File {
		l.meet("file")
	}
}

// squeeze takes out the space that is lost where messages are cut.
func squeeze(s string) string { return strings.Join(strings.Fields(s), "") }

// phaseNow is the answer's phase.
func (a *Answer) phaseNow() phase {
	a.sched.mu.Lock()
	defer a.sched.mu.Unlock()
	return a.phase
}

// stopping is a platform on which people stop streams with its own button.
type stopping struct {
	*streamer
	rnd  *rand.Rand
	meet func(what string)
}

func (s stopping) Append(ctx context.Context, id chat.MessageID, sent, text string) (chat.Receipt, error) {
	if _, open := s.open[id]; open && s.rnd.IntN(25) == 0 {
		_, err := s.call(ctx, request{kind: "append", id: id, Content: chat.Content{Markdown: text}}, func() chat.MessageID {
			delete(s.open, id)
			return id
		})
		s.meet("stopped by the platform's button")
		return chat.Receipt{}, errors.Join(err, chat.ErrStopped)
	}
	return s.streamer.Append(ctx, id, sent, text)
}

// born is a life of that seed: its platform, its limits, what may befall it.
func born(t *testing.T, seed uint64, walked map[[2]phase]bool, met map[string]bool) *life {
	l := &life{
		t: t, seed: seed, rnd: rand.New(rand.NewPCG(seed, 7)), store: rand.New(rand.NewPCG(seed, 9)),
		record: map[string]Posted{}, held: map[string]Posted{}, walked: walked, met: met,
	}
	limits := chat.Limits{Size: 200 + 400*l.rnd.IntN(3)}
	if l.rnd.IntN(2) == 0 {
		limits.Edits = chat.Budget{Key: "e", Calls: 60, Window: time.Minute, Burst: 5}
	}
	if l.rnd.IntN(3) == 0 {
		l.max = 1 + l.rnd.IntN(2)
	}
	if l.rnd.IntN(4) == 0 {
		l.note = "It ended here."
	}
	streams := newStreamer(limits)
	l.p = streams.platform
	switch l.rnd.IntN(4) {
	case 0:
		l.r = l.p
		l.p.limits.Native = false
	case 1:
		l.r = remover{l.p}
		l.p.limits.Native = false
	default:
		l.r = struct {
			stopping
			chat.Remover
		}{stopping{streams, rand.New(rand.NewPCG(seed, 10)), l.meet}, remover{l.p}}
	}
	l.p.before, l.p.after = l.mishap(rand.New(rand.NewPCG(seed, 8)), l.rnd.IntN(8) == 0, l.rnd.IntN(3) == 0)
	l.p.told = l.told
	return l
}

func TestAnyLifeOfAnAnswerEndsWell(t *testing.T) {
	walked, met := map[[2]phase]bool{}, map[string]bool{}
	for seed := range uint64(2000) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { born(t, seed, walked, met).live() })
		})
	}
	for _, step := range [][2]phase{
		{unposted, growing}, {unposted, streaming}, {growing, unposted}, {streaming, closing}, {closing, unposted},
		{growing, tidying}, {streaming, growing}, {growing, leaving}, {tidying, over}, {leaving, over},
	} {
		if !walked[step] {
			t.Errorf("no life went from %s to %s: the test has become too tame", step[0], step[1])
		}
	}
	for _, what := range []string{
		"post", "edit", "start", "append", "end", "upload", "remove", "find", "file", "retracted", "stopped", "stopped by the platform's button", "handed over", "killed", "usurped", "killed at a call",
		"killed before the close", "edit closed", "too long", "invalid", "refused for good", "a record whose reply got lost",
	} {
		if !met[what] {
			t.Errorf("no life met %q: the test has become too tame", what)
		}
	}
}
