// Whole turns: what people see, what is kept, what is counted.

package relay

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/completion"
)

const (
	half = "The first half of a long answer."
	rest = " And the second."
)

func TestAQuestionIsAnsweredKeptAndCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.model = func(context.Context, completion.Request) iter.Seq2[completion.Delta, error] {
		return reply{deltas: []completion.Delta{{Text: "Hel"}, {Text: "lo."}, {Finish: "stop", Usage: &completion.Usage{PromptTokens: 70, CompletionTokens: 2}}}}.wire()
	}
	p := w.start()
	p.put(asked("Hi"))
	p.closed()
	w.shows("Hello.")
	if s := w.room.read()[0]; s.stop != "" || s.only != "" {
		t.Errorf("it still shows Stop, or not to all: %+v", s)
	}
	kept := w.transcript(p)
	if len(kept) != 1 || kept[0].Question != "Hi" || kept[0].Answer != "Hello." || kept[0].ID != "id of Hi" || kept[0].Author.ID != "U1" || kept[0].Bot != "helper" || len(kept[0].Posted) != 1 || kept[0].Posted[0] != "m0" {
		t.Errorf("kept %+v", kept)
	}
	if answers, in, out := w.used(p, "m1"); answers != 1 || in != 70 || out != 2 {
		t.Errorf("counted %d answers, %d and %d tokens", answers, in, out)
	}
	if p.ends("answered") != "1" {
		t.Error("no turn was counted as answered")
	}
	p.put(asked("And?"))
	p.closed()
	last := w.requests[len(w.requests)-1]
	if len(last.Messages) != 4 || last.Messages[0].Text() != "Be brief." || last.Messages[2].Text() != "Hello." {
		t.Errorf("the second question came with %+v", last.Messages)
	}
}

func TestTheFallbackAnswersAndIsCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.model = func(_ context.Context, r completion.Request) iter.Seq2[completion.Delta, error] {
		if r.Model == "m1" { // what it counted before it failed is not the answer's
			return reply{deltas: []completion.Delta{{Usage: &completion.Usage{PromptTokens: 7000}}}, err: errAway}.wire()
		}
		return words("From the second.").wire()
	}
	p := w.start()
	p.put(asked("Hi"))
	p.closed()
	w.shows("From the second.")
	if w.asked() != "m1 m2" {
		t.Errorf("asked %s", w.asked())
	}
	first, _, _ := w.used(p, "m1")
	answers, in, _ := w.used(p, "m2")
	if first != 0 || answers != 1 || in == 0 || in >= 7000 {
		t.Errorf("counted %d answers of m1, %d of m2 with %d tokens", first, answers, in)
	}
}

func TestAModelThatFailsIsSaidBelowWhatItWrote(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.model = func(context.Context, completion.Request) iter.Seq2[completion.Delta, error] {
		return words(half).then(&completion.Error{Kind: completion.KindTruncated, Provider: "lab", Model: "m1"}).wire()
	}
	p := w.start()
	p.put(asked("Hi"))
	p.closed()
	got := strings.Join(w.room.texts(), "|")
	if !strings.HasPrefix(got, half+"\n\n") || !strings.Contains(got, "lab/m1") || !strings.Contains(got, "(ref-") {
		t.Errorf("the room shows %q", got)
	}
	if kept := w.transcript(p); len(kept) != 1 || kept[0].Answer != half {
		t.Errorf("kept %+v: the error is no part of the answer", kept)
	}
	if p.ends("failed") != "1" || w.asked() != "m1" {
		t.Errorf("failed %s, asked %s", p.ends("failed"), w.asked())
	}
}

func TestALongConversationIsAskedAgainWithLess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.model = func(_ context.Context, r completion.Request) iter.Seq2[completion.Delta, error] {
		if len(r.Messages) > 2 {
			return reply{err: &completion.Error{Kind: completion.KindContext}}.wire()
		}
		return words("Short.").wire()
	}
	p := w.start()
	p.put(asked("First"))
	p.closed()
	p.put(asked("Second"))
	p.closed()
	w.shows("Short.", "Short.")
	if w.asked() != "m1 m1 m1" || !strings.Contains(p.log.String(), "prompt too long") {
		t.Errorf("asked %s", w.asked())
	}
}

// Reasoning that only its end shows was posted by then: it is edited away, and is
// in no transcript.
func TestWhatIsTakenBackIsNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	let := make(chan struct{})
	w.model = func(ctx context.Context, r completion.Request) iter.Seq2[completion.Delta, error] {
		return func(yield func(completion.Delta, error) bool) {
			for d, err := range hold("The person wants me to say hello.", let)(ctx, r) {
				if !yield(d, err) {
					return
				}
			}
			yield(completion.Delta{Retract: true, Text: "Hello."}, nil)
		}
	}
	p := w.start()
	p.put(asked("Hi"))
	w.shows("The person wants me to say hello.")
	close(let)
	p.closed()
	w.shows("Hello.")
	if kept := w.transcript(p); len(kept) != 1 || kept[0].Answer != "Hello." {
		t.Errorf("kept %+v", kept)
	}
}

func TestTheNumberInTheQueueIsSaidOnceAndRemovedWhenTheAnswerBegins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	begin, end := make(chan struct{}), make(chan struct{})
	w.model = func(ctx context.Context, r completion.Request) iter.Seq2[completion.Delta, error] {
		r.Queued(2)
		r.Queued(1)
		<-begin
		return hold(half, end, rest)(ctx, r)
	}
	p := w.start()
	p.put(asked("Hi"))
	w.shows("lab is busy: your question is number 2 in its queue.")
	if s := w.room.read()[0]; s.only != "U1" {
		t.Errorf("it is for %q", s.only)
	}
	close(begin)
	w.shows(half)
	close(end)
	p.closed()
	w.shows(half + rest)
}

func TestTheNumberInTheQueueIsRemovedWhenNothingIsAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.model = func(_ context.Context, r completion.Request) iter.Seq2[completion.Delta, error] {
		r.Queued(2)
		return reply{err: errAway}.wire()
	}
	p := w.start()
	p.put(asked("Hi"))
	p.closed()
	if got := w.room.texts(); len(got) != 1 || strings.Contains(got[0], "queue") || w.asked() != "m1 m2" {
		t.Errorf("the room shows %q, asked %s", got, w.asked())
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
			w := newWorld(t)
			w.bot.Access = c.access
			p := w.start()
			p.put(asked("Hi"))
			p.closed()
			shows := w.room.read()
			if len(shows) != 1 || !strings.Contains(shows[0].text, c.says) || shows[0].only != "U1" {
				t.Errorf("the room shows %+v", shows)
			}
			if w.asked() != "" || w.room.count("history") != 0 || len(w.transcript(p)) != 0 {
				t.Errorf("asked %q, %d histories read", w.asked(), w.room.count("history"))
			}
			if answers, _, _ := w.used(p, "m1"); answers != 0 || p.ends("refused") != "1" {
				t.Errorf("%d answers counted, refused %s", answers, p.ends("refused"))
			}
		})
	}
}

func TestAFallbackThatOneMayNotUseIsNotAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bot.Access.Models = []bots.ModelRule{{Match: "lab/m2", Users: []string{"U9"}}}
	w.model = func(context.Context, completion.Request) iter.Seq2[completion.Delta, error] {
		return reply{err: errAway}.wire()
	}
	p := w.start()
	p.put(asked("Hi"))
	p.closed()
	if w.asked() != "m1" || len(w.bot.Fallbacks) != 1 {
		t.Errorf("asked %s; the bot's fallbacks are %v now", w.asked(), w.bot.Fallbacks)
	}
}

// People talk in a thread the bot takes part in: who may not use it asked nothing.
func TestWhoMayNotIsNotToldInAThreadThatGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bot.Access.Users = []string{"U9"}
	p := w.start()
	m := asked("Hi")
	m.Trigger, m.Joined = chat.Thread, true
	p.put(m)
	p.closed()
	w.shows()
	if w.asked() != "" {
		t.Errorf("asked %s", w.asked())
	}
}

func TestWhoMayNotIsNotToldForEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bot.Access.Users = []string{"U9"}
	p := w.start()
	for i := range refusalBurst + 3 {
		p.put(asked(strings.Repeat("?", i+1)))
		p.closed()
	}
	if n := len(w.room.read()); n != refusalBurst {
		t.Errorf("told %d times", n)
	}
}

func TestAQuestionThatCannotBeAnsweredIsDeclinedInASentence(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(w *world, m *chat.Message)
		says   string
		fails  string // turns counted as failed
	}{
		"no provider": {func(w *world, _ *chat.Message) { w.bot.Provider, w.bot.Fallbacks = "gone", nil }, "The provider of gone/m1 is not set up: add it with /provider add, or switch with /model. (ref-", "1"},
		"no question": {func(_ *world, m *chat.Message) { m.Text = "" }, "Helper is here. Write your question after the mention; /help shows what else I can do.", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			m := asked("Hi")
			c.change(w, &m)
			p := w.start()
			p.put(m)
			p.closed()
			shows := w.room.read()
			if len(shows) != 1 || !strings.HasPrefix(shows[0].text, c.says) || shows[0].only != "" {
				t.Errorf("the room shows %+v", shows)
			}
			if w.asked() != "" || p.ends("failed") != c.fails {
				t.Errorf("asked %q, failed %q", w.asked(), p.ends("failed"))
			}
		})
	}
}

func TestAModelWhoseProviderIsGoneIsPassedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bot.Provider = "gone"
	p := w.start()
	p.put(asked("Hi"))
	p.closed()
	w.shows("Hello.")
	if w.asked() != "m2" {
		t.Errorf("asked %s", w.asked())
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
			w := newWorld(t)
			w.attempt = c.attempt
			w.bot.Access.Groups = []string{"S1"}
			w.room.member = func(chat.Author) (chat.Member, error) { return chat.Member{}, c.err }
			p := w.start()
			p.put(asked("Hi"))
			e := p.end()
			shows := w.room.read()
			if (e.Err == nil) != c.told || (len(shows) == 1) != c.told || w.asked() != "" {
				t.Fatalf("ended with %v, the room shows %+v, asked %q", e.Err, shows, w.asked())
			}
			if c.told && (shows[0].only != "U1" || !strings.HasPrefix(shows[0].text, "I could not look up your groups") || p.ends("failed") != "1") {
				t.Errorf("the room shows %+v, failed %q", shows, p.ends("failed"))
			}
		})
	}
}

// doorRoom is a room with somebody at the door.
type doorRoom struct {
	*room
	admit  error
	turned []string
}

func (g *doorRoom) Admit(context.Context, chat.Message) error { return g.admit }

func (g *doorRoom) TurnAway(_ context.Context, m chat.Message, cause error) {
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
			w := newWorld(t)
			door := &doorRoom{room: w.room, admit: c.admit}
			w.adapter, w.attempt = door, c.attempt
			p := w.start()
			m := asked("Hi")
			if strings.HasPrefix(name, "a command") {
				m = asked("/help")
			}
			p.put(m)
			e := p.end()
			if c.want != "" {
				if e.Err != nil || len(door.turned) != 1 || door.turned[0] != m.Text+": "+c.want || len(w.room.read()) != 0 || p.ends("refused") != "1" {
					t.Errorf("ended with %v, turned away %q, the room shows %q", e.Err, door.turned, w.room.texts())
				}
				return
			}
			if len(door.turned) != 0 || (e.Err == nil) != (c.admit == nil) || (w.asked() != "") != (c.admit == nil) {
				t.Errorf("ended with %v, turned away %q, asked %q", e.Err, door.turned, w.asked())
			}
		})
	}
}

// What one had begun to answer in a place that is trusted no more gets its end.
func TestAnAnswerFromWhereTheBotAnswersNoMoreEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	door := &doorRoom{room: w.room}
	w.adapter = door
	w.model = hold(half, nil)
	first := w.start()
	first.put(asked("Hi"))
	w.shows(half)
	first.stop()
	door.admit = chat.Tell("Not here.")
	second := w.start()
	second.closed()
	w.shows(half + "\n\nNot here.")
	if s := w.room.read()[0]; s.stop != "" || len(door.turned) != 0 {
		t.Errorf("it still shows Stop, or was turned away %q", door.turned)
	}
}

func TestACommandAfterAMentionIsAnsweredInPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.model = hold(half, nil)
	p := w.start()
	p.put(asked("Hi"))
	w.shows(half)
	p.put(asked("/model m2"))
	p.end()
	w.shows(half, "This thread uses `lab/m2` now.")
	p.put(asked("/stop"))
	p.end() // the answer's, or the command's
	p.end()
	w.until("all is closed", func() bool { return w.Open(p.in, "room:1") == 0 })
	shows := w.room.read()
	if len(shows) != 3 || shows[1].only != "" || shows[2].text != "Stopped." || shows[2].only != "U1" {
		t.Errorf("the room shows %+v", shows)
	}
}
