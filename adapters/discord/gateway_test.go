package discord

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/bots"
	"parley/internal/chat"
	fake "parley/internal/fake/discord"
)

// resumes waits until the nth connection has resumed a session.
func (s *stage) resumes(n int) fake.Connection {
	s.t.Helper()
	s.until("the session is resumed", func() bool {
		c := s.Connections()
		return len(c) >= n && c[n-1].Resumed != nil
	})
	return s.Connections()[n-1]
}

func (s *stage) closed(n int) fake.Connection {
	s.t.Helper()
	s.until("the old connection is closed", func() bool { return !s.Connections()[n-1].Closed.IsZero() })
	return s.Connections()[n-1]
}

func TestTheBotIdentifiesForWhatItNeeds(t *testing.T) {
	t.Parallel()
	s := open(t, fake.Options{}, nil, nil)
	c := s.Connections()[0]
	// GUILDS, GUILD_MESSAGES, DIRECT_MESSAGES, MESSAGE_CONTENT
	if got, want := c.Identify["intents"], float64(1<<0|1<<9|1<<12|1<<15); got != want {
		t.Errorf("intents %v, want %v", got, want)
	}
	if c.Query != "encoding=json&v=10" {
		t.Errorf("query %q", c.Query)
	}
	if shard, sent := c.Identify["shard"]; sent {
		t.Errorf("the only shard identifies as %v", shard)
	}
	s.RequestHeartbeat("")
	s.until("the wanted heartbeat", func() bool { return s.Connections()[0].Beats > 0 })
}

func TestABrokenConnectionIsResumedWithoutLoss(t *testing.T) {
	t.Parallel()
	for name, breakIt := range map[string]func(*stage){
		"dropped":         func(s *stage) { s.Drop("") },
		"opcode 7":        func(s *stage) { s.Reconnect("") },
		"close code 4000": func(s *stage) { s.Disconnect("", 4000) },
		"resumable op 9":  func(s *stage) { s.Invalidate("", true) },
		"going away":      func(s *stage) { s.Disconnect("", 1001) },
		"server error":    func(s *stage) { s.Disconnect("", 1011) },
		"service restart": func(s *stage) { s.Disconnect("", 1012) },
		"close code 4001": func(s *stage) { s.Disconnect("", 4001) },
		"close code 4002": func(s *stage) { s.Disconnect("", 4002) },
		"close code 4005": func(s *stage) { s.Disconnect("", 4005) },
		"close code 4008": func(s *stage) { s.Disconnect("", 4008) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, fake.Options{}, nil, nil)
			s.Mention("general", "ann", "before")
			s.inbox.wait(t, 1)
			broken := time.Now()
			breakIt(s)
			s.closed(1)
			s.Mention("general", "ann", "meanwhile")
			c := s.resumes(2)
			if !c.Resume || c.Query != "encoding=json&v=10" || c.Identify != nil {
				t.Errorf("came back by %+v, want the resume address and no IDENTIFY", c)
			}
			if wait := c.Opened.Sub(broken); name == "resumable op 9" && wait < time.Second {
				t.Errorf("came back after %s, want 1 to 5 s", wait)
			}
			s.connected()
			s.Mention("general", "ann", "after")
			got := s.inbox.wait(t, 3)
			for n, want := range []string{"before", "meanwhile", "after"} {
				if got[n].Text != want {
					t.Errorf("message %d is %q, want %q", n, got[n].Text, want)
				}
			}
			if code := s.Connections()[0].CloseCode; code == 1000 || code == 1001 {
				t.Errorf("closed with %d, which ends the session", code)
			}
		})
	}
}

func TestAnEndedSessionBeginsAnewAfterAPause(t *testing.T) {
	t.Parallel()
	if usualTiming.identify < 5*time.Second {
		t.Errorf("IDENTIFYs come %s apart, max_concurrency wants 5 s", usualTiming.identify)
	}
	for name, end := range map[string]func(*stage){
		"op 9": func(s *stage) { s.Invalidate("", false) },
		"1000": func(s *stage) { s.Disconnect("", 1000) },
		"4003": func(s *stage) { s.Disconnect("", 4003) },
		"4007": func(s *stage) { s.Disconnect("", 4007) },
		"4009": func(s *stage) { s.Disconnect("", 4009) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := prepare(t, fake.Options{Identify: fake.IdentifyLimits{Window: window}}, nil)
			s.adapter.apps[0].timing.identify = 2 * window // room for a busy machine
			s.run(nil)
			s.connected()
			ended := time.Now()
			end(s)
			s.until("a second IDENTIFY", func() bool { c := s.Connections(); return len(c) == 2 && c[1].Identify != nil })
			c := s.Connections()[1]
			if c.Resume {
				t.Error("the new session began at the resume address")
			}
			if wait := c.Opened.Sub(ended); name == "op 9" && wait < time.Second {
				t.Errorf("a new connection after %s, want 1 to 5 s", wait)
			}
			if gap := c.Opened.Sub(s.Connections()[0].Opened); gap < window {
				t.Errorf("IDENTIFYs %s apart, max_concurrency wants %s", gap, window)
			}
			s.connected()
			s.Mention("general", "ann", "hello")
			s.inbox.wait(t, 1)
			s.clean()
		})
	}
}

func TestASilentConnectionIsNoticedInTime(t *testing.T) {
	t.Parallel()
	// Measured in heartbeats, which a busy machine slows down too.
	const interval, ack = 300 * time.Millisecond, 3 * time.Second
	if usualTiming.ack > 5*time.Second {
		t.Errorf("silence is noticed after %s, want within 5 s", usualTiming.ack)
	}
	s := prepare(t, fake.Options{Heartbeat: interval}, nil)
	s.adapter.apps[0].timing.ack = ack
	s.run(nil)
	s.connected()
	s.until("a heartbeat", func() bool { return s.Connections()[0].Beats > 0 })
	s.Zombie("")
	before := s.Connections()[0].Beats
	s.Mention("general", "ann", "does anyone hear me?")
	c := s.resumes(2)
	if beats := s.Connections()[0].Beats - before; !c.Resume || beats > int(ack/interval)+2 {
		t.Errorf("noticed after %d heartbeats, want those of %s", beats, ack)
	}
	if code := s.closed(1).CloseCode; code == 1000 || code == 1001 {
		t.Errorf("closed with %d, which ends the session", code)
	}
	if got := s.inbox.wait(t, 1); got[0].Text != "does anyone hear me?" {
		t.Errorf("came: %+v", got)
	}
}

func TestAFatalCloseEndsThatBotAlone(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]string{4004: "token", 4010: "close code 4010", 4011: "sharding", 4012: "close code 4012", 4013: "close code 4013", 4014: "Message Content Intent"} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			two := &stage{Server: startFakeWith(t, "Helper", "Other"), inbox: newInbox(), t: t}
			var err error
			two.adapter, err = New(Options{Records: shared(), Bots: []bots.Bot{helper(two.Token()), {ID: "other", Sections: inDiscord(two.App("Other").Token)}}, APIURL: two.APIURL(), Log: logger(t)})
			if err != nil {
				t.Fatal(err)
			}
			two.run(nil)
			two.connected()
			before := len(two.Connections())
			two.Disconnect("Helper", code)
			two.eventually("the bot is down for good", func() bool {
				h := two.adapter.Health()
				return !h[0].OK && strings.Contains(h[0].Reason, want)
			})
			two.Say("general", "ann", "@Other are you there?")
			if got := two.inbox.wait(t, 1); got[0].Bot != "other" {
				t.Errorf("came: %+v", got)
			}
			if h := two.adapter.Health(); h[0].Bot != "helper" || h[1].Bot != "other" || !h[1].OK {
				t.Errorf("health %+v", h)
			}
			if after := len(two.Connections()); after != before {
				t.Errorf("%d more connections after a fatal close", after-before)
			}
		})
	}
}

func startFakeWith(t *testing.T, names ...string) *fake.Server {
	var o fake.Options
	for _, name := range names {
		o.Apps = append(o.Apps, fake.AppOptions{Name: name})
	}
	return startFake(t, o)
}

func TestWhatIsSwitchedOffAtDiscordIsSaid(t *testing.T) {
	t.Parallel()
	s := prepare(t, fake.Options{Apps: []fake.AppOptions{{Name: "Helper", NoMessageContent: true}}}, nil)
	s.run(nil)
	s.eventually("the reason", func() bool {
		return strings.Contains(s.adapter.Health()[0].Reason, "Message Content Intent")
	})
	wrong := prepare(t, fake.Options{}, func(o *Options) { o.Bots = []bots.Bot{helper("MTIzNDU2Nzg5.bad.token")} })
	wrong.run(nil)
	wrong.eventually("the reason", func() bool { return strings.Contains(wrong.adapter.Health()[0].Reason, "token") })
	if n := wrong.Count("GET", "/gateway/bot", 401); n != 1 {
		t.Errorf("a refused token was tried %d times", n)
	}
}

func TestAMessageSurvivesFieldsNobodyKnows(t *testing.T) {
	t.Parallel()
	s := open(t, fake.Options{}, nil, nil)
	s.Inject("general", "ann", "@Helper what now?", func(m map[string]any) {
		m["components"] = []any{map[string]any{"type": 18, "label": "x", "component": map[string]any{"type": 99}}, map[string]any{"type": 77}}
		m["new_field"] = map[string]any{"a": []int{1}}
		m["poll"] = 17
	})
	s.Inject("general", "ann", "@Helper broken", func(m map[string]any) { m["author"] = "a string" })
	s.Inject("general", "ann", "@Helper no author", func(m map[string]any) { m["author"] = nil })
	s.Mention("general", "ann", "and this?")
	got := s.inbox.wait(t, 2)
	if got[0].Text != "what now?" || got[1].Text != "and this?" {
		t.Errorf("came: %+v", got)
	}
}

func TestAStoreThatFailsLosesNothing(t *testing.T) {
	t.Parallel()
	s := prepare(t, fake.Options{}, nil)
	s.inbox.fail = 5
	s.run(nil)
	s.connected()
	for n := range 20 {
		s.Mention("general", "ann", fmt.Sprint(n))
	}
	for n, m := range s.inbox.wait(t, 20) {
		if m.Text != fmt.Sprint(n) {
			t.Fatalf("message %d is %q: the order of the channel is lost", n, m.Text)
		}
	}
}

func TestManyMessagesOverManyBreaks(t *testing.T) {
	t.Parallel()
	s := open(t, fake.Options{}, nil, nil)
	const channels, each = 5, 100
	var talkers sync.WaitGroup
	for c := range channels {
		talkers.Go(func() {
			for n := range each {
				s.Mention(fmt.Sprintf("channel-%d", c), "ann", fmt.Sprint(n))
				if c == 0 && n%25 == 10 {
					s.Drop("")
					s.until("it is back", func() bool { return s.Connected() == 1 })
				}
			}
		})
	}
	talkers.Wait()
	next := map[string]int{}
	for _, m := range s.inbox.wait(t, channels*each) {
		if m.Text != fmt.Sprint(next[m.Place.Channel]) {
			t.Fatalf("%s: %q, want %d", m.Place.Channel, m.Text, next[m.Place.Channel])
		}
		next[m.Place.Channel]++
	}
}

// shelf keeps sessions as a store would; dead, it no longer hears of them, as
// from a process that was killed.
type shelf struct {
	mu    sync.Mutex
	state []byte
	saves int
	dead  bool
}

func (s *shelf) Save(_ context.Context, _ string, state []byte, _ time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.dead {
		s.state = bytes.Clone(state)
		s.saves++
	}
	return nil
}

func (s *shelf) Take(context.Context, string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.state
	s.state = nil
	return state, nil
}

func TestARestartHearsWhatWasSaidMeanwhile(t *testing.T) {
	t.Parallel()
	for name, token := range map[string]string{"usual token": "", "token of another form": "opaque-token"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			restart(t, token)
		})
	}
}

func TestASessionIsResumedWithItsOwnTokenOnly(t *testing.T) {
	t.Parallel()
	kept := &shelf{}
	s := prepare(t, fake.Options{Apps: []fake.AppOptions{{Name: "Helper"}, {Name: "Other"}}}, func(o *Options) { o.Sessions = kept })
	stop := s.run(nil)
	s.connected()
	stop()
	s.closed(1)
	if token := s.App("").Token; bytes.Contains(kept.state, []byte(token)) {
		t.Error("the token is kept")
	}
	s.adapter.apps[0].bots = []bots.Bot{helper(s.App("Other").Token)}
	s.restarted(kept, func(*app) {})
	s.connected()
	if c := s.Connections(); len(c) != 2 || c[1].Resumed != nil || c[1].App != "Other" {
		t.Errorf("connections: %+v", c)
	}
}

func restart(t *testing.T, token string) {
	kept := &shelf{}
	s := prepare(t, fake.Options{Apps: []fake.AppOptions{{Name: "Helper", Token: token}}}, func(o *Options) { o.Sessions = kept })
	stop := s.run(nil)
	s.connected()
	s.Mention("general", "ann", "before")
	s.inbox.wait(t, 1)
	stop()
	s.closed(1)
	s.Mention("general", "ann", "meanwhile")
	s.Say("general", "ann", "<@&"+s.RoleID("Helper")+"> by its role")
	s.restarted(kept, func(*app) {})
	got := s.inbox.wait(t, 3)
	if got[1].Text != "meanwhile" || got[2].Text != "by its role" {
		t.Errorf("came: %+v", got)
	}
	if c := s.resumes(2); c.Identify != nil {
		t.Error("the restart began a new session")
	}
}

// restarted is a new process with the same bots.
func (s *stage) restarted(kept Sessions, change func(*app)) {
	s.t.Helper()
	next, err := New(Options{Records: shared(), Bots: s.adapter.apps[0].bots, APIURL: s.APIURL(), Sessions: kept, Log: logger(s.t)})
	if err != nil {
		s.t.Fatal(err)
	}
	s.adapter = next
	change(next.apps[0])
	s.run(nil)
}

func TestAfterAKillNothingIsMissed(t *testing.T) {
	t.Parallel()
	kept := &shelf{}
	quick := func(a *app) { a.timing.save, a.timing.dead = 20*time.Millisecond, 5*time.Second }
	s := prepare(t, fake.Options{Identify: fake.IdentifyLimits{Window: time.Millisecond}}, func(o *Options) { o.Sessions = kept })
	quick(s.adapter.apps[0])
	stop := s.run(nil)
	s.connected()
	s.Mention("general", "ann", "before")
	s.inbox.wait(t, 1)
	s.eventually("the session is saved", func() bool { kept.mu.Lock(); defer kept.mu.Unlock(); return kept.saves > 0 })
	kept.mu.Lock()
	kept.dead = true
	kept.mu.Unlock()
	stop()
	s.closed(1)
	s.Mention("general", "ann", "meanwhile")
	kept.mu.Lock()
	kept.dead = false
	kept.mu.Unlock()
	s.restarted(kept, quick)
	s.connected()
	s.Mention("general", "ann", "after")
	texts := map[string]int{}
	for _, m := range s.inbox.wait(t, 3) {
		texts[m.Text]++
	}
	if texts["before"] != 1 || texts["meanwhile"] != 1 || texts["after"] != 1 {
		t.Errorf("came: %v", texts)
	}
	c := s.resumes(3)
	if c.Identify != nil {
		t.Errorf("the third connection was to fetch the old session, was %+v", c)
	}
	if code := s.closed(3).CloseCode; code != 1000 {
		t.Errorf("the old session was left with %d, want 1000: it is of no use any more", code)
	}
	s.clean()
}

func TestASessionThatLivesIsLeftAlone(t *testing.T) {
	t.Parallel()
	kept := &shelf{}
	quick := func(a *app) { a.timing.save, a.timing.dead = 50*time.Millisecond, 2*time.Second }
	s := prepare(t, fake.Options{Identify: fake.IdentifyLimits{Window: time.Millisecond}}, func(o *Options) { o.Sessions = kept })
	quick(s.adapter.apps[0])
	s.run(nil)
	s.connected()
	s.eventually("the session is saved", func() bool { kept.mu.Lock(); defer kept.mu.Unlock(); return kept.saves > 0 })
	first := s.adapter
	s.restarted(kept, quick)
	s.connected()
	kept.mu.Lock()
	saves := kept.saves
	kept.mu.Unlock()
	s.eventually("both have saved for longer than the dead keep silent", func() bool { kept.mu.Lock(); defer kept.mu.Unlock(); return kept.saves > saves+120 })
	if c := s.Connections(); len(c) != 2 || c[0].CloseCode != 0 || c[1].Resumed != nil {
		t.Errorf("connections: %+v", c)
	}
	if h := first.Health()[0]; !h.OK {
		t.Errorf("the first process: %+v", h)
	}
}

func TestStoppingGoesOfflineAtOnce(t *testing.T) {
	t.Parallel()
	s := prepare(t, fake.Options{}, nil)
	stop := s.run(nil)
	s.connected()
	stop()
	if code := s.closed(1).CloseCode; code != 1000 {
		t.Errorf("closed with %d, want 1000", code)
	}
	if h := s.adapter.Health()[0]; h.OK {
		t.Errorf("health after the stop: %+v", h)
	}
}

// logBook is a log that can be read back.
type logBook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestNoSecretAndNoTextInLogsAndErrors(t *testing.T) {
	t.Parallel()
	var log logBook
	d := &desk{do: func(_ context.Context, c chat.Command) (chat.Reply, error) { panic("panics with " + c.Args) }}
	s := open(t, fake.Options{}, d, func(o *Options) {
		o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	s.until("commands are registered", func() bool { return len(s.Commands("")) > 0 })
	s.inbox.fail = 1
	s.Mention("general", "ann", "the-secret-text")
	m := s.inbox.wait(t, 1)[0]
	r := s.responder(m)
	var told []string
	for _, f := range []fake.Fault{
		{Status: 500, Body: `{"message":"x"}`}, {Status: 502, Body: "<html>"}, {Status: 403, Body: `{"code":50013,"message":"Missing Permissions"}`},
		{Status: 400, Times: 2, Body: `{"code":50035,"message":"Invalid Form Body","errors":{"content":{"_errors":[{"message":"bad"}]}}}`}, {Cut: true}, {Shared: time.Second},
	} {
		f.Method, f.Path = "POST", "/messages"
		s.Fail(f)
		_, err := r.Post(t.Context(), chat.Content{Markdown: "the-secret-text", Key: fmt.Sprint(f)})
		if err == nil {
			t.Fatalf("%+v did no harm", f)
		}
		told = append(told, err.Error())
	}
	i := s.slash("general", "ann", "/model name:the-secret-text")
	s.answer(i)
	all := log.String() + strings.Join(told, "\n")
	for _, secret := range []string{s.Token(), "the-secret-text", i.Token, "Authorization"} {
		if strings.Contains(all, secret) {
			t.Errorf("%q stands in logs or errors:\n%s", secret, all)
		}
	}
}
