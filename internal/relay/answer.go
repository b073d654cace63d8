// A question and its answer.

package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/completion"
	"parley/internal/fault"
	"parley/internal/inbox"
	"parley/internal/stream"
)

// stopTime bounds the last words of a stopped answer.
const stopTime = time.Minute

// outcome is what became of asking the models.
type outcome struct {
	text   string // the answer as the model wrote it
	finish string
	usage  *completion.Usage
	target target
	err    error

	sent      []completion.Message
	retracted bool // what was shown first turned out to be reasoning
}

// answer runs one turn: who may, what to send, ask, show, store.
func (r *Relay) answer(ctx context.Context, t *inbox.Turn, pen chat.Responder, log *slog.Logger) error {
	m := t.Message
	plan, err := r.plan(ctx, m)
	if errors.Is(context.Cause(ctx), chat.ErrStopped) {
		if len(t.Posted) == 0 {
			return t.Close(context.WithoutCancel(ctx)) // stopped before a word was asked for
		}
		// An earlier process began to answer: that gets its end.
		planning, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		plan, err = r.plan(planning, m)
		cancel()
	}
	if err != nil && !forPerson(err) && t.Attempt < patientAttempts {
		return err // the store is away, most likely: the turn waits for it
	}
	if errors.Is(err, errUnknown) && t.Attempt < lookupsOf(err) {
		return err
	}
	if err != nil {
		return r.decline(ctx, t, pen, err, log.With("bot", m.Bot))
	}
	log = log.With("bot", plan.bot.ID)
	r.metrics.Running(m.Place.Platform, 1)
	defer r.metrics.Running(m.Place.Platform, -1)

	writing, done := outlive(ctx)
	defer done()
	modelCtx, stopAsking := context.WithCancelCause(ctx)
	defer stopAsking(nil)
	seen := think(ctx, pen, log)
	defer seen()

	answer := r.scheduler(m.Scope).Open(writing, r.job(t, pen, plan.bot, seen))
	// Handed over: what is on its way to the platform gets there and is recorded
	// before the next owner looks.
	stay := context.AfterFunc(ctx, func() {
		if cause := interrupted(ctx); cause != nil {
			leave(ctx, answer, cause)
		}
	})
	defer stay()
	go func() { // ends with modelCtx
		select {
		case <-answer.Done():
			stopAsking(whyStop(answer.Err()))
		case <-modelCtx.Done():
		}
	}()

	word := &notice{turn: t, pen: pen, log: log}
	defer word.withdraw(writing)
	o := r.ask(modelCtx, plan.round(word.queued, log), word, answer)
	if stop := interrupted(ctx); stop != nil {
		leave(ctx, answer, stop)
		if withdrawn(ctx, stop) {
			_, lasting := r.writes(ctx, ended{plan: plan, outcome: o}, log)
			r.owe(ctx, t, lasting, log)
		}
		return stop
	}
	stopped := errors.Is(context.Cause(ctx), chat.ErrStopped) || errors.Is(answer.Err(), chat.ErrStopped)
	last := answer
	cutShort := stopped || o.err != nil && !errors.Is(o.err, errPointless)
	if stood := standing(t.Parts()); cutShort && !o.retracted && len(t.Posted) > 0 && len(stood) > len(o.text) {
		// Stopped or failed before this attempt came as far as an earlier one: what
		// people have read is what the answer is.
		leave(ctx, answer, chat.ErrStopped)
		last = r.scheduler(m.Scope).Open(writing, r.job(t, pen, plan.bot, seen))
		last.Append(stood)
		o.text = stood
	}
	err = r.conclude(writing, t, pen, last, ended{plan: plan, outcome: o, stopped: stopped}, log)
	if stop := interrupted(ctx); stop != nil && err != nil {
		leave(ctx, last, stop)
		return stop
	}
	return err
}

// leaveTime is how long a call to the platform may take to come back once the
// turn is handed over.
const leaveTime = 3 * time.Second

func leave(ctx context.Context, answer *stream.Answer, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	answer.Abandon(ctx, cause)
}

// patientAttempts is how often a turn is tried again after an error that is not
// the person's to know, before they are told that something went wrong.
const patientAttempts = 5

// lookupAttempts is how often the platform is asked who a person is before they
// are told that it did not say.
const lookupAttempts = 3

// lookupsOf is how many attempts a failed look-up is worth: a rate limit says
// that an answer will come.
func lookupsOf(err error) int {
	if _, limited := errors.AsType[*chat.RateLimited](err); limited {
		return maxAttempts
	}
	return lookupAttempts
}

// forPerson reports whether an error was written for the person in the chat.
func forPerson(err error) bool {
	if _, ok := errors.AsType[*bots.Refusal](err); ok {
		return true
	}
	_, ok := errors.AsType[*chat.UserError](err)
	return ok
}

// outlive is ctx, but neither a person's Stop nor the hand-over ends it, nor that
// the question was deleted: what was
// written must still get its end, and what is on its way its record. done must
// be called.
func outlive(ctx context.Context) (writing context.Context, done func()) {
	writing, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		cause := context.Cause(ctx)
		if !errors.Is(cause, chat.ErrStopped) && !errors.Is(cause, chat.ErrWithdrawn) && !errors.Is(cause, inbox.ErrHandedOver) {
			cancel(cause)
		}
	})
	return writing, func() {
		stop()
		cancel(nil)
	}
}

// errPointless is why a model is stopped when nobody can see the answer.
var errPointless = errors.New("the answer can no longer be shown")

// whyStop is why the model is stopped when the answer is done early.
func whyStop(err error) error {
	if errors.Is(err, chat.ErrStopped) {
		return err
	}
	return errPointless
}

// interrupted says that the turn is no longer this process's to finish: it
// stays open for the next owner.
func interrupted(ctx context.Context) error {
	cause := context.Cause(ctx)
	if cause == nil || errors.Is(cause, chat.ErrStopped) {
		return nil
	}
	return cause
}

// think shows the platform's indicator until the returned function is called:
// when the first words stand, and at the latest when the turn ends. A defect in
// it costs the indicator, not the answer.
func think(ctx context.Context, pen chat.Responder, log *slog.Logger) (seen func()) {
	ctx, cancel := context.WithCancel(ctx)
	var showing sync.WaitGroup
	showing.Go(func() {
		defer func() {
			if defect := fault.Recovered(recover()); defect != nil {
				log.ErrorContext(ctx, "the sign that an answer is being prepared failed", "error", defect)
			}
		}()
		pen.Thinking(ctx)
	})
	return func() {
		cancel()
		showing.Wait()
	}
}

// job is the stream editor's order for this turn.
func (r *Relay) job(t *inbox.Turn, pen chat.Responder, b bots.Bot, seen func()) stream.Job {
	j := stream.Job{
		Turn:        t.ID,
		Platform:    t.Message.Place.Platform,
		Responder:   pen,
		MaxMessages: b.MaxMessages,
		Stop:        true,
		Announce:    t.Announce,
		Guard:       t.Guard,
		Record: func(ctx context.Context, p stream.Posted) error {
			seen()
			return t.Record(ctx, inbox.Part(p))
		},
	}
	for _, p := range t.Parts() {
		j.Posted = append(j.Posted, stream.Posted(p))
	}
	return j
}

// standing is what of an answer can be read in its messages.
func standing(parts []inbox.Part) string {
	var text strings.Builder
	for k, p := range parts {
		if p.Stuck && k+1 < len(parts) && parts[k+1].Text != "" {
			continue // the same stands again below
		}
		text.WriteString(p.Text)
	}
	return text.String()
}

// ask has the question answered and shows what comes in the editor.
func (r *Relay) ask(ctx context.Context, q round, notice *notice, answer *stream.Answer) outcome {
	var o outcome
	var text []byte
	for e, err := range r.rounds.complete(ctx, q) {
		if err != nil {
			o.err = err
			break
		}
		if e.started != nil {
			o, text = outcome{target: e.started.target, sent: e.started.messages}, text[:0]
		}
		if e.Retract {
			text, o.retracted = text[:0], true
			answer.Retract()
		}
		if e.Text != "" {
			if len(text) == 0 {
				notice.withdraw(ctx)
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

func kindOf(err error) completion.Kind {
	if e, ok := errors.AsType[*completion.Error](err); ok {
		return e.Kind
	}
	return completion.KindUnknown
}

// ended is a turn whose model is done.
type ended struct {
	plan
	outcome
	stopped bool             // by a person
	posted  []chat.MessageID // the answer's messages
}

// conclude writes the final text and closes the turn with what is to be kept.
func (r *Relay) conclude(ctx context.Context, t *inbox.Turn, pen chat.Responder, answer *stream.Answer, e ended, log *slog.Logger) error {
	note, result := r.note(t.Ref, e)
	if !e.stopped || e.text != "" || answer.Shown() {
		finishing, cancel := ctx, context.CancelFunc(func() {})
		if e.stopped {
			finishing, cancel = context.WithTimeout(ctx, stopTime)
		}
		finished, err := answer.Finish(finishing, stream.End{Note: note})
		cancel()
		if stop := interrupted(ctx); stop != nil {
			return stop
		}
		if errors.Is(err, inbox.ErrLost) || errors.Is(err, inbox.ErrHandedOver) {
			return err
		}
		if errors.Is(err, chat.ErrWithdrawn) {
			_, lasting := r.writes(ctx, e, log)
			r.owe(ctx, t, lasting, log)
			return err
		}
		if err != nil {
			result = "failed"
			log.ErrorContext(ctx, "the answer could not be shown", "error", err)
			r.apologise(ctx, t, pen, err, log)
		}
		for _, p := range finished.Messages {
			e.posted = append(e.posted, p.ID)
		}
	}
	log = log.With("provider", e.target.provider.ID, "model", e.target.model)
	if e.err != nil && !e.stopped {
		log.WarnContext(ctx, "turn failed", "kind", kindOf(e.err), "error", e.err)
	} else {
		log.InfoContext(ctx, "turn ended", "outcome", result)
	}
	r.metrics.Turn(t.Message.Place.Platform, e.bot.ID, result)
	all, lasting := r.writes(ctx, e, log)
	err := t.Close(ctx, all...)
	if errors.Is(err, chat.ErrWithdrawn) {
		r.owe(ctx, t, lasting, log)
	}
	return err
}

// note is the one line below an answer, and the metric's word for the outcome.
func (r *Relay) note(ref string, o ended) (note, result string) {
	switch {
	case o.stopped:
		return "", "stopped"
	case errors.Is(o.err, errPointless):
		return "", "failed"
	case o.err != nil:
		return sentence(o.err, ref), "failed"
	case o.text == "" && o.finish == "content_filter":
		return fmt.Sprintf("The content filter of %s left nothing of the answer; try other words. (%s)", o.target, ref), "failed"
	case o.text == "":
		return fmt.Sprintf("%s ended without writing an answer; ask again, or switch with /model. (%s)", o.target, ref), "failed"
	case o.finish == "length":
		return "_Cut at the model's length limit; ask it to go on._", "answered"
	case o.finish == "content_filter":
		return "_Cut by the provider's content filter._", "answered"
	}
	return "", "answered"
}

// sentence is what a person reads of an error: their own line where one was
// written for them, else a general one; always with the reference of the log.
func sentence(err error, ref string) string {
	if e, ok := errors.AsType[*completion.Error](err); ok {
		return fmt.Sprintf("%s (%s)", e.Sentence(), ref)
	}
	if e, ok := errors.AsType[*chat.UserError](err); ok {
		return fmt.Sprintf("%s (%s)", e.Text, ref)
	}
	return chat.Sorry(ref)
}

// decline ends a turn with one sentence instead of an answer.
func (r *Relay) decline(ctx context.Context, t *inbox.Turn, pen chat.Responder, cause error, log *slog.Logger) error {
	if stop := interrupted(ctx); stop != nil {
		return stop
	}
	text := sentence(cause, t.Ref)
	only, silent := "", false
	if refusal, ok := errors.AsType[*bots.Refusal](cause); ok {
		if t.Message.Trigger == chat.Thread {
			return t.Close(ctx) // nobody asked the bot: people talk in a thread it takes part in
		}
		text, only = refusal.Error(), t.Message.Author.ID
		r.metrics.Turn(t.Message.Place.Platform, t.Message.Bot, "refused")
		log.InfoContext(ctx, "refused by the bot's access rules")
		silent = !r.refusals.tell(t.Message.Scope + " " + only)
	} else if told, ok := errors.AsType[*chat.UserError](cause); ok && told.Err == nil {
		text = told.Text
	} else {
		r.metrics.Turn(t.Message.Place.Platform, t.Message.Bot, "failed")
		log.ErrorContext(ctx, "turn failed", "error", cause)
		if errors.Is(cause, errUnknown) {
			only = t.Message.Author.ID // they may be refused: a word to them alone
			silent = !r.refusals.tell(t.Message.Scope + " " + only)
		}
	}
	if silent && len(t.Posted) == 0 {
		return t.Close(ctx)
	}
	return r.say(ctx, t, pen, chat.Content{Markdown: text, Only: only}, log)
}

// say posts one message of our own and closes the turn.
func (r *Relay) say(ctx context.Context, t *inbox.Turn, pen chat.Responder, c chat.Content, log *slog.Logger) error {
	writing, done := outlive(ctx)
	defer done()
	j := r.job(t, pen, bots.Bot{}, func() {})
	if len(j.Posted) > 0 {
		// An earlier attempt began to answer, or may have: its message gets the
		// end and loses its Stop button. One that was for one person alone cannot
		// be edited, and stands as it is.
		c.Only = ""
	}
	j.Stop, j.Menu, j.Buttons, j.Only = false, c.Menu, c.Buttons, c.Only
	a := r.scheduler(t.Message.Scope).Open(writing, j)
	a.Append(standing(t.Parts())) // what people have read of the answer stays
	if _, err := a.Finish(writing, stream.End{Note: c.Markdown}); err != nil {
		if !chat.Refused(err) {
			return err
		}
		log.ErrorContext(ctx, "the platform took no message here", "error", err)
		r.apologise(writing, t, pen, err, log)
	}
	return t.Close(writing)
}
