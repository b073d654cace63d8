// The sign that an answer is being prepared: Slack's status line under the
// thread or, where an app may not set it, a reaction on the question.

package slack

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"

	"parley/internal/chat"
)

const (
	// thinkingAfter spares the sign where the answer begins at once.
	thinkingAfter = 300 * time.Millisecond
	// A status goes away by itself after two minutes.
	statusLasts   = 100 * time.Second
	thinkingEmoji = "eyes"
	// forgetAfter is when an app that could not set a status tries again: its
	// scopes may have changed.
	forgetAfter = time.Hour
)

// indicators holds what an app learned of its signs, and the small budget that
// they may spend: they must never cost an answer its place.
type indicators struct {
	noStatus   atomic.Int64 // unix seconds of the refusal
	noReaction atomic.Int64

	mu     sync.Mutex
	tokens float64
	at     time.Time
}

// spend takes one call of the signs' own budget, about one a second.
func (i *indicators) spend(off bool) bool {
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
	if i.tokens < 1 {
		return false
	}
	i.tokens--
	return true
}

func refusedLately(at *atomic.Int64) bool {
	t := at.Load()
	return t != 0 && time.Since(time.Unix(t, 0)) < forgetAfter
}

// Thinking shows a status or a reaction until ctx ends, and takes it away
// again. It fails in silence.
func (r *responder) Thinking(ctx context.Context) {
	if !pause(ctx, thinkingAfter) {
		return
	}
	for {
		undo := r.showStatus(ctx)
		again := statusLasts
		if undo == nil {
			undo, again = r.showReaction(ctx), 0
		}
		if undo == nil {
			return
		}
		if again == 0 {
			<-ctx.Done()
		} else if pause(ctx, again) {
			continue // the status is about to go away: show it again
		}
		r.app.later(ctx, 10*time.Second, undo)
		return
	}
}

func (r *responder) showStatus(ctx context.Context) func(context.Context) {
	if refusedLately(&r.app.indicators.noStatus) || !r.app.indicators.spend(r.app.limit.Off) {
		return nil
	}
	set := func(ctx context.Context, text string) error {
		return r.app.classify(r.app.api.SetAssistantThreadsStatusContext(ctx, slack.AssistantThreadsSetStatusParameters{
			ChannelID: r.to.Place.Channel, ThreadTS: r.thread(), Status: text,
		}))
	}
	err := set(ctx, "is thinking…")
	switch {
	case err == nil, ctx.Err() != nil: // it may have been set just as the answer came
		return func(ctx context.Context) { _ = set(ctx, "") }
	case chat.Refused(err):
		r.app.indicators.noStatus.Store(time.Now().Unix())
		r.app.log.Info("Slack takes no status from this app; a reaction shows that it thinks", "reason", cause(err))
	}
	return nil
}

func (r *responder) showReaction(ctx context.Context) func(context.Context) {
	if refusedLately(&r.app.indicators.noReaction) || !r.app.indicators.spend(r.app.limit.Off) {
		return nil
	}
	at := slack.NewRefToMessage(r.to.Place.Channel, string(r.to.ID))
	err := r.app.classify(r.app.api.AddReactionContext(ctx, thinkingEmoji, at))
	switch {
	case err == nil, ctx.Err() != nil:
		return func(ctx context.Context) { _ = r.app.api.RemoveReactionContext(ctx, thinkingEmoji, at) }
	case chat.Refused(err, chat.NoAccess):
		r.app.indicators.noReaction.Store(time.Now().Unix())
	}
	return nil
}
