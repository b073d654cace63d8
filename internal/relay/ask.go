// Asking the models, and showing what they write.

package relay

import (
	"context"
	"errors"

	"parley/internal/chat"
	"parley/internal/completion"
	"parley/internal/stream"
)

// outcome is what came of a round.
type outcome struct {
	text   string // the answer as the model wrote it
	finish string
	usage  *completion.Usage
	target target // the model that was asked last
	err    error

	sent      []completion.Message
	retracted bool // what was shown first turned out to be reasoning
}

// ask has a round answered and hands the text to the editor as it comes. The
// notice of the queue goes when the first words come.
func (r *Relay) ask(ctx context.Context, q round, queue *queueNotice, answer *stream.Answer) outcome {
	ctx, cancel := whileShown(ctx, answer)
	defer cancel(nil)
	var o outcome
	var text []byte
	for e, err := range r.rounds.complete(ctx, q) {
		if err != nil {
			o.err = err
			break
		}
		if e.started != nil {
			o, text = outcome{target: e.started.target, sent: e.started.messages, retracted: o.retracted}, text[:0]
		}
		if e.Retract {
			text, o.retracted = text[:0], true
			answer.Retract()
		}
		if e.Text != "" {
			if len(text) == 0 {
				queue.remove(ctx)
			}
			text = append(text, e.Text...)
			answer.Append(e.Text)
		}
		if e.Finish != "" {
			o.finish = e.Finish
		}
		if e.Usage != nil {
			o.usage = e.Usage
		}
	}
	o.text = string(text)
	return o
}

// errPointless is why a model is stopped when nobody can see the answer.
var errPointless = errors.New("the answer can no longer be shown")

// whileShown is ctx for as long as an answer can be shown. Where it cannot, the
// cause says whether a person stopped it or it is pointless to go on. cancel must
// be called.
func whileShown(ctx context.Context, answer *stream.Answer) (shown context.Context, cancel context.CancelCauseFunc) {
	shown, cancel = context.WithCancelCause(ctx)
	go func() { // ends with shown
		select {
		case <-shown.Done():
		case <-answer.Done():
			if err := answer.Err(); errors.Is(err, chat.ErrStopped) {
				cancel(err)
			}
			cancel(errPointless)
		}
	}()
	return shown, cancel
}
