package discord

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/bots"
	"parley/internal/chat"
	fake "parley/internal/fake/discord"
)

// window is max_concurrency's in tests, which is 5 s at Discord.
const window = 800 * time.Millisecond

// sharded is a stage whose application has two shards, with a guild, of one
// channel of the same name, for each of the names.
func sharded(t *testing.T, change func(*Options), guilds ...string) *stage {
	t.Helper()
	s := prepare(t, fake.Options{NoGuild: true, GuildsPerSession: 1, Identify: fake.IdentifyLimits{Window: window}}, change)
	for n, name := range guilds {
		s.InviteOn(n%2, 2, "owner", name)
	}
	s.split(2)
	return s
}

// split gives the application n shards.
func (s *stage) split(n int) {
	one := s.adapter.apps[0]
	one.shards, one.timing.identify = newShards(one, n), 2*window // room for a busy machine
}

// identified are the shards of the IDENTIFYs so far, in order.
func (s *stage) identified() []string {
	var out []string
	for _, c := range s.Connections() {
		if c.Identify != nil {
			out = append(out, fmt.Sprint(c.Identify["shard"]))
		}
	}
	slices.Sort(out)
	return out
}

func TestEachShardServesItsOwnGuilds(t *testing.T) {
	t.Parallel()
	d := &desk{do: func(_ context.Context, c chat.Command) (chat.Reply, error) {
		return chat.Reply{Text: "did " + c.Name}, nil
	}}
	s := sharded(t, nil, "even", "odd")
	stop := s.run(d)
	s.connected()
	if got, want := s.identified(), []string{"[0 2]", "[1 2]"}; !slices.Equal(got, want) {
		t.Errorf("IDENTIFYs of %v, want %v", got, want)
	}
	s.Mention("even", "ann", "one")
	s.Mention("odd", "ann", "two")
	s.DM("owner", "three")
	var got []string
	for _, m := range s.inbox.wait(t, 3) {
		got = append(got, m.Text)
	}
	if slices.Sort(got); !slices.Equal(got, []string{"one", "three", "two"}) {
		t.Errorf("came: %v", got)
	}
	s.until("commands are registered", func() bool { return len(s.Commands("")) > 0 })
	if got := s.answer(s.slash("odd", "owner", "/help")); len(got) != 1 || got[0].Content != "did help" {
		t.Errorf("a command on the second shard was answered by %+v", got)
	}
	stop()
	if n := s.Count("GET", "/commands", 0); n != 1 {
		t.Errorf("%d shards registered the commands", n)
	}
	s.clean()
}

func TestShardsOfOtherBucketsIdentifyAtOnce(t *testing.T) {
	t.Parallel()
	s := prepare(t, fake.Options{Identify: fake.IdentifyLimits{MaxConcurrency: 2, Window: time.Hour}}, nil)
	s.split(2)
	s.adapter.apps[0].timing.identify = time.Hour
	s.run(nil)
	s.connected()
	s.clean()
}

// A token that identifies more often than the day allows is reset.
func TestNoShardBeginsASessionUnlessAllCan(t *testing.T) {
	t.Parallel()
	s := prepare(t, fake.Options{Identify: fake.IdentifyLimits{Total: 1}}, nil)
	s.split(2)
	s.run(nil)
	s.eventually("both wait for tomorrow", func() bool {
		return strings.HasPrefix(s.adapter.Health()[0].Reason, "shard [0, 2], [1, 2]: reconnecting to Discord: rate limited")
	})
	if c := s.Connections(); len(c) != 0 {
		t.Errorf("connections: %+v", c)
	}
}

func TestAShardThatIsRefusedIsNamed(t *testing.T) {
	t.Parallel()
	s := sharded(t, nil, "even", "odd")
	s.InviteOn(1, 2, "owner", "one too many")
	s.run(nil)
	s.eventually("one shard is refused", func() bool {
		h := s.adapter.Health()[0]
		return !h.OK && strings.HasPrefix(h.Reason, "shard [1, 2]: Discord demands sharding")
	})
	s.Mention("even", "ann", "the other serves on")
	s.inbox.wait(t, 1)
}

func TestABotInTooManyServersForItsConnectionIsDown(t *testing.T) {
	t.Parallel()
	s := sharded(t, nil, "even", "odd")
	s.split(1)
	s.run(nil)
	s.eventually("the reason", func() bool { return strings.HasPrefix(s.adapter.Health()[0].Reason, "Discord demands sharding") })
}

// shelves keep sessions by key.
type shelves struct {
	mu   sync.Mutex
	kept map[string][]byte
}

func (s *shelves) Save(_ context.Context, key string, state []byte, _ time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[key] = bytes.Clone(state)
	return nil
}

func (s *shelves) Take(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.kept[key]
	delete(s.kept, key)
	return state, nil
}

func (s *shelves) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.kept))
}

func TestEachShardResumesItsOwnSession(t *testing.T) {
	t.Parallel()
	kept := &shelves{kept: map[string][]byte{}}
	records := shared()
	s := sharded(t, func(o *Options) { o.Sessions, o.Records = kept, records }, "even", "odd")
	stop := s.run(nil)
	s.connected()
	stop()
	if got, want := kept.keys(), []string{"discord/helper/0-of-2", "discord/helper/1-of-2"}; !slices.Equal(got, want) {
		t.Fatalf("sessions are kept as %v, want %v", got, want)
	}
	s.closed(1)
	s.closed(2)
	s.Mention("even", "ann", "meanwhile")
	s.Mention("odd", "ann", "meanwhile too")
	next, err := New(Options{Bots: s.adapter.apps[0].bots, APIURL: s.APIURL(), Sessions: kept, Records: records, Log: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	s.adapter = next
	s.split(2)
	s.run(nil)
	s.inbox.wait(t, 2)
	s.connected()
	if got := s.identified(); len(got) != 2 {
		t.Errorf("IDENTIFYs of %v: the restart began a session", got)
	}
	s.clean()
}

func TestOneShardKeepsItsSessionWhereEarlierVersionsDid(t *testing.T) {
	t.Parallel()
	kept := &shelves{kept: map[string][]byte{}}
	s := prepare(t, fake.Options{}, func(o *Options) { o.Sessions = kept })
	stop := s.run(nil)
	s.connected()
	stop()
	if got := kept.keys(); !slices.Equal(got, []string{"discord/helper"}) {
		t.Errorf("sessions are kept as %v", got)
	}
}

func TestAnEndedSessionLeavesTheGuildsOfOtherShardsCurrent(t *testing.T) {
	a, err := New(Options{Records: shared(), Bots: []bots.Bot{helper("MTIzNDU2Nzg5.a.b")}})
	if err != nil {
		t.Fatal(err)
	}
	one := a.apps[0]
	even, odd := fmt.Sprint(2<<22), fmt.Sprint(3<<22)
	for _, id := range []string{even, odd} {
		if err := one.cache.update("GUILD_CREATE", []byte(`{"id":"`+id+`","owner_id":"1"}`)); err != nil {
			t.Fatal(err)
		}
	}
	all := newShards(one, 2)
	all[1].forget()
	if !one.cache.guilds[even].live || one.cache.guilds[odd].live {
		t.Errorf("current: guild of shard 0 %v, of shard 1 %v", one.cache.guilds[even].live, one.cache.guilds[odd].live)
	}
	if !all[0].serves("") || all[1].serves("") {
		t.Error("direct messages do not come to the first shard")
	}
}

func TestTheHealthOfShardsIsOne(t *testing.T) {
	a, err := New(Options{Records: shared(), Bots: []bots.Bot{helper("MTIzNDU2Nzg5.a.b")}})
	if err != nil {
		t.Fatal(err)
	}
	one := a.apps[0]
	if ok, reason := one.state(); ok || reason != "not connected yet" {
		t.Errorf("before the start: %v %q", ok, reason)
	}
	all := newShards(one, 3)
	all[1].health.set(false, "it rains")
	for _, step := range []struct {
		up   int // this shard connects first
		want string
	}{
		{-1, "shard [0, 3], [2, 3]: not connected yet; shard [1, 3]: it rains"},
		{0, "shard [1, 3]: it rains; shard [2, 3]: not connected yet"},
		{2, "shard [1, 3]: it rains"},
		{1, ""},
	} {
		if step.up >= 0 {
			all[step.up].health.set(true, "")
		}
		if ok, reason := healthOf(all); reason != step.want || ok != (step.want == "") {
			t.Errorf("%v %q, want %q", ok, reason, step.want)
		}
	}
}

func TestIdentifiesOfOneBucketComeApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const gap = 5 * time.Second
		var all identifies
		all.allow(2)
		began := time.Now()
		at := make([]time.Duration, 4)
		var running sync.WaitGroup
		for shard := range at {
			running.Go(func() {
				p, err := all.permit(t.Context(), shard, gap)
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(time.Second) // connecting takes a while
				if shard == 0 {
					p.end() // and fails
					if p, err = all.permit(t.Context(), shard, gap); err != nil {
						t.Error(err)
						return
					}
				}
				p.use()
				at[shard] = time.Since(began)
			})
		}
		running.Wait()
		for _, bucket := range [][]int{{0, 2}, {1, 3}} {
			if apart := (at[bucket[0]] - at[bucket[1]]).Abs(); apart < gap {
				t.Errorf("shards %v identified %s apart, want %s", bucket, apart, gap)
			}
		}
		if last := slices.Max(at); last > 10*time.Second {
			t.Errorf("the last one waited %s: buckets wait for each other", last)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := all.permit(ctx, 0, gap); err == nil {
			t.Error("a permit was given to one who had ended")
		}
		if p, err := all.permit(t.Context(), 0, gap); err != nil || time.Since(began) < gap {
			t.Errorf("%v: a permit that nobody took is gone", err)
		} else {
			p.end()
		}
	})
}

func TestAShardThatBreaksAgainAndAgainIdentifiesSeldom(t *testing.T) {
	now := time.Now()
	var s starts
	for n := range manyStarts {
		if wait := s.wait(now); wait != 0 {
			t.Errorf("IDENTIFY %d waits %s", n, wait)
		}
		s = append(s, now)
		now = now.Add(6 * time.Second)
	}
	if wait := s.wait(now); wait != slowStart-6*time.Second {
		t.Errorf("after %d the next waits %s", manyStarts, wait)
	}
	if wait := s.wait(now.Add(startsKept)); wait != 0 {
		t.Errorf("after ten minutes the next waits %s", wait)
	}
}

// Around the moment at which the sessions of a new day are there, Discord may tell a
// shard to wait for nothing.
func TestAShardThatMustWaitForNothingWaits(t *testing.T) {
	for _, told := range []time.Duration{-time.Minute, 0, time.Millisecond} {
		if pause := new(shard).pauseAfter(&chat.RateLimited{After: told}); pause < firstBackoff || pause > 2*firstBackoff {
			t.Errorf("told to wait %s it waits %s", told, pause)
		}
	}
}
