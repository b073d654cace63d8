package discord

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/bots"
	"parley/internal/chat"
	fake "parley/internal/fake/discord"
)

// operator is who admits and removes servers.
func operator() chat.Actor { return chat.Actor{Kind: chat.ByToken} }

// noted are Records that remember what the audit trail was told.
type noted struct {
	*forgetful
	mu    sync.Mutex
	trail []string
}

func (n *noted) told() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.trail)
}

func (n *noted) Swap(ctx context.Context, key, old, next string, notes ...chat.Change) (bool, error) {
	done, err := n.forgetful.Swap(ctx, key, old, next)
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range notes {
		if done {
			n.trail = append(n.trail, c.By.Via()+" "+c.Action+" "+c.Target)
		}
	}
	return done, err
}

// guildIDs are those that are trusted.
func (s *stage) guildIDs() map[string]string {
	s.t.Helper()
	list, err := s.adapter.Guilds(s.t.Context(), "helper")
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]string{}
	for _, g := range list {
		out[g.ID] = g.Source
	}
	return out
}

// fromBot are the messages of the bot in a channel.
func (s *stage) fromBot(channel string) []fake.Message {
	var out []fake.Message
	for _, m := range s.Messages(channel) {
		if m.Author.Bot {
			out = append(out, m)
		}
	}
	return out
}

// A stranger invites the bot to a server of theirs, where they may manage
// everything: they read one sentence and get nothing else.
func TestAServerOfStrangersGetsOneSentence(t *testing.T) {
	t.Parallel()
	d := &desk{}
	s := withCommands(t, d, nil)
	evil := s.Invite("mallory", "lair")
	first := s.Mention("lair", "mallory", "hello")
	s.until("the sentence", func() bool { return len(s.Replies(first)) == 1 })
	said := s.Replies(first)[0].Content
	for _, want := range []string{"Helper", "parley guild admit helper " + evil} {
		if !strings.Contains(said, want) {
			t.Errorf("the sentence lacks %q: %s", want, said)
		}
	}
	s.Mention("lair", "mallory", "again")
	s.Reply(s.Replies(first)[0].ID, "mallory", "and again", true)
	thread := s.ThreadBy("mallory", "lair", "a thread")
	s.Mention(thread, "mallory", "in a thread")
	// What is said where the bot answers comes later and is taken.
	s.Mention("general", "ann", "real")
	if got := s.inbox.wait(t, 1); got[0].Text != "real" {
		t.Errorf("taken: %+v", got)
	}
	for _, line := range []string{"/help", "/provider remove id:lab", "/provider add", "/model name:m1"} {
		i := s.slash("lair", "mallory", line)
		got := s.answer(i)
		if len(got) != 1 || !got[0].Ephemeral || !strings.Contains(got[0].Content, "parley guild admit helper "+evil) {
			t.Errorf("%s: %+v", line, got)
		}
	}
	if list, err := s.Autocomplete(t.Context(), "lair", "mallory", "/model name:m"); err != nil || len(list) != 0 {
		t.Errorf("completed %v, %v", list, err)
	}
	mallory := chat.Author{ID: s.UserID("mallory")}
	place := chat.Place{Platform: "discord", Workspace: evil, Channel: s.ChannelID("lair")}
	if m, err := s.adapter.Member(t.Context(), "helper", place, mallory); err != nil || m.Admin || len(m.Groups) > 0 {
		t.Errorf("rights: %+v, %v", m, err)
	}
	if list, err := s.adapter.History(t.Context(), chat.Message{Bot: "helper", ID: chat.MessageID(first), Place: place, Author: mallory}, "", 10); err == nil || list != nil {
		t.Errorf("history was read: %+v", list)
	}
	if n := len(s.fromBot("lair")) + len(s.fromBot(thread)); n != 1 || s.inbox.count() != 1 || len(d.asked()) != 0 {
		t.Errorf("%d sentences, %d taken, commands %v", n, s.inbox.count(), d.asked())
	}
	for _, c := range s.Calls() {
		if c.Method == "GET" && strings.Contains(c.Path, "/channels/") {
			t.Errorf("a stranger's server was read: %s", c.Path)
		}
	}
	s.clean()
}

// The same over signed HTTP, and for a form that was opened before the removal.
func TestStrangersAreRefusedOverHTTPToo(t *testing.T) {
	t.Parallel()
	d := &desk{do: func(context.Context, chat.Command) (chat.Reply, error) {
		return chat.Reply{Form: &chat.Form{ID: "provider", Title: "Add a provider", Fields: []chat.Field{{ID: "id", Label: "Provider ID"}}}}, nil
	}}
	s := withCommands(t, d, nil)
	s.overHTTP()
	evil := s.Invite("mallory", "lair")
	if _, err := s.adapter.AdmitGuild(t.Context(), operator(), "helper", evil); err != nil {
		t.Fatal(err)
	}
	form := s.slash("lair", "mallory", "/provider add")
	if _, err := form.Modal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.adapter.RemoveGuild(t.Context(), operator(), "helper", evil); err != nil {
		t.Fatal(err)
	}
	sent, err := s.SubmitModal(form, map[string]string{"id": "mine"})
	if err != nil {
		t.Fatal(err)
	}
	for what, i := range map[string]*fake.Interaction{"a form": sent, "a command": s.slash("lair", "mallory", "/help")} {
		if got := s.answer(i); len(got) != 1 || !got[0].Ephemeral || !strings.Contains(got[0].Content, "parley guild admit helper "+evil) {
			t.Errorf("%s: %+v", what, got)
		}
	}
	if list, err := s.Autocomplete(t.Context(), "lair", "mallory", "/model name:m"); err != nil || len(list) != 0 {
		t.Errorf("completed %v, %v", list, err)
	}
	if len(d.asked()) != 1 || len(d.forms) != 0 {
		t.Errorf("carried out: %v, %v", d.asked(), d.forms)
	}
	s.clean()
}

// The whole list counts, page by page, and it is that of the first start: what
// came later is not trusted, by whatever process and after whatever restart.
func TestTheServersOfTheFirstStartAreTrusted(t *testing.T) {
	t.Parallel()
	kept := &noted{forgetful: shared()}
	s := prepare(t, fake.Options{Identify: fake.IdentifyLimits{Window: time.Millisecond}}, func(o *Options) { o.Records = kept })
	want := append(s.Crowd(450), s.GuildID())
	stop := s.run(nil)
	s.connected()
	got := s.guildIDs()
	for _, id := range want {
		if got[id] != chat.FromFirstStart {
			t.Fatalf("guild %s is %q", id, got[id])
		}
	}
	if trail := kept.told(); len(trail) != len(want) || !strings.HasPrefix(trail[0], "system guild.admit ") {
		t.Errorf("the audit trail has %d entries for %d servers", len(trail), len(want))
	}
	if n := s.Count("GET", "/users/@me/guilds", 200); n != 3 {
		t.Errorf("%d pages were asked for, want 3", n)
	}
	evil := s.Invite("mallory", "lair")
	first := s.Mention("lair", "mallory", "hello")
	s.until("the sentence", func() bool { return len(s.Replies(first)) == 1 })
	stop()
	next, err := New(Options{Bots: s.adapter.apps[0].bots, APIURL: s.APIURL(), Records: kept, Log: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	s.adapter = next
	s.run(&desk{})
	s.connected()
	if got := s.guildIDs(); len(got) != len(want) || got[evil] != "" {
		t.Errorf("after a restart %d are trusted, the stranger's is %q", len(got), got[evil])
	}
	s.Mention("lair", "mallory", "again")
	s.Mention("general", "ann", "real")
	s.inbox.wait(t, 1)
	i := s.slash("lair", "mallory", "/help")
	s.answer(i)
	if n := len(s.fromBot("lair")); n != 1 {
		t.Errorf("%d sentences in one channel and day", n)
	}
	s.clean()
}

func TestTheFirstServerJoinedIsTrustedWhereThereWasNone(t *testing.T) {
	t.Parallel()
	kept := &noted{forgetful: shared()}
	s := prepare(t, fake.Options{NoGuild: true, Identify: fake.IdentifyLimits{Window: time.Millisecond}}, func(o *Options) { o.Records = kept })
	s.run(nil)
	s.connected()
	if got := s.guildIDs(); len(got) != 0 {
		t.Fatalf("trusted before it joined any: %v", got)
	}
	s.Join(s.GuildID())
	s.eventually("the first is trusted", func() bool { return len(s.guildIDs()) == 1 })
	if got, want := kept.told(), []string{"system guild.admit " + s.GuildID()}; !slices.Equal(got, want) {
		t.Errorf("the audit trail is %q, want %q", got, want)
	}
	evil := s.Invite("mallory", "lair")
	s.Mention("general", "ann", "hello")
	s.inbox.wait(t, 1)
	if got := s.guildIDs(); len(got) != 1 || got[evil] != "" || got[s.GuildID()] != chat.FromFirstStart {
		t.Errorf("trusted: %v", got)
	}
	s.clean()
}

// Two joined while no process ran: the older membership counts, not the id.
func TestOfTwoServersTheOneJoinedFirstIsTrusted(t *testing.T) {
	t.Parallel()
	kept := shared()
	s := prepare(t, fake.Options{NoGuild: true, Identify: fake.IdentifyLimits{Window: time.Millisecond}}, func(o *Options) { o.Records = kept })
	stop := s.run(nil)
	s.connected()
	stop()
	mine := s.Invite("ann", "mine")
	s.Join(s.GuildID()) // founded before, joined later
	next, err := New(Options{Bots: s.adapter.apps[0].bots, APIURL: s.APIURL(), Records: kept, Log: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	s.adapter = next
	s.run(nil)
	s.connected()
	s.Mention("mine", "ann", "hello")
	s.inbox.wait(t, 1)
	if got := s.guildIDs(); len(got) != 1 || got[mine] == "" {
		t.Errorf("trusted: %v, want %s", got, mine)
	}
}

// Unknown means no: while Discord does not list the servers, none is trusted.
func TestWhileTheListIsNotKnownNobodyIsLetIn(t *testing.T) {
	t.Parallel()
	s := prepare(t, fake.Options{}, nil)
	s.Fail(fake.Fault{Method: "GET", Path: "/users/@me/guilds", Status: 404, Body: `{"message":"404: Not Found","code":0}`, Times: 1})
	one := s.adapter.apps[0]
	if err := one.trust.learn(t.Context(), true); err == nil {
		t.Fatal("the list was learned without an answer")
	}
	s.eventually("it is not known", func() bool {
		ok, err := one.trust.trusts(t.Context(), s.GuildID())
		return !ok && err != nil
	})
	if known, why := one.trust.known(); known || !strings.Contains(why, "could not be listed") {
		t.Errorf("known %v: %s", known, why)
	}
	err := one.trust.letIn(t.Context(), s.GuildID(), s.UserID("ann"))
	if why, ok := errors.AsType[*turnedAway](err); !ok || !why.unsure {
		t.Errorf("let in: %v", err)
	}
	if err := s.adapter.Admit(t.Context(), chat.Message{Bot: "helper", Place: chat.Place{Workspace: s.GuildID()}}); err == nil {
		t.Error("a queued message is answered")
	}
	if ok, _ := one.trust.trustsPerson(t.Context(), s.UserID("ann")); ok {
		t.Error("a direct message is answered")
	}
	s.run(nil) // tries again
	s.connected()
	s.Mention("general", "ann", "hello")
	s.inbox.wait(t, 1)
}

func TestTheServersOfTheFilesAndThoseAdmittedAreTrusted(t *testing.T) {
	t.Parallel()
	kept := &noted{forgetful: shared()}
	s := prepare(t, fake.Options{}, nil)
	crowd := s.Crowd(3)
	one := helper(s.Token())
	one.File, one.Sections = "helper.yaml", inDiscord(s.Token(), s.GuildID())
	two := bots.Bot{ID: "other", File: "other.yaml", Sections: inDiscord(s.Token(), crowd[0])}
	var err error
	s.adapter, err = New(Options{Bots: []bots.Bot{one, two}, APIURL: s.APIURL(), Records: kept, Log: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	s.run(nil)
	s.connected()
	want := map[string]string{s.GuildID(): chat.FromFile, crowd[0]: chat.FromFile}
	if got := s.guildIDs(); !maps.Equal(got, want) {
		t.Errorf("trusted: %v, want %v", got, want)
	}
	if created, err := s.adapter.AdmitGuild(t.Context(), operator(), "helper", crowd[1]); err != nil || !created {
		t.Errorf("admitted: %v, %v", created, err)
	}
	if created, err := s.adapter.AdmitGuild(t.Context(), operator(), "other", crowd[0]); err != nil || created {
		t.Errorf("one of a file was admitted: %v, %v", created, err)
	}
	want[crowd[1]] = chat.FromOperator
	if got := s.guildIDs(); !maps.Equal(got, want) {
		t.Errorf("trusted: %v, want %v", got, want)
	}
	named, ok := errors.AsType[*chat.NamedInFile](s.adapter.RemoveGuild(t.Context(), operator(), "helper", crowd[0]))
	if !ok || named.File != "other.yaml" {
		t.Errorf("a server of a file was removed: %v", named)
	}
	if err := s.adapter.RemoveGuild(t.Context(), operator(), "helper", crowd[2]); !errors.Is(err, chat.ErrNotTrusted) {
		t.Errorf("one that is not trusted: %v", err)
	}
	if err := s.adapter.RemoveGuild(t.Context(), operator(), "helper", crowd[1]); err != nil {
		t.Error(err)
	}
	delete(want, crowd[1])
	if got := s.guildIDs(); !maps.Equal(got, want) {
		t.Errorf("trusted: %v, want %v", got, want)
	}
	if got, want := kept.told(), []string{"api guild.admit " + crowd[1], "api guild.remove " + crowd[1]}; !slices.Equal(got, want) {
		t.Errorf("the audit trail is %q, want %q", got, want)
	}
}

// What one process changes the others see; a button from before the removal
// and a message that was taken before it are refused too.
func TestARemovedServerIsRefusedByEveryProcess(t *testing.T) {
	t.Parallel()
	kept := shared()
	d := &desk{}
	s := prepare(t, fake.Options{Identify: fake.IdentifyLimits{Window: time.Millisecond}}, func(o *Options) { o.Records = kept })
	s.run(d)
	s.connected()
	s.until("commands are registered", func() bool { return len(s.Commands("")) > 0 })
	id := s.Mention("general", "ann", "hello")
	taken := s.inbox.wait(t, 1)[0]
	posted := must(t)(s.responder(taken).Post(t.Context(), chat.Content{Markdown: "text", Key: "t-0", Stop: "t", Menu: &chat.Menu{Action: "model", Options: []chat.Option{{Label: "m", Value: "m"}}}}))
	if err := s.adapter.Admit(t.Context(), taken); err != nil {
		t.Fatalf("refused while trusted: %v", err)
	}
	other, err := New(Options{Bots: s.adapter.apps[0].bots, APIURL: s.APIURL(), Records: kept, Log: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.RemoveGuild(t.Context(), operator(), "helper", s.GuildID()); err != nil {
		t.Fatal(err)
	}
	s.eventually("this process sees it", func() bool { return s.adapter.Admit(t.Context(), taken) != nil })
	told, ok := errors.AsType[*chat.UserError](s.adapter.Admit(t.Context(), taken))
	if !ok || !strings.Contains(told.Line.String(), "parley guild admit helper "+s.GuildID()) {
		t.Errorf("the asker would read %v", told)
	}
	for what, use := range map[string]func() (*fake.Interaction, error){
		"a button": func() (*fake.Interaction, error) { return s.Press(posted, "ann", "Stop") },
		"a menu":   func() (*fake.Interaction, error) { return s.Choose(posted, "ann", "m") },
	} {
		i, err := use()
		if err != nil {
			t.Fatal(err)
		}
		if got := s.answer(i); len(got) != 1 || !got[0].Ephemeral || !strings.Contains(got[0].Content, "parley guild admit") {
			t.Errorf("%s: %+v", what, got)
		}
	}
	if seen := d.asked(); len(seen) != 0 {
		t.Errorf("commands were carried out: %v", seen)
	}
	var both sync.WaitGroup
	for _, a := range []*Adapter{s.adapter, other} {
		both.Go(func() { a.TurnAway(t.Context(), taken, told) })
	}
	both.Wait()
	if got := s.Replies(id); len(got) != 2 { // the answer and the sentence
		t.Errorf("two processes said: %+v", got)
	}
	s.clean()
}

// hearing is a desk that hears what was deleted.
type hearing struct {
	desk
	gone []string
}

func (h *hearing) Withdraw(_ context.Context, m chat.Message) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gone = append(h.gone, string(m.ID))
	return nil
}

// Strangers who delete what nobody took make the bot neither write nor look
// anything up.
func TestWhatStrangersDeleteIsNotHeardOf(t *testing.T) {
	t.Parallel()
	d := &hearing{}
	s := open(t, fake.Options{}, d, nil)
	evil := s.Invite("mallory", "lair")
	one := s.adapter.apps[0]
	for guild, channel := range map[string]string{evil: s.ChannelID("lair"), s.GuildID(): s.ChannelID("general")} {
		event := fmt.Sprintf(`{"ids":["1%[1]s"],"channel_id":%[2]q,"guild_id":%[1]q}`, guild, channel)
		if err := one.deleted(t.Context(), json.RawMessage(event)); err != nil {
			t.Fatal(err)
		}
	}
	if want := "1" + s.GuildID(); len(d.gone) != 1 || d.gone[0] != want {
		t.Errorf("heard of %v, want %s alone", d.gone, want)
	}
	s.clean()
}

// slowRecords do not answer until they are told to.
type slowRecords struct {
	Records
	asked, answer chan struct{}
}

func (r *slowRecords) Read(ctx context.Context, key string) (string, error) {
	r.asked <- struct{}{}
	<-r.answer
	return r.Records.Read(ctx, key)
}

// The gateway's next frame and /readyz do not wait for a store that is slow.
func TestWhatIsKnownOfTheListWaitsForNoStore(t *testing.T) {
	t.Parallel()
	slow := &slowRecords{Records: shared(), asked: make(chan struct{}, 1), answer: make(chan struct{})}
	s := prepare(t, fake.Options{}, func(o *Options) { o.Records = slow })
	one := s.adapter.apps[0]
	one.identity.user = "100"
	loaded := make(chan error, 1)
	go func() { _, err := one.trust.load(t.Context()); loaded <- err }()
	<-slow.asked
	told := make(chan bool, 1)
	go func() {
		known, _ := one.trust.known()
		told <- known || one.trust.open()
	}()
	select {
	case known := <-told:
		if known {
			t.Error("a list that nobody read is known")
		}
	case <-time.After(patience):
		t.Error("they wait for the store")
	}
	close(slow.answer)
	if err := <-loaded; err != nil {
		t.Error(err)
	}
}

// In direct messages a person must be in a server that is trusted.
func TestDirectMessagesAreForMembersOfTrustedServers(t *testing.T) {
	t.Parallel()
	d := &desk{}
	s := withCommands(t, d, func(o *Options) { o.Bots[0].Access.Users = []string{"100000000000000001"} })
	s.Invite("mallory", "lair")
	id := s.DM("mallory", "hello")
	s.until("the sentence", func() bool { return len(s.Replies(id)) == 1 })
	if got := s.Replies(id)[0].Content; !strings.Contains(got, "direct messages only from members") {
		t.Errorf("a stranger reads %s", got)
	}
	asked := s.Count("GET", "/members/", 404)
	s.DM("mallory", "hello?")
	i, err := s.SlashDM("mallory", "/help")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.answer(i); len(got) != 1 || !strings.Contains(got[0].Content, "direct messages only from members") || len(d.asked()) != 0 {
		t.Errorf("a stranger's command: %+v", got)
	}
	if n := s.Count("GET", "/members/", 404); n != asked {
		t.Errorf("a stranger was looked up %d more times", n-asked)
	}
	s.DM("ann", "from a member")
	if got := s.inbox.wait(t, 1); got[0].Text != "from a member" {
		t.Errorf("taken: %+v", got)
	}
	one := s.adapter.apps[0]
	if ok, err := one.trust.trustsPerson(t.Context(), "100000000000000001"); !ok || err != nil {
		t.Errorf("a person named in the file is refused: %v", err)
	}
	s.Fail(fake.Fault{Method: "GET", Path: "/members/", Status: 500, Body: "{}", Times: 5})
	if ok, err := one.trust.trustsPerson(t.Context(), s.UserID("bob")); ok || err == nil {
		t.Errorf("what is not known is yes: %v, %v", ok, err)
	}
	if n := len(s.fromBot(s.DMChannel("mallory"))); n != 1 {
		t.Errorf("%d sentences to a stranger", n)
	}
	s.clean()
}

func TestAListThatTheStoreLostIsNotLearnedAgain(t *testing.T) {
	t.Parallel()
	kept := shared()
	s := prepare(t, fake.Options{Identify: fake.IdentifyLimits{Window: time.Millisecond}}, func(o *Options) { o.Records = kept })
	one := s.adapter.apps[0]
	if err := one.trust.learn(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	evil := s.Invite("mallory", "lair")
	kept.mu.Lock()
	clear(kept.values)
	kept.mu.Unlock()
	if created, err := s.adapter.AdmitGuild(t.Context(), operator(), "helper", "123456789"); err != nil || !created {
		t.Fatal(created, err)
	}
	if got := s.guildIDs(); got[evil] != "" || got[s.GuildID()] != chat.FromFirstStart {
		t.Errorf("trusted: %v", got)
	}
}

func TestAPublicBotIsWarnedOf(t *testing.T) {
	t.Parallel()
	for _, private := range []bool{false, true} {
		t.Run(fmt.Sprint(private), func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			var mu sync.Mutex
			s := open(t, fake.Options{Apps: []fake.AppOptions{{Name: "Helper", Private: private}}}, nil, func(o *Options) {
				o.Log = slog.New(slog.NewTextHandler(writer(func(p []byte) { mu.Lock(); defer mu.Unlock(); log.Write(p) }), nil))
			})
			_ = s
			mu.Lock()
			defer mu.Unlock()
			if warned := strings.Contains(log.String(), "Bot → Public Bot"); warned == private {
				t.Errorf("private %v, warned %v:\n%s", private, warned, &log)
			}
		})
	}
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }
