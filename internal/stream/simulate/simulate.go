// Package simulate measures how soon text becomes visible: pretended models
// write answers, a pretended platform with exact rate limits and a latency
// takes the posts and edits, and every character is timed. It is meant for a
// testing/synctest bubble, where a minute takes milliseconds and comes out the
// same each time; it only uses the standard clock.
package simulate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/internal/chat"
)

// Scenario is one situation to be measured.
type Scenario struct {
	Answers  int
	Channels int           // the answers are spread over so many
	Latency  time.Duration // of one call, there and back
	Length   int           // code points of one answer
	Speed    float64       // code points per second
	Starts   time.Duration // the answers begin within this time
	Think    time.Duration // from the start to the first token

	Edits Limit // per app, or per channel with PerChannel
	Posts Limit // per channel
	// PerChannel says that every channel has a limit of edits of its own.
	PerChannel bool
	Size       int // of one message
	Seed       uint64
}

// Limit is a rate limit as the platform keeps it and as the bot believes it.
type Limit struct {
	Calls    int
	Window   time.Duration
	Burst    int // calls at once; the window's where Sliding
	Sliding  bool
	Believed int // the burst (Sliding: the calls) the bot starts with; 0: the real one
}

func (l Limit) limiter() limiter {
	switch {
	case l.Calls == 0:
		return free{}
	case l.Sliding:
		return &window{calls: l.Calls, length: l.Window}
	}
	return &bucket{rate: float64(l.Calls) / l.Window.Seconds(), burst: float64(l.Burst)}
}

// budget is the limit as the bot is told of it.
func (l Limit) budget(key string) chat.Budget {
	b := chat.Budget{Key: key, Calls: l.Calls, Window: l.Window, Burst: l.Burst, Sliding: l.Sliding}
	switch {
	case l.Believed > 0 && l.Sliding:
		b.Calls = l.Believed
	case l.Believed > 0:
		b.Burst = l.Believed
	}
	return b
}

// Outcome is what was measured.
type Outcome struct {
	Mean, P95    float64 // seconds a character waited unseen
	Bound        float64 // the least mean there can be
	FirstVisible float64 // seconds from first token to first words: median
	FirstWorst   float64
	FinalP95     float64 // seconds from last token to final text
	FinalWorst   float64
	Limited      int // calls refused as too many
	Edits, Posts int // calls that passed
	Messages     int // that stand at the end
	Wrong        int // answers whose text is not the model's
	Runs         int

	waits, firsts, finals []float64
}

// Ratio is the mean over its lower bound.
func (o Outcome) Ratio() float64 { return o.Mean / o.Bound }

// Strategy writes one answer: words delivers the text as it is generated and
// is closed at its end. It returns when the final text stands.
type Strategy interface {
	Name() string
	// Begin prepares one run.
	Begin(s Scenario)
	Write(ctx context.Context, k int, r chat.Responder, words <-chan string) error
	// End is called when all answers are written.
	End()
}

// Run measures one strategy in one scenario.
func Run(ctx context.Context, s Scenario, strategy Strategy) (Outcome, error) {
	rng := rand.New(rand.NewPCG(s.Seed, 7))
	p := newPlatform(s)
	strategy.Begin(s)
	starts := make([]time.Duration, s.Answers)
	for k := range starts {
		if k > 0 {
			starts[k] = time.Duration(rng.Float64() * float64(s.Starts))
		}
	}
	var all sync.WaitGroup
	errs := make([]error, s.Answers)
	for k := range s.Answers {
		t := &timeline{text: Text(rng, s.Length)}
		p.lines = append(p.lines, t)
		words := make(chan string, s.Length)
		all.Go(func() {
			<-time.After(starts[k] + s.Think)
			t.generate(words, s.Speed)
		})
		all.Go(func() {
			writer := &writer{platform: p, line: t, channel: k % max(1, s.Channels), key: fmt.Sprint(k)}
			errs[k] = strategy.Write(ctx, k, writer, words)
		})
	}
	all.Wait()
	strategy.End()
	return p.outcome(s), errors.Join(errs...)
}

// timeline is one answer: when each character came and when it was seen.
type timeline struct {
	text     string
	mu       sync.Mutex
	born     []time.Time // per byte of text
	seen     []time.Time
	visible  int
	messages []*message
}

type message struct {
	id   chat.MessageID
	text string
}

// generate delivers the text in tokens of about four characters.
func (t *timeline) generate(words chan<- string, speed float64) {
	begin, said := time.Now(), 0
	for at := 0; at < len(t.text); {
		next := min(len(t.text), at+4)
		for next < len(t.text) && t.text[next]&0xC0 == 0x80 {
			next++
		}
		<-time.After(time.Until(begin.Add(time.Duration(float64(said) / speed * float64(time.Second)))))
		now := time.Now()
		t.mu.Lock()
		for range next - at {
			t.born = append(t.born, now)
		}
		t.mu.Unlock()
		words <- t.text[at:next]
		said += next - at
		at = next
	}
	close(words)
}

// look notes which of the text a person can see now.
func (t *timeline) look(now time.Time) {
	at := 0
	for _, m := range t.messages {
		n := common(m.text, t.text[at:])
		at += n
		if n == 0 {
			break
		}
		for at < len(t.text) && n == len(strings.TrimRight(m.text, " \n")) && (t.text[at] == ' ' || t.text[at] == '\n') {
			at++ // space at the end of a message is not seen anyway
		}
	}
	for ; t.visible < at; t.visible++ {
		t.seen = append(t.seen, now)
	}
}

func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// platform takes calls, refuses what is too much, and shows the rest.
type platform struct {
	mu      sync.Mutex
	s       Scenario
	edits   []limiter // per channel where PerChannel
	posts   []limiter
	lines   []*timeline
	limited int
	made    [2]int // edits, posts
	ids     int
}

func newPlatform(s Scenario) *platform {
	p := &platform{s: s}
	for c := range max(1, s.Channels) {
		p.posts = append(p.posts, s.Posts.limiter())
		if c == 0 || s.PerChannel {
			p.edits = append(p.edits, s.Edits.limiter())
		}
	}
	return p
}

// writer is the responder of one answer.
type writer struct {
	platform *platform
	line     *timeline
	channel  int
	key      string
}

func (w *writer) Limits() chat.Limits {
	s := w.platform.s
	key := "edits"
	if s.PerChannel {
		key = fmt.Sprintf("edits-%d", w.channel)
	}
	return chat.Limits{
		Size:  s.Size,
		Edits: s.Edits.budget(key),
		Posts: s.Posts.budget(fmt.Sprintf("posts-%d", w.channel)),
	}
}

func (w *writer) Post(ctx context.Context, c chat.Content) (chat.Receipt, error) {
	p := w.platform
	return p.call(ctx, p.posts[w.channel], 1, func() chat.MessageID {
		p.ids++
		m := &message{id: chat.MessageID(fmt.Sprint(p.ids)), text: c.Markdown}
		w.line.messages = append(w.line.messages, m)
		return m.id
	}, w.line)
}

func (w *writer) Edit(ctx context.Context, id chat.MessageID, c chat.Content) (chat.Receipt, error) {
	p := w.platform
	l := p.edits[0]
	if p.s.PerChannel {
		l = p.edits[w.channel]
	}
	return p.call(ctx, l, 0, func() chat.MessageID {
		for _, m := range w.line.messages {
			if m.id == id {
				m.text = c.Markdown
			}
		}
		return id
	}, w.line)
}

func (w *writer) Upload(context.Context, string, []byte, string) (chat.Receipt, error) {
	return chat.Receipt{}, errors.New("simulate: no files here")
}

func (w *writer) Thinking(context.Context) {}

// call arrives after half the latency, and is seen when its answer is back.
func (p *platform) call(ctx context.Context, l limiter, kind int, do func() chat.MessageID, t *timeline) (chat.Receipt, error) {
	wait := func(d time.Duration) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := wait(p.s.Latency / 2); err != nil {
		return chat.Receipt{}, err
	}
	p.mu.Lock()
	ok, after := l.take(time.Now())
	if !ok {
		p.limited++
		p.mu.Unlock()
		if err := wait(p.s.Latency / 2); err != nil {
			return chat.Receipt{}, err
		}
		return chat.Receipt{}, &chat.RateLimited{After: after}
	}
	p.made[kind]++
	p.mu.Unlock()
	if err := wait(p.s.Latency / 2); err != nil {
		return chat.Receipt{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p.mu.Lock()
	id := do()
	p.mu.Unlock()
	t.look(time.Now())
	return chat.Receipt{ID: id}, nil
}

// outcome adds up the timelines.
func (p *platform) outcome(s Scenario) Outcome {
	o := Outcome{Runs: 1, Limited: p.limited, Edits: p.made[0], Posts: p.made[1]}
	var waits, firsts, finals []float64
	begin, end := time.Time{}, time.Time{}
	writing := 0.0
	for _, t := range p.lines {
		var said strings.Builder
		for _, m := range t.messages {
			said.WriteString(m.text)
		}
		if said.String() != t.text || len(t.seen) != len(t.text) {
			o.Wrong++
			continue
		}
		o.Messages += len(t.messages)
		for i := range t.seen {
			waits = append(waits, t.seen[i].Sub(t.born[i]).Seconds())
		}
		last := len(t.text) - 1
		firsts = append(firsts, t.seen[0].Sub(t.born[0]).Seconds())
		finals = append(finals, t.seen[last].Sub(t.born[last]).Seconds())
		writing += t.born[last].Sub(t.born[0]).Seconds()
		if begin.IsZero() || t.born[0].Before(begin) {
			begin = t.born[0]
		}
		if t.born[last].After(end) {
			end = t.born[last]
		}
	}
	o.waits, o.firsts, o.finals = waits, firsts, finals
	o.Bound = bound(s, writing, end.Sub(begin))
	o.sum()
	return o
}

// sum makes the figures of what was timed.
func (o *Outcome) sum() {
	if len(o.waits) == 0 {
		return
	}
	for _, list := range [][]float64{o.waits, o.firsts, o.finals} {
		slices.Sort(list)
	}
	total := 0.0
	for _, w := range o.waits {
		total += w
	}
	o.Mean, o.P95 = total/float64(len(o.waits)), at(o.waits, .95)
	o.FirstVisible, o.FirstWorst = at(o.firsts, .5), o.firsts[len(o.firsts)-1]
	o.FinalP95, o.FinalWorst = at(o.finals, .95), o.finals[len(o.finals)-1]
}

// Pool puts the outcomes of several runs of one scenario together: the figures
// are over all their answers, the counts are sums, the bound is the mean.
func Pool(runs []Outcome) Outcome {
	var o Outcome
	for _, r := range runs {
		o.waits = append(o.waits, r.waits...)
		o.firsts = append(o.firsts, r.firsts...)
		o.finals = append(o.finals, r.finals...)
		o.Runs += r.Runs
		o.Bound += r.Bound / float64(len(runs))
		o.Limited, o.Edits, o.Posts = o.Limited+r.Limited, o.Edits+r.Edits, o.Posts+r.Posts
		o.Messages, o.Wrong = o.Messages+r.Messages, o.Wrong+r.Wrong
	}
	o.sum()
	return o
}

func at(sorted []float64, q float64) float64 {
	return sorted[min(len(sorted)-1, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// bound is the least mean wait of strategies that write each answer into one
// message: with all C calls the limits allow, one post for each answer among
// them, spread evenly over the time T that the answers are being written, a
// character waits T/2C, and one call's latency. A bucket's burst is among the
// calls; what a sliding window allows at once is not, as it is missed after.
func bound(s Scenario, writing float64, span time.Duration) float64 {
	d := s.Latency.Seconds()
	if s.Edits.Calls == 0 {
		return d
	}
	scopes := 1
	if s.PerChannel {
		scopes = max(1, s.Channels)
	}
	calls := float64(s.Edits.Calls) / s.Edits.Window.Seconds() * (span.Seconds() + d)
	if !s.Edits.Sliding {
		calls += float64(s.Edits.Burst)
	}
	return writing/(2*(float64(scopes)*calls+float64(s.Answers))) + d
}
