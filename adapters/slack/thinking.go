// The sign that an answer is being prepared: Slack's status line under the
// thread or, where an app may not set it, a reaction on the question.

package slack

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"

	"parley/adapters/internal/retry"
	"parley/internal/chat"
)

const (
	// thinkingAfter spares the sign where the answer begins at once.
	thinkingAfter = 300 * time.Millisecond
	// A status goes away by itself after two minutes.
	statusLasts   = 100 * time.Second
	thinkingEmoji = "eyes"
	// retryAfter is when a sign is tried again that was not possible at once.
	retryAfter = 2 * time.Second
	// forgetAfter is when an app that could not set a status tries again: its
	// scopes may have changed.
	forgetAfter = time.Hour
)

// indicators holds what an app learned of its signs, the small budget that they
// may spend (they must never cost an answer its place), and which statuses
// stand.
type indicators struct {
	noStatus   atomic.Int64 // unix seconds of the refusal
	noReaction atomic.Int64

	mu     sync.Mutex
	tokens float64
	at     time.Time
	stands map[string]bool // by channel and thread
}

// spend takes n calls of the signs' own budget, about one a second.
func (i *indicators) spend(n float64, off bool) bool {
	if off {
		return true
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	now := time.Now()
	if i.at.IsZero() {
		i.tokens = 4
	} else {
		i.tokens = min(4, i.tokens+0.8*now.Sub(i.at).Seconds())
	}
	i.at = now
	if i.tokens < n {
		return false
	}
	i.tokens -= n
	return true
}

// stand notes whether a status stands under a thread, and gives what was true
// before.
func (i *indicators) stand(where string, yes bool) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	was := i.stands[where]
	if yes {
		if i.stands == nil {
			i.stands = map[string]bool{}
		}
		i.stands[where] = true
	} else {
		delete(i.stands, where)
	}
	return was
}

func (i *indicators) standing(where string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.stands[where]
}

func refusedLately(at *atomic.Int64) bool {
	t := at.Load()
	return t != 0 && time.Since(time.Unix(t, 0)) < forgetAfter
}

// undo takes a sign away again.
type undo func(ctx context.Context)

// Thinking shows a status or a reaction until ctx ends, and takes it away
// again. It fails in silence.
func (r *responder) Thinking(ctx context.Context) {
	if !retry.Sleep(ctx, thinkingAfter) {
		return
	}
	for {
		again := statusLasts
		off, known := r.showStatus(ctx)
		if !known {
			again = 0
			off, known = r.showReaction(ctx)
		}
		switch {
		case !known:
			return
		case off == nil: // not now: the budget is spent on others
			if !retry.Sleep(ctx, retryAfter) {
				return
			}
			continue
		case again == 0:
			<-ctx.Done()
		case retry.Sleep(ctx, again):
			continue // the status is about to go away: show it again
		}
		r.app.background.Go(ctx, 10*time.Second, off)
		return
	}
}

func (r *responder) where() string { return r.to.Place.Channel + " " + r.thread() }

// showStatus sets the status line. It gives how to take it away, nil when this
// is not the moment, and whether the app can set one at all.
func (r *responder) showStatus(ctx context.Context) (undo, bool) {
	signs := &r.app.indicators
	if refusedLately(&signs.noStatus) {
		return nil, false
	}
	if !signs.spend(2, r.app.limit.Off) { // it has to be taken away, too
		return nil, true
	}
	set := func(ctx context.Context, text string) error {
		return r.app.classify(r.app.api.SetAssistantThreadsStatusContext(ctx, slack.AssistantThreadsSetStatusParameters{
			ChannelID: r.to.Place.Channel, ThreadTS: r.thread(), Status: text,
		}))
	}
	err := set(ctx, r.app.speaker(r.to.Author.ID).Say(chat.Say("is thinking…")))
	switch {
	case err == nil:
		signs.stand(r.where(), true)
		return func(ctx context.Context) {
			if signs.stand(r.where(), false) { // else Slack took it away with the answer
				_ = set(ctx, "")
			}
		}, true
	case ctx.Err() != nil: // it may have been set just as the answer came
		return func(ctx context.Context) { _ = set(ctx, "") }, true
	case chat.Refused(err):
		signs.noStatus.Store(time.Now().Unix())
		signs.spend(-2, false) // given back for a reaction
		r.app.log.InfoContext(ctx, "Slack takes no status from this app; a reaction shows that it thinks", "reason", cause(err))
	}
	return nil, false
}

// showReaction adds a reaction to the question; its results are showStatus's.
func (r *responder) showReaction(ctx context.Context) (undo, bool) {
	if refusedLately(&r.app.indicators.noReaction) {
		return nil, false
	}
	if !r.app.indicators.spend(2, r.app.limit.Off) {
		return nil, true
	}
	at := slack.NewRefToMessage(r.to.Place.Channel, string(r.to.ID))
	err := r.app.classify(r.app.api.AddReactionContext(ctx, thinkingEmoji, at))
	switch {
	case err == nil, ctx.Err() != nil:
		return func(ctx context.Context) { _ = r.app.api.RemoveReactionContext(ctx, thinkingEmoji, at) }, true
	case chat.Refused(err, chat.NoAccess):
		r.app.indicators.noReaction.Store(time.Now().Unix())
		return nil, false
	case chat.Refused(err):
		return nil, false
	}
	return nil, true
}
