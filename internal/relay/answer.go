// A question and its answer.

package relay

import (
	"context"
	"errors"
	"log/slog"

	"parley/internal/chat"
	"parley/internal/inbox"
	"parley/internal/stream"
)

// answer plans a turn, asks the models, shows what they write and closes the turn.
func (r *Relay) answer(ctx context.Context, t *inbox.Turn, responder chat.Responder, log *slog.Logger) error {
	p, ok, err := r.prepare(ctx, t, responder, log)
	if !ok {
		return err
	}
	log = log.With("bot", p.bot.ID)
	speaker := r.speaker(ctx, p.bot, t.Message.Place, t.Message.Author)
	r.metrics.Running(t.Message.Place.Platform, 1)
	defer r.metrics.Running(t.Message.Place.Platform, -1)
	writing, done := outlive(ctx)
	defer done()
	hide, endThinking := showThinking(ctx, responder, log)
	defer endThinking()
	open := func() *stream.Answer {
		j := r.job(t, responder, p.bot, hide)
		j.FileComment = speaker.Say(chat.Say("The rest of the answer is in this file."))
		return r.scheduler(t.Message.Scope).Open(writing, j)
	}
	answer := open()
	attend := leaveWhenInterrupted(ctx, answer)
	defer func() { attend() }()
	queue := &queueNotice{turn: t, responder: responder, speaker: speaker, log: log}
	defer queue.remove(writing)

	e := ended{plan: p, outcome: r.ask(ctx, p.round(queue.tell, log), queue, answer)}
	if stop := interrupted(ctx); stop != nil {
		leave(ctx, answer, stop)
		if withdrawn(ctx, stop) {
			r.oweUsed(ctx, t, e, log)
		}
		return stop
	}
	e.stopped = errors.Is(context.Cause(ctx), chat.ErrStopped) || errors.Is(answer.Err(), chat.ErrStopped)
	if read := e.readBefore(t); read != "" {
		leave(ctx, answer, chat.ErrStopped)
		attend()
		answer, e.text = open(), read
		attend = leaveWhenInterrupted(ctx, answer)
		answer.Append(read)
	}
	err = r.conclude(writing, t, responder, answer, e, log)
	if stop := interrupted(ctx); stop != nil && err != nil {
		leave(ctx, answer, stop)
		return stop
	}
	return err
}

// prepare plans the answer of a turn. Where ok is false there is none to write: the
// turn was closed, or err leaves it for another attempt.
func (r *Relay) prepare(ctx context.Context, t *inbox.Turn, responder chat.Responder, log *slog.Logger) (p plan, ok bool, err error) {
	p, err = r.plan(ctx, t.Message)
	if errors.Is(context.Cause(ctx), chat.ErrStopped) {
		if len(t.Posted) == 0 {
			return plan{}, false, t.Close(context.WithoutCancel(ctx)) // stopped before a model was asked
		}
		// An earlier attempt began to answer: its message must get its end.
		planning, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		p, err = r.plan(planning, t.Message)
	}
	switch {
	case err == nil:
		return p, true, nil
	case tryAgain(err, t.Attempt):
		return plan{}, false, err
	}
	return plan{}, false, r.decline(ctx, t, responder, err, log.With("bot", t.Message.Bot))
}

// readBefore is what people have read of the answer, where this attempt was stopped
// or failed before it got as far as an earlier one: then that is the answer. Empty
// where it is not.
func (e ended) readBefore(t *inbox.Turn) string {
	cutShort := e.stopped || e.err != nil && !errors.Is(e.err, errPointless)
	if !cutShort || e.retracted || len(t.Posted) == 0 {
		return ""
	}
	if read := readable(t.Parts()); len(read) > len(e.text) {
		return read
	}
	return ""
}
