// Whole turns: what people see, what is kept, what is counted.

package relay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/completion"
	"parley/internal/registry"
)

const (
	half = "The first half of a long answer."
	rest = " And the second."
)

func TestAQuestionIsAnsweredKeptAndCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.model = func(context.Context, completion.Request) iter.Seq2[completion.Delta, error] {
		return reply{deltas: []completion.Delta{{Text: "Hel"}, {Text: "lo."}, {Finish: "stop", Usage: &completion.Usage{PromptTokens: 70, CompletionTokens: 2}}}}.wire()
	}
	p := f.start()
	p.put(asked("Hi"))
	p.closed()
	f.shows("Hello.")
	if s := f.platform.read()[0]; s.stop != "" || s.only != "" {
		t.Errorf("it still shows Stop, or not to all: %+v", s)
	}
	kept := f.transcript(p)
	if len(kept) != 1 || kept[0].Question != "Hi" || kept[0].Answer != "Hello." || kept[0].ID != "id of Hi" || kept[0].Author.ID != "U1" || kept[0].Bot != "helper" || len(kept[0].Posted) != 1 || kept[0].Posted[0] != "m0" {
		t.Errorf("kept %+v", kept)
	}
	if answers, in, out := f.used(p, "m1"); answers != 1 || in != 70 || out != 2 {
		t.Errorf("counted %d answers, %d and %d tokens", answers, in, out)
	}
	if p.ends("answered") != "1" {
		t.Error("no turn was counted as answered")
	}
	p.put(asked("And?"))
	p.closed()
	last := f.requests[len(f.requests)-1]
	if len(last.Messages) != 4 || last.Messages[0].Text() != "Be brief." || last.Messages[2].Text() != "Hello." {
		t.Errorf("the second question came with %+v", last.Messages)
	}
}

func TestTheFallbackAnswersAndIsCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.model = func(_ context.Context, r completion.Request) iter.Seq2[completion.Delta, error] {
		if r.Model == "m1" { // what it counted before it failed is not the answer's
			return reply{deltas: []completion.Delta{{Usage: &completion.Usage{PromptTokens: 7000}}}, err: errAway}.wire()
		}
		return words("From the second.").wire()
	}
	p := f.start()
	p.put(asked("Hi"))
	p.closed()
	f.shows("From the second.")
	if f.asked() != "m1 m2" {
		t.Errorf("asked %s", f.asked())
	}
	first, _, _ := f.used(p, "m1")
	answers, in, _ := f.used(p, "m2")
	if first != 0 || answers != 1 || in == 0 || in >= 7000 {
		t.Errorf("counted %d answers of m1, %d of m2 with %d tokens", first, answers, in)
	}
}

func TestAModelThatFailsIsSaidBelowWhatItWrote(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.model = func(context.Context, completion.Request) iter.Seq2[completion.Delta, error] {
		return words(half).then(&completion.Error{Kind: completion.KindTruncated, Provider: "lab", Model: "m1"}).wire()
	}
	p := f.start()
	p.put(asked("Hi"))
	p.closed()
	got := strings.Join(f.platform.texts(), "|")
	if !strings.HasPrefix(got, half+"\n\n") || !strings.Contains(got, "lab/m1") || !strings.Contains(got, "(ref-") {
		t.Errorf("people see %q", got)
	}
	if kept := f.transcript(p); len(kept) != 1 || kept[0].Answer != half {
		t.Errorf("kept %+v: the error is no part of the answer", kept)
	}
	if p.ends("failed") != "1" || f.asked() != "m1" {
		t.Errorf("failed %s, asked %s", p.ends("failed"), f.asked())
	}
}

func TestALongConversationIsAskedAgainWithLess(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.model = func(_ context.Context, r completion.Request) iter.Seq2[completion.Delta, error] {
		if len(r.Messages) > 2 {
			return reply{err: &completion.Error{Kind: completion.KindContext}}.wire()
		}
		return words("Short.").wire()
	}
	p := f.start()
	p.put(asked("First"))
	p.closed()
	p.put(asked("Second"))
	p.closed()
	f.shows("Short.", "Short.")
	if f.asked() != "m1 m1 m1" || !strings.Contains(p.log.String(), "prompt too long") {
		t.Errorf("asked %s", f.asked())
	}
}

// A platform may take its time to take the indicator away: what was posted is
// recorded meanwhile, and the answer goes on.
func TestTheRecordDoesNotWaitForTheIndicator(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	let, gone := make(chan struct{}), make(chan struct{})
	f.platform.thinks = gone
	f.model = hold(half, let, rest)
	p := f.start()
	p.put(asked("Hi"))
	f.shows(half)
	close(let)
	f.shows(half + rest) // no call is made before the one before it is recorded
	close(gone)
	p.closed()
}

// Reasoning that only its end shows was posted by then: it is edited away, and is
// in no transcript.
func TestWhatIsTakenBackIsNotKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	let := make(chan struct{})
	f.model = func(ctx context.Context, r completion.Request) iter.Seq2[completion.Delta, error] {
		return func(yield func(completion.Delta, error) bool) {
			for d, err := range hold("The person wants me to say hello.", let)(ctx, r) {
				if !yield(d, err) {
					return
				}
			}
			yield(completion.Delta{Retract: true, Text: "Hello."}, nil)
		}
	}
	p := f.start()
	p.put(asked("Hi"))
	f.shows("The person wants me to say hello.")
	close(let)
	p.closed()
	f.shows("Hello.")
	if kept := f.transcript(p); len(kept) != 1 || kept[0].Answer != "Hello." {
		t.Errorf("kept %+v", kept)
	}
}

func TestWhatIsTakenBackDoesNotComeBackWhenEveryModelFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	let := make(chan struct{})
	f.model = func(ctx context.Context, r completion.Request) iter.Seq2[completion.Delta, error] {
		if r.Model == "m2" {
			return reply{err: errAway}.wire()
		}
		return func(yield func(completion.Delta, error) bool) {
			if !yield(completion.Delta{Text: "The person wants me to say hello."}, nil) {
				return
			}
			<-let
			if yield(completion.Delta{Retract: true}, nil) {
				yield(completion.Delta{}, errAway)
			}
		}
	}
	p := f.start()
	p.put(asked("Hi"))
	f.shows("The person wants me to say hello.")
	close(let)
	p.closed()
	got := f.platform.texts()
	if len(got) != 1 || strings.Contains(got[0], "wants me") || !strings.Contains(got[0], "(ref-") || len(f.transcript(p)) != 0 || f.asked() != "m1 m2" {
		t.Errorf("people see %q, kept %+v, asked %s", got, f.transcript(p), f.asked())
	}
}

func TestTheNumberInTheQueueIsSaidOnceAndRemovedWhenTheAnswerBegins(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	begin, end := make(chan struct{}), make(chan struct{})
	f.model = func(ctx context.Context, r completion.Request) iter.Seq2[completion.Delta, error] {
		r.Queued(2)
		r.Queued(1)
		<-begin
		return hold(half, end, rest)(ctx, r)
	}
	p := f.start()
	p.put(asked("Hi"))
	f.shows("lab is busy: your question is number 2 in its queue.")
	if s := f.platform.read()[0]; s.only != "U1" {
		t.Errorf("it is for %q", s.only)
	}
	close(begin)
	f.shows(half)
	close(end)
	p.closed()
	f.shows(half + rest)
}

func TestTheNumberInTheQueueIsRemovedWhenNothingIsAnswered(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.model = func(_ context.Context, r completion.Request) iter.Seq2[completion.Delta, error] {
		r.Queued(2)
		return reply{err: errAway}.wire()
	}
	p := f.start()
	p.put(asked("Hi"))
	p.closed()
	if got := f.platform.texts(); len(got) != 1 || strings.Contains(got[0], "queue") || f.asked() != "m1 m2" {
		t.Errorf("people see %q, asked %s", got, f.asked())
	}
}

func TestWhoMayNotIsToldAloneAndNothingIsAsked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		access bots.Access
		says   string
	}{
		"the bot":       {bots.Access{Users: []string{"U9"}}, "You don't have access to Helper"},
		"the channel":   {bots.Access{Channels: []string{"C9"}}, "doesn't answer in this channel"},
		"the model":     {bots.Access{Models: []bots.ModelRule{{Match: "lab/m1", Users: []string{"U9"}}}}, "You don't have access to lab/m1"},
		"a denied one":  {bots.Access{Deny: []bots.DenyRule{{Users: []string{"U1"}}}}, "You don't have access to Helper"},
		"by no group":   {bots.Access{Groups: []string{"S1"}}, "You don't have access to Helper"},
		"by an admin's": {bots.Access{Users: []string{"U9"}, Admins: []string{"U7"}}, "Ask U7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.bot.Access = c.access
			p := f.start()
			p.put(asked("Hi"))
			p.closed()
			shows := f.platform.read()
			if len(shows) != 1 || !strings.Contains(shows[0].text, c.says) || shows[0].only != "U1" {
				t.Errorf("people see %+v", shows)
			}
			if f.asked() != "" || f.platform.count("history") != 0 || len(f.transcript(p)) != 0 {
				t.Errorf("asked %q, %d histories read", f.asked(), f.platform.count("history"))
			}
			if answers, _, _ := f.used(p, "m1"); answers != 0 || p.ends("refused") != "1" {
				t.Errorf("%d answers counted, refused %s", answers, p.ends("refused"))
			}
		})
	}
}

// A bot that a thread was given to answers with the model chosen for it, not with
// the one chosen for the bot that was mentioned.
func TestABotThatAThreadWasGivenToUsesItsOwnModel(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.others = []bots.Bot{{ID: "coder", Name: "Coder", Provider: "lab", Model: "m1", MaxMessages: 5}}
	p := f.start()
	place, by := asked("").Place, chat.Actor{}
	for bot, model := range map[string]string{"helper": "m1", "coder": "m2"} {
		if err := p.registry.Choose(t.Context(), by, bot, place, &registry.Choice{Provider: "lab", Model: model}); err != nil {
			t.Fatal(err)
		}
	}
	p.put(asked("Hi"))
	p.closed()
	if err := p.registry.GiveTo(t.Context(), by, "helper", place, "coder"); err != nil {
		t.Fatal(err)
	}
	p.put(asked("And you?"))
	p.closed()
	if got := f.asked(); got != "m1 m2" {
		t.Errorf("asked were %s", got)
	}
}

func TestAFallbackThatOneMayNotUseIsNotAsked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.bot.Access.Models = []bots.ModelRule{{Match: "lab/m2", Users: []string{"U9"}}}
	f.model = func(context.Context, completion.Request) iter.Seq2[completion.Delta, error] {
		return reply{err: errAway}.wire()
	}
	p := f.start()
	p.put(asked("Hi"))
	p.closed()
	if f.asked() != "m1" || len(f.bot.Fallbacks) != 1 {
		t.Errorf("asked %s; the bot's fallbacks are %v now", f.asked(), f.bot.Fallbacks)
	}
}

// People talk in a thread the bot takes part in: who may not use it asked nothing.
func TestWhoMayNotIsNotToldInAThreadThatGoesOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.bot.Access.Users = []string{"U9"}
	p := f.start()
	m := asked("Hi")
	m.Trigger, m.Joined = chat.Thread, true
	p.put(m)
	p.closed()
	f.shows()
	if f.asked() != "" {
		t.Errorf("asked %s", f.asked())
	}
}

func TestWhoMayNotIsNotToldForEver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.bot.Access.Users = []string{"U9"}
	p := f.start()
	for i := range refusalBurst + 3 {
		p.put(asked(strings.Repeat("?", i+1)))
		p.closed()
	}
	if n := len(f.platform.read()); n != refusalBurst {
		t.Errorf("told %d times", n)
	}
}

func TestAQuestionThatCannotBeAnsweredIsDeclinedInASentence(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(f *fixture, m *chat.Message)
		says   string
		fails  string // turns counted as failed
	}{
		"no provider": {func(f *fixture, _ *chat.Message) { f.bot.Provider, f.bot.Fallbacks = "gone", nil }, "The provider of gone/m1 is not set up. Add it with /provider add, or switch with /model. (ref-", "1"},
		"no question": {func(_ *fixture, m *chat.Message) { m.Text = "" }, "Helper is here. Write your question after the mention; /help shows what else I can do.", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			m := asked("Hi")
			c.change(f, &m)
			p := f.start()
			p.put(m)
			p.closed()
			shows := f.platform.read()
			if len(shows) != 1 || !strings.HasPrefix(shows[0].text, c.says) || shows[0].only != "" {
				t.Errorf("people see %+v", shows)
			}
			if f.asked() != "" || p.ends("failed") != c.fails {
				t.Errorf("asked %q, failed %q", f.asked(), p.ends("failed"))
			}
		})
	}
}

func TestAModelWhoseProviderIsGoneIsPassedOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.bot.Provider = "gone"
	p := f.start()
	p.put(asked("Hi"))
	p.closed()
	f.shows("Hello.")
	if f.asked() != "m2" {
		t.Errorf("asked %s", f.asked())
	}
}

// Whether somebody is in a group that decides is asked again, and then said to
// them alone: they may be one who is refused.
func TestWhoCannotBeLookedUpIsToldAlone(t *testing.T) {
	t.Parallel()
	limited := &chat.RateLimited{After: time.Minute}
	for _, c := range []struct {
		attempt int
		err     error
		told    bool
	}{
		{1, errStore, false}, {lookupAttempts - 1, errStore, false}, {lookupAttempts, errStore, true},
		{lookupAttempts, limited, false}, {maxAttempts - 1, limited, false}, {maxAttempts, limited, true},
	} {
		t.Run(fmt.Sprint("attempt ", c.attempt, ": ", c.err), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.attempt = c.attempt
			f.bot.Access.Groups = []string{"S1"}
			f.platform.member = func(chat.Author) (chat.Member, error) { return chat.Member{}, c.err }
			p := f.start()
			p.put(asked("Hi"))
			e := p.end()
			shows := f.platform.read()
			if (e.Err == nil) != c.told || (len(shows) == 1) != c.told || f.asked() != "" {
				t.Fatalf("ended with %v, people see %+v, asked %q", e.Err, shows, f.asked())
			}
			if c.told && (shows[0].only != "U1" || !strings.HasPrefix(shows[0].text, "I could not look up your groups") || p.ends("failed") != "1") {
				t.Errorf("people see %+v, failed %q", shows, p.ends("failed"))
			}
		})
	}
}

// doorPlatform is a platform with somebody at the door.
type doorPlatform struct {
	*platform
	admit  error
	turned []string
}

func (g *doorPlatform) Admit(context.Context, chat.Message) error { return g.admit }

func (g *doorPlatform) TurnAway(_ context.Context, m chat.Message, cause error) {
	g.turned = append(g.turned, m.Text+": "+cause.Error())
}

func TestWhoIsTurnedAwayAtTheDoorHearsItFromTheAdapter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		admit   error
		attempt int
		want    string // what the adapter was given; "" where the turn is tried again
	}{
		"not from here":              {chat.Tell("Not here."), 1, "Not here."},
		"it cannot be looked up":     {errStore, 1, ""},
		"nor later":                  {errStore, patientAttempts, errStore.Error()},
		"a command is turned away":   {chat.Tell("Not here."), 1, "Not here."},
		"the one who is let in asks": {nil, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			door := &doorPlatform{platform: f.platform, admit: c.admit}
			f.adapter, f.attempt = door, c.attempt
			p := f.start()
			m := asked("Hi")
			if strings.HasPrefix(name, "a command") {
				m = asked("/help")
			}
			p.put(m)
			e := p.end()
			if c.want != "" {
				if e.Err != nil || len(door.turned) != 1 || door.turned[0] != m.Text+": "+c.want || len(f.platform.read()) != 0 || p.ends("refused") != "1" {
					t.Errorf("ended with %v, turned away %q, people see %q", e.Err, door.turned, f.platform.texts())
				}
				return
			}
			if len(door.turned) != 0 || (e.Err == nil) != (c.admit == nil) || (f.asked() != "") != (c.admit == nil) {
				t.Errorf("ended with %v, turned away %q, asked %q", e.Err, door.turned, f.asked())
			}
		})
	}
}

// What one had begun to answer in a place that is trusted no more gets its end.
func TestAnAnswerFromWhereTheBotAnswersNoMoreEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	door := &doorPlatform{platform: f.platform}
	f.adapter = door
	f.model = hold(half, nil)
	first := f.start()
	first.put(asked("Hi"))
	f.shows(half)
	first.stop()
	door.admit = chat.Tell("Not here.")
	second := f.start()
	second.closed()
	f.shows(half + "\n\nNot here.")
	if s := f.platform.read()[0]; s.stop != "" || len(door.turned) != 0 {
		t.Errorf("it still shows Stop, or was turned away %q", door.turned)
	}
}

func TestACommandAfterAMentionIsAnsweredInPlace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.model = hold(half, nil)
	p := f.start()
	p.put(asked("Hi"))
	f.shows(half)
	p.put(asked("/model m2"))
	p.end()
	f.shows(half, "This thread uses `lab/m2` now.")
	p.put(asked("/stop"))
	p.end() // the answer's, or the command's
	p.end()
	f.until("all is closed", func() bool { return f.Open(p.in, "memory:1") == 0 })
	shows := f.platform.read()
	if len(shows) != 3 || shows[1].only != "" || shows[2].text != "Stopped." || shows[2].only != "U1" {
		t.Errorf("people see %+v", shows)
	}
}

// During a rolling deploy another replica may be able to answer; in the end a
// message that nobody can answer is dropped, and said so in the log.
func TestAMessageOfAnUnknownPlatformIsLeftToOthersAndThenDropped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(m *chat.Message)
		log    string
	}{
		"no adapter":   {func(m *chat.Message) { m.Place.Platform = "other" }, "no adapter for this platform; the message is dropped"},
		"no responder": {func(m *chat.Message) { m.Notes = map[string]string{"answer": "never"} }, "this message cannot be answered any more; it is dropped"},
	} {
		for _, attempt := range []int{1, maxAttempts - 1, maxAttempts} {
			t.Run(fmt.Sprint(name, " attempt ", attempt), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				f.attempt = attempt
				p := f.start()
				m := asked("Hi")
				c.change(&m)
				if p.Serves(m) {
					t.Error("the process says that it serves it")
				}
				p.put(m)
				e := p.end()
				dropped := attempt == maxAttempts
				if (e.Err == nil) != dropped || strings.Contains(p.log.String(), c.log) != dropped || f.asked() != "" {
					t.Errorf("ended with %v, asked %q", e.Err, f.asked())
				}
			})
		}
	}
}

// Where a person deletes the growing answer, nobody reads the rest.
func TestAnAnswerThatNobodyCanSeeStopsItsModel(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	freed := make(chan error, 1)
	let := make(chan struct{})
	f.model = func(ctx context.Context, r completion.Request) iter.Seq2[completion.Delta, error] {
		return func(yield func(completion.Delta, error) bool) {
			if !yield(completion.Delta{Text: half}, nil) {
				return
			}
			<-let
			if !yield(completion.Delta{Text: rest}, nil) {
				return
			}
			<-ctx.Done()
			freed <- context.Cause(ctx)
			yield(completion.Delta{}, context.Cause(ctx))
		}
	}
	p := f.start()
	p.put(asked("Hi"))
	f.shows(half)
	f.platform.mu.Lock()
	f.platform.shown[0].removed = true
	f.platform.mu.Unlock()
	close(let)
	if err := <-freed; !errors.Is(err, errPointless) {
		t.Errorf("the model was stopped with %v", err)
	}
	p.closed()
	f.shows()
	if f.asked() != "m1" || p.ends("failed") != "1" || f.platform.count("post") != 1 {
		t.Errorf("asked %s, failed %s, %d posts", f.asked(), p.ends("failed"), f.platform.count("post"))
	}
}
