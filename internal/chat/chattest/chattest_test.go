// The suite itself: an adapter in memory keeps every promise, and each way in
// which it can break one is found.

package chattest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/chat"
)

const (
	toyToken = "toy-token-31415926"
	toySize  = 500
)

// flawIn names the one flaw of the adapter of a child process.
const flawIn = "CHATTEST_FLAW"

func TestAnAdapterThatKeepsItsPromises(t *testing.T) {
	flaw := os.Getenv(flawIn)
	h := Harness{Open: func(_ *testing.T, p Ports) Stage { return newToy(flaw, p) }}
	if flaw != "" {
		h.Patience = time.Second
	}
	Run(t, h)
}

// Every flaw fails the promise that it breaks.
func TestEveryBrokenPromiseIsFound(t *testing.T) {
	for flaw, promise := range map[string]string{
		"keeps controls":        "a post grows by edits and ends without controls",
		"one message only":      "a long answer is several messages in order",
		"posts twice":           "a post that is tried again is posted once",
		"forgets its keys":      "a post whose answer was lost is found",
		"only looks":            "a post that was never made is made",
		"takes nothing back":    "a message that is taken back is gone",
		"finds what is not":     "a post that nobody noted is found",
		"finds no files":        "a file is found by its name and taken back",
		"finds the file in use": "a file is found by its name and taken back",
		"edits what is gone":    "a message that people deleted cannot be edited",
		"loses bytes":           "a file arrives whole",
		"cuts":                  "a text that is too long is never cut in silence",
		"measures wrongly":      "a text of the greatest size arrives whole",
		"pings":                 "what a model writes notifies nobody",
		"shows to a stranger":   "a message for one person bothers nobody else",
		"has no keys":           "a question says what, who and where",
		"gives up the question": "a question waits for an inbox that is away",
		"holds up the others":   "a question that can never be stored holds up no other",
		"presses one button":    "a button does its action",
		"withdraws another":     "a question that is deleted is withdrawn",
		"newest first":          "history is in order, bounded, and begins where it should",
		"tells too much":        "history is in order, bounded, and begins where it should",
		"begins anywhere":       "history is in order, bounded, and begins where it should",
		"answers for all":       "a bot that is not here is refused",
		"tells everybody":       "the one who asked can be told elsewhere",
		"runs for ever":         "an adapter ends with its context",
		"leaks in errors":       "no secret is told",
		"leaks in its log":      "no secret is told",
		"leaks in its health":   "no secret is told",
		"says nothing of it":    "health says why a bot is ill",
		"is always well":        "health says why a bot is ill",
		"works after the end":   "a call that began after its context ended does nothing",
		"waits for ever":        "an upload under way ends with its context",
		"thinks for ever":       "a sign of thinking that fails is no error",
		"hides the limit":       "an edit that is too fast says how long to wait",
		"hopes after a refusal": "a post that is refused says so",
		"gives up at once":      "a removal that fails in passing can be repeated",
	} {
		t.Run(flaw, func(t *testing.T) {
			t.Parallel()
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAnAdapterThatKeepsItsPromises$/^"+strings.ReplaceAll(promise, " ", "_")+"$")
			child.Env = append(os.Environ(), flawIn+"="+flaw)
			out, err := child.CombinedOutput()
			if _, failed := errors.AsType[*exec.ExitError](err); !failed || !strings.Contains(string(out), "--- FAIL: TestAnAdapterThatKeepsItsPromises/"+strings.ReplaceAll(promise, " ", "_")) {
				t.Errorf("%q is not found: %v\n%s", promise, err, out)
			}
		})
	}
}

// said is a message of the toy's platform.
type said struct {
	Post
	channel, by, key string
	at               time.Time
	gone             bool
}

// far is the toy's platform.
type far struct {
	mu      sync.Mutex
	all     []*said
	fault   Fault
	revoked bool
}

var _ chat.Remover = (*toyResponder)(nil)

// toy is an adapter and its stage in one.
type toy struct {
	*far
	flaw  string
	ports Ports
	runs  bool
	stuck bool
}

func newToy(flaw string, p Ports) *toy { return &toy{far: &far{}, flaw: flaw, ports: p, runs: true} }

func (y *toy) Adapter() chat.Adapter { return y }
func (y *toy) Another() chat.Adapter { return &toy{far: y.far, flaw: y.flaw, ports: y.ports} }
func (y *toy) Bot() string           { return "helper" }
func (y *toy) Secrets() []string     { return []string{toyToken} }

func (y *toy) add(one said) *said {
	one.ID, one.at = chat.MessageID(fmt.Sprint("m", len(y.all))), time.Unix(int64(len(y.all)), 0).UTC()
	y.all = append(y.all, &one)
	return &one
}

func (y *toy) Ask(p chat.Place, question string) {
	if y.stuck {
		return
	}
	y.mu.Lock()
	one := y.add(said{Post: Post{Text: question}, channel: cmp.Or(p.Channel, "c"), by: "ann"})
	y.mu.Unlock()
	m := y.message(one)
	m.Key, m.Scope, m.Bot, m.Trigger = "toy:"+string(one.ID), "toy:1", "helper", chat.Mention
	if y.flaw == "has no keys" {
		m.Key = "toy"
	}
	for range 5 {
		err := y.ports.Inbox.Put(context.Background(), m)
		y.stuck = y.stuck || errors.Is(err, chat.ErrUnstorable) && y.flaw == "holds up the others"
		if err == nil || y.stuck || y.flaw == "gives up the question" {
			return
		}
	}
}

func (y *toy) Press(p chat.Place, id chat.MessageID, label string) bool {
	press := chat.Press{Action: "model", Args: "lab/b", Scope: "toy:1", Bot: "helper", Place: y.message(y.find(id)).Place, Author: chat.Author{ID: "ann"}}
	if label == "Stop it" && y.flaw != "presses one button" {
		press.Action, press.Args = chat.ActionStop, "turn-7"
	}
	_, _ = y.ports.Desk.Press(context.Background(), press)
	return true
}

func (y *toy) Withdraw(m chat.Message) bool {
	if y.flaw == "withdraws another" {
		m.Key = "toy:m9"
	}
	_ = y.ports.Desk.Withdraw(context.Background(), m)
	return true
}

func (y *toy) message(one *said) chat.Message {
	return chat.Message{
		ID: one.ID, Place: chat.Place{Platform: "toy", Channel: one.channel}, Author: chat.Author{ID: one.by, Name: one.by},
		Text: one.Text, At: one.at, FromBot: one.by == "helper",
	}
}

func (y *toy) Say(p chat.Place, text string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.add(said{Post: Post{Text: text}, channel: p.Channel, by: "bob"})
}

func (y *toy) Posts(p chat.Place) (out []Post) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, one := range y.all {
		if one.channel == p.Channel && one.by == "helper" && !one.gone {
			out = append(out, one.Post)
		}
	}
	return out
}

func (y *toy) Delete(_ chat.Place, id chat.MessageID) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.find(id).gone = true
}

func (y *toy) find(id chat.MessageID) *said {
	return y.all[slices.IndexFunc(y.all, func(one *said) bool { return one.ID == id })]
}

func (y *toy) Fail(f Fault) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.fault = f; f == Revoked {
		y.fault, y.revoked = 0, true
	}
	return true
}

// call is a call to the platform, as it ends.
func (y *toy) call(ctx context.Context, write func() error) error {
	if y.flaw == "works after the end" {
		ctx = context.WithoutCancel(ctx)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	f := y.fault
	y.fault = 0
	if y.revoked {
		f = Refused
	}
	switch f {
	case Limited:
		if y.flaw == "hides the limit" {
			return errors.New("too fast")
		}
		return &chat.RateLimited{After: time.Second}
	case Refused:
		if y.flaw == "hopes after a refusal" {
			return errors.New("no")
		}
		return &chat.Refusal{Reason: chat.NoAccess, Err: errors.New("no")}
	case Telltale:
		if y.flaw == "leaks in its log" {
			y.ports.Log.InfoContext(ctx, "refused", "token", toyToken)
		}
		if y.flaw == "leaks in errors" {
			return &chat.Refusal{Reason: chat.NoAccess, Err: errors.New(toyToken + " is refused")}
		}
		return &chat.Refusal{Reason: chat.NoAccess, Err: errors.New("the token is refused")}
	case Down:
		if y.flaw == "gives up at once" {
			return &chat.Refusal{Reason: chat.Invalid, Err: errors.New("down")}
		}
		return errors.New("down")
	case Hangs:
		if y.flaw == "waits for ever" {
			select {}
		}
		<-ctx.Done()
		return ctx.Err()
	}
	err := write()
	if f == Lost {
		return errors.New("the connection broke")
	}
	return err
}

func (y *toy) Platform() chat.Platform { return chat.Platform{Name: "toy"} }
func (y *toy) Handler() http.Handler   { return nil }

func (y *toy) Run(ctx context.Context) error {
	if y.flaw != "runs for ever" {
		<-ctx.Done()
		return nil
	}
	select {}
}

func (y *toy) Member(context.Context, string, chat.Place, chat.Author) (chat.Member, error) {
	return chat.Member{}, nil
}

func (y *toy) Health() []chat.Health {
	y.mu.Lock()
	defer y.mu.Unlock()
	h := chat.Health{Bot: "helper", Platform: "toy", OK: !y.revoked || y.flaw == "is always well"}
	switch {
	case h.OK, y.flaw == "says nothing of it":
	case y.flaw == "leaks in its health":
		h.Reason = toyToken + " is refused"
	default:
		h.Reason = "the token is refused"
	}
	return []chat.Health{h}
}

func (y *toy) History(ctx context.Context, m chat.Message, after chat.MessageID, n int) (out []chat.Message, err error) {
	if m.Bot != "helper" {
		return nil, errors.New("no such bot")
	}
	err = y.call(ctx, func() error {
		for _, one := range y.all {
			if one.channel == m.Place.Channel && one.at.Before(m.At) && !one.gone {
				out = append(out, y.message(one))
			}
			if one.ID == after && y.flaw != "begins anywhere" {
				out = nil
			}
		}
		return nil
	})
	if y.flaw != "tells too much" {
		out = out[max(0, len(out)-n):]
	}
	if y.flaw == "newest first" {
		slices.Reverse(out)
	}
	return out, err
}

func (y *toy) Responder(m chat.Message) (chat.Responder, error) {
	if m.Bot != "helper" && y.flaw != "answers for all" {
		return nil, errors.New("no such bot")
	}
	return &toyResponder{y, m}, nil
}

type toyResponder struct {
	*toy
	m chat.Message
}

// fill is a message as the platform shows it.
func (r *toyResponder) fill(one *said, c chat.Content) error {
	if len(c.Markdown) > toySize {
		if r.flaw != "cuts" {
			return &chat.Refusal{Reason: chat.TooLong, Err: errors.New("too long")}
		}
		c.Markdown = c.Markdown[:toySize]
	}
	one.Text = c.Markdown
	if r.flaw != "keeps controls" {
		one.Controls = nil
	}
	if c.Stop != "" {
		one.Controls = append(one.Controls, "Stop")
	}
	for _, b := range c.Buttons {
		one.Controls = append(one.Controls, b.Label)
	}
	if one.Only = c.Only; c.Only != "" && r.flaw == "shows to a stranger" {
		one.Only = "bob"
	}
	if strings.Contains(c.Markdown, "@") && r.flaw == "pings" {
		one.Pings = []string{"everyone"}
	}
	return nil
}

func (r *toyResponder) Post(ctx context.Context, c chat.Content) (got chat.Receipt, err error) {
	err = r.call(ctx, func() error {
		for _, one := range r.all {
			same := one.key == string(r.m.ID)+c.Key || one.by == "helper" && r.flaw == "one message only"
			if same && r.flaw != "posts twice" && (r.runs || r.flaw != "forgets its keys") {
				got.ID = one.ID
				return nil
			}
		}
		if c.Again && r.flaw == "only looks" {
			return nil
		}
		one := said{channel: r.m.Place.Channel, by: "helper", key: string(r.m.ID) + c.Key}
		if err := r.fill(&one, c); err != nil {
			return err
		}
		got.ID = r.add(one).ID
		return nil
	})
	return got, err
}

func (r *toyResponder) Edit(ctx context.Context, id chat.MessageID, c chat.Content) (chat.Receipt, error) {
	return chat.Receipt{ID: id}, r.call(ctx, func() error {
		one := r.find(id)
		if one.gone && r.flaw != "edits what is gone" {
			return &chat.Refusal{Reason: chat.Gone, Err: errors.New("gone")}
		}
		return r.fill(one, c)
	})
}

func (r *toyResponder) Remove(ctx context.Context, id chat.MessageID) (chat.Receipt, error) {
	return chat.Receipt{ID: id}, r.call(ctx, func() error {
		r.find(id).gone = r.flaw != "takes nothing back"
		return nil
	})
}

func (r *toyResponder) Find(ctx context.Context, s chat.Sought) (id chat.MessageID, err error) {
	err = r.call(ctx, func() error {
		for _, one := range r.all {
			if one.ID == s.Not && r.flaw != "finds the file in use" {
				continue
			}
			if !one.gone && (one.key == string(r.m.ID)+s.Key || s.File != "" && one.File == s.File && r.flaw != "finds no files") || r.flaw == "finds what is not" {
				id = one.ID
			}
		}
		return nil
	})
	return id, err
}

func (r *toyResponder) Upload(ctx context.Context, name string, data []byte, comment string) (got chat.Receipt, err error) {
	err = r.call(ctx, func() error {
		if r.flaw == "loses bytes" {
			data = data[1:]
		}
		one := said{channel: r.m.Place.Channel, by: "helper", Post: Post{File: name, Data: data}}
		if err := r.fill(&one, chat.Content{Markdown: comment}); err != nil {
			return err
		}
		got.ID = r.add(one).ID
		return nil
	})
	return got, err
}

func (r *toyResponder) Thinking(ctx context.Context) {
	if r.flaw == "thinks for ever" {
		select {}
	}
	<-ctx.Done()
}

func (r *toyResponder) Limits() chat.Limits {
	l := chat.Limits{Size: toySize, Measure: func(s string) int { return len(s) }}
	if r.flaw == "measures wrongly" {
		l.Measure = func(s string) int { return len(s) / 2 }
	}
	return l
}

func (r *toyResponder) TellElsewhere(ctx context.Context, text string) error {
	return r.call(ctx, func() error {
		if r.flaw == "tells everybody" {
			r.add(said{channel: r.m.Place.Channel, by: "helper", Post: Post{Text: text}})
		}
		return nil
	})
}
