// From a message event to the inbox. Several lanes work at once, so that one slow
// write does not delay every channel; each keeps its order, so that a channel does.

package discord

import (
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bwmarrin/discordgo"

	"parley/adapters/internal/retry"
	"parley/internal/chat"
)

const (
	laneCount = 8
	laneSize  = 1024 // events waiting per lane
)

// sequence tracks which events of a session were received, and up to which one all
// are handled: another process has to resume from there.
type sequence struct {
	mu      sync.Mutex
	session int     // increases with each session, which numbers its events from 1
	last    int64   // the newest event received
	pending []int64 // received and not handled, ascending
}

func (s *sequence) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session++
	s.last, s.pending = 0, nil
}

// start continues after the last event that an earlier process handled.
func (s *sequence) start(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.pending = n, nil
}

// fresh reports whether an event is new: the replay after a resume repeats some.
func (s *sequence) fresh(n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return n > s.last
}

// take marks an event as received. done, with the session that take returns, marks
// it as handled.
func (s *sequence) take(n int64) (session int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = n
	s.pending = append(s.pending, n)
	return s.session
}

// skip marks an event as received and handled.
func (s *sequence) skip(n int64) { s.done(s.take(n), n) }

func (s *sequence) done(session int, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if session != s.session {
		return // that session is over
	}
	if i, ok := slices.BinarySearch(s.pending, n); ok {
		s.pending = slices.Delete(s.pending, i, i+1)
	}
}

func (s *sequence) received() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

func (s *sequence) handled() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) > 0 {
		return s.pending[0] - 1
	}
	return s.last
}

// delivery is a message event on its way to the inbox.
type delivery struct {
	event   messageEvent
	seq     int64
	session int
	at      time.Time
}

// lanes deliver a shard's messages.
type lanes struct {
	app     *app
	seq     *sequence
	ways    [laneCount]chan *delivery
	waiting atomic.Int64
}

func newLanes(a *app, seq *sequence) *lanes {
	l := &lanes{app: a, seq: seq}
	for i := range l.ways {
		l.ways[i] = make(chan *delivery, laneSize)
	}
	return l
}

// start runs the lanes until ctx ends; the returned function waits for them.
func (l *lanes) start(ctx context.Context) (wait func()) {
	var running sync.WaitGroup
	for _, way := range l.ways {
		running.Go(func() {
			for {
				select {
				case d := <-way:
					l.app.guard("MESSAGE_CREATE", func() error { return l.app.deliver(ctx, d) })
					if ctx.Err() == nil {
						l.seq.done(d.session, d.seq)
					}
					l.waiting.Add(-1)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	return running.Wait
}

// put adds an event to its channel's lane. It returns false if the lane is full;
// then the event counts as not received.
func (l *lanes) put(f frame) bool {
	d := &delivery{seq: *f.S, at: time.Now()}
	if err := json.Unmarshal(f.D, &d.event); err != nil {
		// Trying again would not help.
		l.app.log.Warn("discord message not understood", slog.String("error", err.Error()))
		l.seq.skip(d.seq)
		return true
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(d.event.Channel))
	d.session = l.seq.take(d.seq)
	l.waiting.Add(1)
	select {
	case l.ways[h.Sum32()%laneCount] <- d:
		return true
	default:
		l.waiting.Add(-1)
		l.seq.untake(d.seq)
		return false
	}
}

// untake undoes take for the newest event.
func (s *sequence) untake(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := len(s.pending) - 1; i >= 0 && s.pending[i] == n {
		s.pending = s.pending[:i]
		s.last = n - 1
	}
}

// drained waits until most of the backlog is stored. It returns false if ctx ends
// first.
func (l *lanes) drained(ctx context.Context) bool {
	for l.waiting.Load() > laneSize/2 {
		if !retry.Sleep(ctx, 100*time.Millisecond) {
			return false
		}
	}
	return ctx.Err() == nil
}

// deliver translates a message and puts it into the inbox, trying again until it
// is stored or ctx ends.
func (a *app) deliver(ctx context.Context, d *delivery) error {
	e := &d.event
	self, _ := a.identity.known()
	if e.Author != nil && e.Member != nil && !e.Author.Bot {
		a.cache.putMember(e.Guild, e.Author.ID, e.Member.Roles, -1)
	}
	switch {
	case e.Author != nil && e.Author.ID == self:
		a.cache.posts.Put(e.ID, true)
	case e.Type == discordgo.MessageTypeThreadStarterMessage && e.Referenced.by(self):
		a.cache.posts.Put(e.Channel, true)
	}
	if !e.written(self) {
		return nil
	}
	if why, ok := errors.AsType[*turnedAway](a.trust.letIn(ctx, e.Guild, e.Author.ID)); ok {
		a.turnAwayMessage(ctx, e, why)
		return nil
	}
	if len(e.Roles) > 0 {
		// A process that resumed a session has not received the guild's roles.
		_, _ = a.cache.guild(ctx, e.Guild)
	}
	k := a.knowledge(e.Guild)
	if e.Guild != "" {
		var ok bool
		if k.here, ok = a.cache.channel(ctx, e.Channel); !ok && e.ChannelType != nil {
			k.here = channelInfo{kind: *e.ChannelType}
		}
	}
	if e.incomplete(k) {
		a.lookUp(ctx, e)
	}
	m, ok := translate(e, k)
	if !ok {
		return nil
	}
	_ = retry.Until(ctx, retry.Growing(50*time.Millisecond, 5*time.Second), func() error {
		err := a.ports.Inbox.Put(ctx, m)
		if errors.Is(err, chat.ErrUnstorable) {
			a.log.ErrorContext(ctx, "a message can never be stored and is dropped", slog.String("message", e.ID), slog.String("error", err.Error()))
			return nil
		}
		if a.storing.Note(ctx, err, "message", e.ID); err == nil {
			a.metrics.Received(platform, time.Since(d.at))
		}
		return err
	})
	return nil
}

// lookUp reads the message that e replies to, which the event lacks. If that
// fails, the reply is handled without it.
func (a *app) lookUp(ctx context.Context, e *messageEvent) {
	found, err := a.cache.message(ctx, e.Channel, e.Reference.Message)
	switch {
	case err == nil:
		e.Referenced = lookup{found, true}
	case chat.Refused(err):
		e.Referenced.present = true
	case ctx.Err() == nil:
		a.log.WarnContext(ctx, "the message that was replied to could not be read", slog.String("message", e.ID), slog.String("error", err.Error()))
	}
}

// knowledge is what translate needs for a message in a guild ("" for none).
func (a *app) knowledge(guild string) knowledge {
	self, _ := a.identity.known()
	return knowledge{
		self: self, bot: a.lead.ID, locale: a.cache.locale(guild),
		role:    func(id string) role { return a.cache.role(guild, id) },
		channel: a.cache.channelName,
		wrote:   a.cache.wrote,
	}
}
