// Package stream turns the growing text of an answer into posts and edits.
//
// One Scheduler owns the rate limits of one scope and decides, for all answers
// written there, whose text is sent next. What an answer says is settled when
// its turn comes, so a slot always carries the latest text. The order is:
//
//  1. finals: an answer whose text is whole, first come first served;
//  2. first words, likewise; they are the posted message, not a placeholder;
//  3. growth: text that has been unseen for more than two fair turns, oldest
//     first, and otherwise where unseen text times its age is largest.
//
// Growth leaves calls for the ends of the answers that stand there unfinished,
// and spreads what is saved up over the next seconds. An answer begins in a
// message it will have to edit again only while all such ends are affordable;
// until then, and with more than 20 answers open on one limit, it is held: it
// is posted when it is whole or, in that overload, in whole pieces cut at
// paragraphs. Outside of overload, with n answers on a limit of b calls a second
// and k at once, no text stays unseen for longer than (k + 3n)/b and two calls.
//
// A limit that is believed right is never overstepped; one that is believed
// too large is learned from the first refusal or from the platform's headers.
package stream

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"parley/internal/chat"
	"parley/internal/stream/markdown"
	"parley/internal/telemetry"
)

// The first post holds the first FirstWords code points, or what there is
// FirstWait after the first token, whichever comes first.
const (
	FirstWords = 24
	FirstWait  = 150 * time.Millisecond
)

// DefaultMaxMessages is how many messages an answer may have where its Job
// does not say: the rest becomes a file.
const DefaultMaxMessages = 30

// ErrClosed is the error of answers whose Scheduler was closed.
var ErrClosed = errors.New("stream: the scheduler is closed")

// Options are what a Scheduler needs. All are optional.
type Options struct {
	Log     *slog.Logger
	Metrics *telemetry.Metrics
	Memory  Memory
}

// Memory keeps what was learned of a platform's limits over restarts. Its
// methods are never called with the scheduler's lock held; an error is logged
// and otherwise without effect.
type Memory interface {
	Load(ctx context.Context, key string) (l Learned, ok bool, err error)
	Save(ctx context.Context, key string, l Learned) error
}

// Job is one answer to be written.
type Job struct {
	// Turn names the answer. Its posts get the keys Turn+"-0", Turn+"-1", …
	Turn      string
	Platform  string // label of the metrics
	Responder chat.Responder
	// Posted is what an earlier process posted for this turn, in order. The
	// answer goes into these messages first. While it grows, each is left
	// alone until the new text is longer than what stands there.
	Posted []Posted
	// Record is called before a post, with a Pending Posted that has no ID and
	// what of the answer's own text the post will say; after it; and again when
	// what stands in the message has grown. No further call to the platform is
	// made for this answer until it has succeeded. It may be nil.
	Record func(ctx context.Context, p ...Posted) error
	// Hold is called instead of Record with the message that the answer ends
	// with, where nothing is left to do: whoever closes the turn needs no record
	// of its own for it. Nil: Record is.
	Hold func(p Posted)
	// Guard, where set, is called before each call to the platform and limits
	// its context. Its error ends the answer: it belongs to someone else now.
	Guard func(ctx context.Context) (context.Context, context.CancelFunc, error)
	// MaxMessages is the most messages the answer may have, 0 for
	// DefaultMaxMessages. What does not fit into them is uploaded as a file.
	MaxMessages int
	// FileComment goes with that file: where the rest of the answer is.
	FileComment string
	// Stop shows a Stop button while the answer grows.
	Stop bool
	// Menu, Buttons and Only go with every message, as in chat.Content: for the
	// answer to a command, which is an End.Note alone and never grows.
	Menu    *chat.Menu
	Buttons []chat.Button
	Only    string
}

// Posted is one message of an answer.
type Posted struct {
	Key    string
	ID     chat.MessageID
	Length int // code points known to stand there
	// Text is what of the answer's own text that is, as it was appended: those of
	// all messages, joined, are what a reader has seen of the answer.
	Text    string
	Pending bool // announced, but nobody knows whether it was posted
	// Streaming is a message that the platform streams and that was not ended.
	Streaming bool
	// Stuck is a message that can be edited no more: it is no part of the answer
	// and is taken back where that is possible.
	Stuck bool
	// File is the name of an uploaded file, which this is instead of a message;
	// it is Stuck too. One of an earlier process makes way for the next.
	File string
}

// End is what an answer ends with.
type End struct {
	Note string // one short line below the text; empty for none
}

// Result is what became of an answer.
type Result struct {
	Messages []Posted // in order; empty when there was nothing to say
	File     bool     // the rest went into a file
}

// Scheduler paces the posts and edits of one scope. It has no goroutine of its
// own: each call to the platform runs in one, and a timer stands for the next
// moment at which something falls due. It is safe for concurrent use.
type Scheduler struct {
	log     *slog.Logger
	metrics *telemetry.Metrics
	memory  Memory

	mu      sync.Mutex
	open    []*Answer
	budgets map[string]*budget
	sweepAt int // forget unused budgets when there are so many
	timer   *time.Timer
	wake    time.Time // when the timer fires; zero when it does not
	closed  bool
	waiting []chan struct{} // of posts that wait for a limit; closed when a call ends
	calls   sync.WaitGroup

	watch func(a *Answer, from, to phase) // for tests; nil otherwise
}

// NewScheduler makes the Scheduler of one scope.
func NewScheduler(o Options) *Scheduler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Scheduler{log: o.Log, metrics: o.Metrics, memory: o.Memory, budgets: make(map[string]*budget), sweepAt: 64}
}

// Close ends every open answer with ErrClosed, cancels its call and waits until
// it is back. Answers that must still be finished are to be finished before.
func (s *Scheduler) Close() {
	s.mu.Lock()
	s.closed = true
	for len(s.open) > 0 {
		s.open[len(s.open)-1].fail(ErrClosed)
	}
	s.wakeWaiting()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	s.calls.Wait()
}

// Open begins an answer. Every call to the platform is made under ctx; when it
// ends, the answer is given up as it stands. A person's Stop must therefore
// not end ctx: stop the model and call Finish. Open may ask the Memory about
// limits not met before and returns at once otherwise.
func (s *Scheduler) Open(ctx context.Context, j Job) *Answer {
	limits := j.Responder.Limits()
	learned := s.recall(ctx, limits)
	if j.MaxMessages <= 0 {
		j.MaxMessages = DefaultMaxMessages
	}
	a := &Answer{
		sched: s, job: j,
		pages:    pages{cut: markdown.New(limits.Size, limits.Measure), max: j.MaxMessages},
		lifeline: lifeline{done: make(chan struct{}), ended: make(chan struct{})},
	}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	for _, p := range j.Posted {
		a.messages = append(a.messages, message{Posted: p, tried: p.Pending, old: true})
		if p.ID != "" {
			a.visibleAt = time.Now()
		}
	}
	if limits.Native {
		a.native, _ = j.Responder.(chat.Streamer)
	}
	a.look()
	s.mu.Lock()
	defer s.mu.Unlock()
	a.edits = s.limit("edits", limits.Edits, learned)
	a.posts = s.limit("posts", limits.Posts, learned)
	a.global = s.limit("global", limits.Global, learned)
	a.starts = s.limit("starts", limits.Starts, learned)
	a.appends = s.limit("appends", limits.Appends, learned)
	a.ends = s.limit("ends", limits.Ends, learned)
	if s.closed {
		a.end(ErrClosed)
		return a
	}
	s.open = append(s.open, a)
	if a.phase == streaming {
		s.schedule(time.Now()) // it must be ended
	}
	a.detach = context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		a.fail(context.Cause(ctx))
	})
	return a
}
