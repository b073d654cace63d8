package discord

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/adapters/internal/retry"
	"parley/bots"
	"parley/internal/chat"
	fake "parley/internal/fake/discord"
)

// question opens a stage where ann has asked something.
func question(t *testing.T, o fake.Options) (*stage, chat.Message, chat.Responder) {
	t.Helper()
	s := open(t, o, nil, nil)
	s.Mention("general", "ann", "question")
	m := s.inbox.wait(t, 1)[0]
	return s, m, s.responder(m)
}

func must(t *testing.T) func(chat.Receipt, error) string {
	t.Helper()
	return func(r chat.Receipt, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return string(r.ID)
	}
}

func TestAPostIsMadeOnce(t *testing.T) {
	t.Parallel()
	s, m, r := question(t, fake.Options{})
	s.Fail(fake.Fault{Method: "POST", Path: "/messages", Cut: true})
	if _, err := r.Post(t.Context(), chat.Content{Markdown: "hello", Key: "turn-0"}); err == nil {
		t.Fatal("the lost answer went unnoticed")
	}
	id := must(t)(r.Post(t.Context(), chat.Content{Markdown: "hello", Key: "turn-0"}))
	if got := s.Replies(string(m.ID)); len(got) != 1 || got[0].ID != id || len(got[0].Nonce) > 25 {
		t.Errorf("people see %+v", got)
	}
	must(t)(r.Post(t.Context(), chat.Content{Markdown: "more", Key: "turn-1"}))
	if got := s.Replies(string(m.ID)); len(got) != 2 {
		t.Errorf("the second part makes %d messages", len(got))
	}
	s.clean()
}

func TestAPostOfAnEarlierProcessIsFoundAgain(t *testing.T) {
	t.Parallel()
	s, m, r := question(t, fake.Options{})
	first := must(t)(r.Post(t.Context(), chat.Content{Markdown: "part one", Key: "turn-0"}))
	second := must(t)(r.Post(t.Context(), chat.Content{Markdown: "part two", Key: "turn-1"}))
	s.Say("general", "bob", "in between")
	for _, id := range []string{first, second} {
		s.Age(id, 10*time.Minute) // Discord has forgotten the nonces
	}
	other, err := New(Options{Records: shared(), Bots: s.adapter.apps[0].bots, APIURL: s.APIURL(), Log: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	again, err := other.Responder(m)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []string{first, second} {
		if got := must(t)(again.Post(t.Context(), chat.Content{Markdown: "anew", Key: fmt.Sprintf("turn-%d", n), Again: true})); got != want {
			t.Errorf("part %d went to message %s, want %s", n, got, want)
		}
	}
	must(t)(again.Post(t.Context(), chat.Content{Markdown: "part three", Key: "turn-2", Again: true}))
	if got := s.Replies(string(m.ID)); len(got) != 3 || got[0].Content != "anew" || got[2].Content != "part three" {
		t.Errorf("people see %+v", got)
	}
	s.clean()
}

func TestPartsOfAnAnswerReplyToEachOther(t *testing.T) {
	t.Parallel()
	s, m, r := question(t, fake.Options{Limits: fake.Limits{Off: true}})
	var ids []string
	var before chat.MessageID
	for n := range 3 {
		ids = append(ids, must(t)(r.Post(t.Context(), chat.Content{Markdown: fmt.Sprint(n), Key: fmt.Sprintf("turn-%d", n), After: before})))
		before = chat.MessageID(ids[n])
	}
	got := s.Replies(string(m.ID))
	if len(got) != 3 || got[0].ReplyTo != string(m.ID) || got[1].ReplyTo != ids[0] || got[2].ReplyTo != ids[1] {
		t.Fatalf("people see %+v", got)
	}
	for n, id := range ids {
		s.Age(id, 10*time.Minute) // Discord has forgotten the nonces
		for _, after := range []chat.MessageID{"", chat.MessageID(got[n].ReplyTo)} {
			if n == 0 {
				after = ""
			}
			found := must(t)(r.Post(t.Context(), chat.Content{Markdown: "anew", Key: fmt.Sprintf("turn-%d", n), After: after, Again: true}))
			if found != id {
				t.Errorf("part %d after %q was found as %s, want %s", n, after, found, id)
			}
		}
	}
	s.clean()
}

func TestAMessageIsTakenBack(t *testing.T) {
	t.Parallel()
	s, m, r := question(t, fake.Options{})
	id := must(t)(r.Post(t.Context(), chat.Content{Markdown: "surplus", Key: "turn-1"}))
	for range 2 { // gone already is no error
		if _, err := r.(chat.Remover).Remove(t.Context(), chat.MessageID(id)); err != nil {
			t.Error(err)
		}
	}
	if got := s.Replies(string(m.ID)); len(got) != 0 {
		t.Errorf("people see %+v", got)
	}
}

// What nobody knows the id of is found without a post: a message by its place in
// the answer, a file by its name.
func TestWhatWasPostedIsFoundWithoutAPost(t *testing.T) {
	t.Parallel()
	s, m, r := question(t, fake.Options{Limits: fake.Limits{Off: true}})
	remover := r.(chat.Remover)
	find := func(sought chat.Sought) string {
		t.Helper()
		id, err := remover.Find(t.Context(), sought)
		if err != nil {
			t.Fatal(err)
		}
		return string(id)
	}
	if got := find(chat.Sought{Key: "turn-0"}); got != "" {
		t.Errorf("found %s before anything was posted", got)
	}
	first := must(t)(r.Post(t.Context(), chat.Content{Markdown: "part one", Key: "turn-0"}))
	file := must(t)(r.Upload(t.Context(), "answer.md", []byte("the rest"), "The rest."))
	second := must(t)(r.Post(t.Context(), chat.Content{Markdown: "part two", Key: "turn-1", After: chat.MessageID(first)}))
	s.Delete(string(m.ID)) // as it is when this is asked
	for _, c := range []struct {
		chat.Sought
		want string
	}{
		{chat.Sought{Key: "turn-0"}, first},
		{chat.Sought{Key: "turn-1", After: chat.MessageID(first)}, second},
		{chat.Sought{Key: "turn-2", File: "answer.md"}, file},
		{chat.Sought{Key: "turn-2", File: "other.md"}, ""},
		{chat.Sought{Key: "turn-2", After: chat.MessageID(second)}, ""},
	} {
		if got := find(c.Sought); got != c.want {
			t.Errorf("%+v was found as %q, want %q", c.Sought, got, c.want)
		}
	}
	for _, id := range []string{first, file, second} {
		must(t)(remover.Remove(t.Context(), chat.MessageID(id)))
	}
	if n := s.Count("POST", "/messages", 0); n != 3 {
		t.Errorf("%d posts, want the three", n)
	}
	if got := s.Messages("general"); len(got) != 0 {
		t.Errorf("people see %+v", got)
	}
	s.clean()
}

func TestDiscordsRefusalsAreToldApart(t *testing.T) {
	t.Parallel()
	s, m, r := question(t, fake.Options{Limits: fake.Limits{Off: true}})
	post := func() string {
		return must(t)(r.Post(t.Context(), chat.Content{Markdown: "hello", Key: time.Now().String()}))
	}
	deleted, old := post(), post()
	s.Delete(deleted)
	s.Age(old, 2*time.Hour)
	edit := func(id, text string) error {
		_, err := r.Edit(t.Context(), chat.MessageID(id), chat.Content{Markdown: text})
		return err
	}
	for name, one := range map[string]struct {
		err  error
		want chat.Reason
	}{
		"deleted":   {edit(deleted, "x"), chat.Gone},
		"old":       {edit(old, "x"), chat.EditClosed},
		"too long":  {edit(post(), strings.Repeat("x", 2001)), chat.TooLong},
		"empty":     {edit(post(), " "), chat.Invalid},
		"another's": {edit(string(m.ID), "x"), chat.NoAccess},
	} {
		if !chat.Refused(one.err, one.want) {
			t.Errorf("%s: %v, want %s", name, one.err, one.want)
		}
	}
	s.Lock("general", true)
	if _, err := r.Post(t.Context(), chat.Content{Markdown: "x", Key: "k"}); !chat.Refused(err, chat.NoAccess) {
		t.Errorf("no access: %v", err)
	}
	s.Lock("general", false)
	id := post()
	for _, status := range []int{500, 502, 503, 504} {
		s.Fail(fake.Fault{Method: "PATCH", Status: status, Body: "<html>upstream</html>"})
		err := edit(id, "x")
		if _, limited := errors.AsType[*chat.RateLimited](err); err == nil || limited || chat.Refused(err) {
			t.Errorf("%d: %v, want an error that may be retried", status, err)
		}
	}
}

func TestLimitsAreHonouredAndTold(t *testing.T) {
	t.Parallel()
	const window = time.Minute // within which all of this happens, also on a busy machine
	s, _, r := question(t, fake.Options{Limits: fake.Limits{Window: window}})
	id := chat.MessageID(must(t)(r.Post(t.Context(), chat.Content{Markdown: "0", Key: "k"})))
	var last chat.Receipt
	for n := range 5 {
		var err error
		if last, err = r.Edit(t.Context(), id, chat.Content{Markdown: fmt.Sprint(n)}); err != nil {
			t.Fatal(err)
		}
	}
	if !last.Rate.Known || last.Rate.Remaining != 0 || last.Rate.Reset <= 0 || last.Rate.Reset > window {
		t.Errorf("rate of the fifth edit: %+v", last.Rate)
	}
	before := s.Count("PATCH", "/messages", 0)
	_, err := r.Edit(t.Context(), id, chat.Content{Markdown: "too much"})
	limited, ok := errors.AsType[*chat.RateLimited](err)
	if !ok || limited.After <= 0 || limited.After > window || limited.Global {
		t.Errorf("the sixth edit: %v", err)
	}
	if after := s.Count("PATCH", "/messages", 0); after != before {
		t.Error("a call was made that was known to be refused")
	}
	// Another channel has a bucket of its own.
	s.Mention("other", "ann", "question")
	if _, err := s.responder(s.inbox.wait(t, 2)[1]).Post(t.Context(), chat.Content{Markdown: "x", Key: "o"}); err != nil {
		t.Error(err)
	}
}

func TestEveryFormOf429(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]struct {
		fault          fake.Fault
		global, shared bool
		after          time.Duration
	}{
		"shared":     {fake.Fault{Shared: 61500 * time.Millisecond}, false, true, 61500 * time.Millisecond},
		"global":     {fake.Fault{Global: 60700 * time.Millisecond}, true, false, 60700 * time.Millisecond},
		"cloudflare": {fake.Fault{Status: 429, Body: "<html>error code: 1015</html>"}, true, false, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _, r := question(t, fake.Options{})
			one.fault.Method, one.fault.Path = "POST", "/messages"
			s.Fail(one.fault)
			_, err := r.Post(t.Context(), chat.Content{Markdown: "x", Key: "k"})
			limited, ok := errors.AsType[*chat.RateLimited](err)
			if !ok || limited.Global != one.global || limited.Shared != one.shared || limited.After != one.after {
				t.Fatalf("%+v (%v)", limited, err)
			}
			before := s.Count("POST", "/messages", 0)
			if _, err = r.Post(t.Context(), chat.Content{Markdown: "x", Key: "k"}); err == nil || s.Count("POST", "/messages", 0) != before {
				t.Errorf("the wait was not kept: %v", err)
			}
		})
	}
}

// silentLimit allows two posts a second and tells nobody beforehand.
type silentLimit struct {
	since           time.Time
	posts, refusals int
}

func (l *silentLimit) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := http.StatusOK, fmt.Sprintf(`{"id":"%d","channel_id":"42"}`, 100+l.posts)
	if now := time.Now(); now.Sub(l.since) >= time.Second {
		l.since, l.posts = now, 0
	}
	if l.posts++; l.posts > 2 {
		l.refusals++
		status, body = http.StatusTooManyRequests, fmt.Sprintf(`{"message":"You are being rate limited.","retry_after":%f,"global":false}`, time.Until(l.since.Add(time.Second)).Seconds())
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}, Request: r}, nil
}

func TestAnUnknownLimitIsLearnedFromA429(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &silentLimit{}
		a, err := New(Options{Records: shared(), Bots: []bots.Bot{helper("MTIzNDU2Nzg5.a.b")}, HTTP: &http.Client{Transport: l}, Log: logger(t)})
		if err != nil {
			t.Fatal(err)
		}
		r, err := a.Responder(chat.Message{Bot: "helper", ID: "1", Place: chat.Place{Channel: "42"}})
		if err != nil {
			t.Fatal(err)
		}
		for posted := 0; posted < 6; {
			_, err := r.Post(t.Context(), chat.Content{Markdown: fmt.Sprint(posted), Key: fmt.Sprint(posted)})
			if limited, ok := errors.AsType[*chat.RateLimited](err); ok {
				retry.Sleep(t.Context(), limited.After)
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			posted++
		}
		if l.refusals == 0 || l.refusals > 3 {
			t.Errorf("%d calls were refused for 6 posts at 2 a second", l.refusals)
		}
	})
}

func TestRefusedCallsStopBeforeTheBan(t *testing.T) {
	t.Parallel()
	r := &refusals{}
	now := time.Unix(1_800_000_000, 0)
	for range banned - 1 {
		r.add(now)
	}
	if wait := r.wait(now); wait != 0 {
		t.Errorf("%d refusals: wait %s", banned-1, wait)
	}
	r.add(now.Add(5 * time.Minute))
	if wait := r.wait(now.Add(5 * time.Minute)); wait <= 4*time.Minute || wait > 6*time.Minute {
		t.Errorf("%d refusals: wait %s, want until the first are ten minutes old", banned, wait)
	}
	if wait := r.wait(now.Add(11 * time.Minute)); wait != 0 {
		t.Errorf("ten minutes later: wait %s", wait)
	}
}

func TestTheGlobalLimitIsKept(t *testing.T) {
	t.Parallel()
	p := newLimiter(3)
	now := time.Unix(1_800_000_000, 0)
	for n := range 3 {
		if wait, _ := p.reserve("r", fmt.Sprint(n), false, now); wait != 0 {
			t.Fatalf("call %d waits %s", n, wait)
		}
	}
	if wait, global := p.reserve("r", "x", false, now.Add(400*time.Millisecond)); wait != 600*time.Millisecond || !global {
		t.Errorf("the fourth waits %s, global %v", wait, global)
	}
	if wait, _ := p.reserve("r", "x", true, now.Add(400*time.Millisecond)); wait != 0 {
		t.Errorf("an interaction waits %s", wait)
	}
	if wait, _ := p.reserve("r", "x", false, now.Add(time.Second)); wait != 0 {
		t.Errorf("a second later: %s", wait)
	}
}

func TestBucketsAreSharedByTheirName(t *testing.T) {
	t.Parallel()
	p := newLimiter(0)
	now := time.Unix(1_800_000_000, 0)
	headers := func(remaining string) http.Header {
		h := http.Header{}
		h.Set("X-RateLimit-Bucket", "abc")
		h.Set("X-RateLimit-Limit", "5")
		h.Set("X-RateLimit-Remaining", remaining)
		h.Set("X-RateLimit-Reset-After", "2")
		return h
	}
	p.learn("GET one", "c", headers("3"), now)
	p.learn("GET two", "c", headers("0"), now)
	if wait, _ := p.reserve("GET one", "c", false, now.Add(time.Second)); wait != time.Second {
		t.Errorf("the other route of the bucket waits %s, want 1s", wait)
	}
	if wait, _ := p.reserve("GET one", "d", false, now.Add(time.Second)); wait != 0 {
		t.Errorf("another channel waits %s", wait)
	}
	if wait, _ := p.reserve("GET one", "c", false, now.Add(2*time.Second)); wait != 0 {
		t.Errorf("after the reset it waits %s", wait)
	}
	// An answer that was overtaken does not give calls back.
	p.learn("GET one", "c", headers("1"), now.Add(10*time.Second))
	p.learn("GET one", "c", headers("4"), now.Add(10*time.Second+time.Millisecond))
	allowed := 0
	for range 5 {
		if wait, _ := p.reserve("GET one", "c", false, now.Add(11*time.Second)); wait == 0 {
			allowed++
		}
	}
	if allowed != 1 {
		t.Errorf("%d calls are let through, want 1", allowed)
	}
}

// discordIn answers inside a synctest bubble, where no network may be.
type discordIn struct {
	mu    sync.Mutex
	calls []string
}

func (d *discordIn) RoundTrip(r *http.Request) (*http.Response, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, r.Method+" "+r.URL.Path)
	return &http.Response{StatusCode: http.StatusNoContent, Body: io.NopCloser(strings.NewReader("")), Header: http.Header{}, Request: r}, nil
}

func TestTypingIsShownAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &discordIn{}
		a, err := New(Options{Records: shared(), Bots: []bots.Bot{helper("MTIzNDU2Nzg5.a.b")}, HTTP: &http.Client{Transport: d}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := a.Responder(chat.Message{Bot: "helper", ID: "1", Place: chat.Place{Channel: "42"}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		r.Thinking(ctx)
		if ctx.Err() == nil {
			t.Error("it returned while the sign was needed")
		}
		if want := 3; len(d.calls) != want || d.calls[0] != "POST /api/v10/channels/42/typing" {
			t.Errorf("in 20 s: %v, want %d calls, one in 8 s", d.calls, want)
		}
	})
}

func TestAFileIsAReplyThatPingsNobody(t *testing.T) {
	t.Parallel()
	s, m, r := question(t, fake.Options{})
	id := must(t)(r.Upload(t.Context(), "rest.md", []byte("# the rest"), "The rest, @everyone:"))
	got, _ := s.Message(id)
	if got.ReplyTo != string(m.ID) || len(got.Attachments) != 1 || got.Attachments[0].Filename != "rest.md" || string(got.Attachments[0].Data) != "# the rest" {
		t.Errorf("the file came as %+v", got)
	}
	if len(got.Frames[0].Pings) != 0 {
		t.Errorf("it pinged %v", got.Frames[0].Pings)
	}
	s.clean()
}

func TestACommandsAnswerBringsItsControls(t *testing.T) {
	t.Parallel()
	d := &desk{}
	s := open(t, fake.Options{}, d, nil)
	s.Mention("general", "ann", "/model")
	m := s.inbox.wait(t, 1)[0]
	if m.Text != "/model" {
		t.Errorf("the command came as %q", m.Text)
	}
	id := must(t)(s.responder(m).Post(t.Context(), chat.Content{
		Markdown: "Now: a", Key: "k", Only: m.Author.ID, Menu: &chat.Menu{Action: "model", Options: []chat.Option{{Value: "a"}, {Value: "b"}}},
		Buttons: []chat.Button{{Label: "Add", Action: "provider.add"}},
	}))
	buttons, options := s.Buttons(id)
	if len(buttons) != 1 || len(options) != 2 {
		t.Errorf("controls: %v %v", buttons, options)
	}
	if f := s.Timeline(id); len(f[0].Pings) != 0 {
		t.Errorf("it pinged %v", f[0].Pings)
	}
	i, err := s.Choose(id, "ann", "b")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.answer(i); !got[0].Ephemeral || got[0].Content != "You said /model b" {
		t.Errorf("the choice was answered with %+v", got)
	}
	if got, _ := s.Message(id); got.Content != "Now: a" {
		t.Errorf("a message all see became %q", got.Content)
	}
}

func TestWhoMayManageTheServerIsAdmin(t *testing.T) {
	t.Parallel()
	s := open(t, fake.Options{}, nil, nil)
	manager := s.Grant("mia", "Managers", 1<<5)
	s.Grant("adam", "Gods", 1<<3)
	plain := s.Grant("paul", "Writers", 1<<11)
	p := chat.Place{Platform: "discord", Workspace: s.GuildID(), Channel: s.ChannelID("general")}
	for user, want := range map[string]chat.Member{
		"owner": {Admin: true}, "mia": {Groups: []string{manager}, Admin: true}, "adam": {Admin: true}, "paul": {Groups: []string{plain}}, "nina": {},
	} {
		for range 3 {
			got, err := s.adapter.Member(t.Context(), "helper", p, chat.Author{ID: s.UserID(user)})
			if err != nil || got.Admin != want.Admin || want.Groups != nil && got.Groups[0] != want.Groups[0] {
				t.Errorf("%s: %+v %v, want %+v", user, got, err, want)
			}
		}
		if n := s.Count("GET", "/members/"+s.UserID(user), 0); n != 1 {
			t.Errorf("%s was looked up %d times", user, n)
		}
	}
	// An event brings the roles along.
	s.Grant("eve", "Managers", 1<<5)
	s.Mention("general", "eve", "hello")
	s.inbox.wait(t, 1)
	if got, err := s.adapter.Member(t.Context(), "helper", p, chat.Author{ID: s.UserID("eve")}); err != nil || !got.Admin || s.Count("GET", "/members/"+s.UserID("eve"), 0) != 0 {
		t.Errorf("after an event: %+v %v", got, err)
	}
	if got, err := s.adapter.Member(t.Context(), "helper", chat.Place{Channel: "1", Direct: true}, chat.Author{ID: "2"}); err != nil || got.Admin || got.Groups != nil {
		t.Errorf("in a direct message: %+v %v", got, err)
	}
}

func TestHistoryIsWhatPeopleAndTheBotWrote(t *testing.T) {
	t.Parallel()
	s := open(t, fake.Options{}, nil, nil)
	thread := s.Thread("general", "talk")
	s.Say(thread, "ann", "first")
	s.System(thread, "bob", 6)
	s.Webhook(thread, "feed", "news")
	s.Mention(thread, "ann", "second")
	m := s.inbox.wait(t, 2)[1]
	must(t)(s.responder(m).Post(t.Context(), chat.Content{Markdown: "an answer", Key: "k"}))
	last := s.Say(thread, "bob", "third <@"+s.UserID("ann")+"> @Helper")
	got, err := s.adapter.History(t.Context(), s.inbox.wait(t, 3)[2], "", 10)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, h := range got {
		lines = append(lines, fmt.Sprintf("%s:%v:%s", h.Author.Name, h.FromBot, h.Text))
	}
	if want := "ann:false:first feed:false:news ann:false:second Helper:true:an answer"; strings.Join(lines, " ") != want {
		t.Errorf("before %s: %q, want %q", last, lines, want)
	}
	if got[3].ReplyTo != m.ID {
		t.Errorf("the answer replies to %q", got[3].ReplyTo)
	}
	since, err := s.adapter.History(t.Context(), s.inbox.wait(t, 3)[2], got[1].ID, 10)
	if err != nil || len(since) != 2 || since[0].Text != "second" || since[1].Text != "an answer" {
		t.Errorf("since the news: %+v, %v", since, err)
	}
}

func TestAThreadNobodyToldOfIsLookedUpOnce(t *testing.T) {
	t.Parallel()
	s := open(t, fake.Options{}, nil, nil)
	thread := s.SilentThread("general", "talk")
	for n := range 3 {
		s.Say(thread, "ann", fmt.Sprint("message ", n))
	}
	got := s.inbox.wait(t, 3)
	want := chat.Place{Platform: "discord", Workspace: s.GuildID(), Channel: s.ChannelID("general"), Thread: thread, Owner: got[0].Place.Owner}
	if got[0].Place != want || got[0].Trigger != chat.Thread {
		t.Errorf("came: %+v", got[0])
	}
	if n := s.Count("GET", "/channels/"+thread, 0); n != 1 {
		t.Errorf("the thread was looked up %d times", n)
	}
	r := s.responder(got[0])
	must(t)(r.Post(t.Context(), chat.Content{Markdown: "here", Key: "k"}))
	if m := s.Messages(thread); m[len(m)-1].Content != "here" {
		t.Error("the answer went elsewhere")
	}
}

func TestLimitsAreData(t *testing.T) {
	a, err := New(Options{Records: shared(), Bots: []bots.Bot{helper("MTIzNDU2Nzg5.a.b")}, GlobalLimit: 50})
	if err != nil {
		t.Fatal(err)
	}
	r, err := a.Responder(chat.Message{Bot: "helper", ID: "1", Place: chat.Place{Channel: "42", Thread: "43"}})
	if err != nil {
		t.Fatal(err)
	}
	l := r.Limits()
	if l.Size != 2000 || l.Edits.Key != "discord:123456789/edit/43" || l.Edits.Calls != 5 || l.Edits.Window != 5*time.Second || !l.Edits.Sliding || l.Global.Calls != 50 || l.Global.Window != time.Second {
		t.Errorf("%+v", l)
	}
	if n := l.Measure("| a | b |\n|---|---|\n| ü | 👍 |"); n != len([]rune("```\na | b\n--+---\nü | 👍\n```")) {
		t.Errorf("a table measures %d", n)
	}
	if _, err := a.Responder(chat.Message{Bot: "nobody", Place: chat.Place{Channel: "1"}}); err == nil {
		t.Error("a bot without an application got a r")
	}
}
