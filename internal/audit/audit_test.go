package audit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/audit"
	"parley/internal/audit/audittest"
	"parley/internal/chat"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

const base = "test:{things}:"

var set = audit.NewScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
return 7`)

func each(t *testing.T, test func(t *testing.T, c redis.UniversalClient)) {
	storetest.Each(t, func(t *testing.T, s *store.Store) { test(t, s.Client) })
}

func ada() chat.Actor {
	return chat.PersonAt(chat.Place{Platform: "irc", Workspace: "W1"}, chat.Author{ID: "U1", Name: "Ada"})
}

func named(target string) chat.Change {
	return chat.Change{By: ada(), Action: "thing.put", Target: target}
}

// change sets the one thing there is to value.
func change(t *testing.T, c *audit.Chain, value string, changes ...chat.Change) int64 {
	t.Helper()
	n, err := c.Run(t.Context(), set, []string{base + "thing"}, []any{value}, changes...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAChangeIsWrittenWithItsEntry(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		c := audit.NewChain(client, base, 0)
		began := time.Now().UnixMilli()
		if n := change(t, c, "one", chat.Change{By: ada(), Action: "thing.put", Target: "x", Fields: []string{"model", "key"}, Values: map[string]string{"model": "lab/small", "key?": "no"}}, named("y")); n != 7 {
			t.Errorf("the step returned %d", n)
		}
		if n := change(t, c, "one", named("again")); n != 0 {
			t.Errorf("a step that changes nothing returned %d", n)
		}
		change(t, c, "two") // a change nobody needs to know of
		change(t, c, "three", chat.Change{By: chat.Actor{Kind: chat.BySession, ID: "not for the trail"}, Action: "thing.put", Target: "z"})
		if got := client.Get(t.Context(), base+"thing").Val(); got != "three" {
			t.Errorf("the thing is %q", got)
		}
		got := audittest.Read(t, client, base)
		if len(got) != 3 {
			t.Fatalf("%+v", got)
		}
		x, y, z := got[0], got[1], got[2]
		if x.At < began || x.At > time.Now().UnixMilli() || x.Prev != "" || x.Kind != chat.ByPerson || x.Via != "irc" || x.Workspace != "W1" || x.User != "U1" ||
			x.Action != "thing.put" || x.Target != "x" || !slices.Equal(x.Fields, []string{"model", "key"}) || len(x.Values) != 1 || x.Values["model"] != "lab/small" {
			t.Errorf("%+v", x)
		}
		if y.Target != "y" || y.Prev == "" || y.ID == x.ID || y.Fields != nil || y.Values != nil {
			t.Errorf("%+v", y)
		}
		if z.Target != "z" || z.Via != "api" || z.Kind != chat.BySession || z.User != "" {
			t.Errorf("%+v", z)
		}
	})
}

func TestWaysIn(t *testing.T) {
	for kind, via := range map[chat.ActorKind]string{chat.ByToken: "api", chat.BySession: "api", chat.ByFile: "file", chat.BySystem: "system"} {
		if got := (chat.Actor{Kind: kind}).Via(); got != via {
			t.Errorf("%s comes via %q", kind, got)
		}
	}
}

func TestAnEntryIsBounded(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		c := audit.NewChain(client, base, 0)
		long := strings.Repeat("ö", 10_000)
		huge := chat.Change{By: chat.Actor{Kind: chat.ByPerson, ID: long, Workspace: long}, Action: "thing.put", Target: long, Values: map[string]string{}}
		for i := range 1000 {
			huge.Fields = append(huge.Fields, fmt.Sprint(i)+long)
			huge.Values[fmt.Sprint(i)+long] = long
		}
		change(t, c, "one", huge)
		audittest.Read(t, client, base)
		if n := len(client.LIndex(t.Context(), base+"audit", 0).Val()); n > 32<<10 {
			t.Errorf("an entry of %d bytes", n)
		}
	})
}

func TestEntriesOfManyReplicasFormOneChain(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		const replicas, changes = 4, 10
		var wg sync.WaitGroup
		for n := range replicas {
			c := audit.NewChain(client, base, 0)
			for i := range changes {
				wg.Go(func() {
					value := fmt.Sprintf("%d-%d", n, i)
					for {
						_, err := c.Run(t.Context(), set, []string{base + "thing"}, []any{value}, named(value))
						if err == nil {
							return
						}
						if !errors.Is(err, audit.ErrBusy) {
							t.Error(err)
							return
						}
					}
				})
			}
		}
		wg.Wait()
		if got := audittest.Read(t, client, base); len(got) != replicas*changes {
			t.Errorf("%d entries of %d", len(got), replicas*changes)
		}
	})
}

// twice sends every script again, as a client does whose reply was lost.
type twice struct{ sent int }

func (h *twice) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *twice) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h *twice) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if err == nil && strings.HasPrefix(cmd.Name(), "eval") {
			h.sent++
			return next(ctx, cmd)
		}
		return err
	}
}

func TestAChangeWhoseReplyWasLostIsMadeOnce(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		h := &twice{}
		client.AddHook(h)
		c := audit.NewChain(client, base, 0)
		if n := change(t, c, "one", named("x")); n != 1 {
			t.Errorf("the repeated step returned %d", n)
		}
		if got := audittest.Read(t, client, base); len(got) != 1 || h.sent == 0 {
			t.Errorf("%+v after %d repetitions", got, h.sent)
		}
	})
}

func TestOldEntriesAreTrimmedAndTheChainStaysWhole(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		c := audit.NewChain(client, base, 24*time.Hour)
		now := time.Now()
		c.Limit(5, func() time.Time { return now })
		targets := func() string {
			var all []string
			for _, e := range audittest.Read(t, client, base) {
				all = append(all, e.Target)
			}
			return strings.Join(all, " ")
		}
		for i := range 4 {
			change(t, c, fmt.Sprint(i), named(fmt.Sprint(i)))
			now = now.Add(10 * time.Hour)
		}
		// 40 h after the first: 0 and 1 are too old, 2 is not.
		if err := c.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := targets(); got != "2 3" {
			t.Errorf("after a trim %q are left", got)
		}
		now = now.Add(10 * time.Hour)
		change(t, c, "4", named("4"))
		if got := targets(); got != "3 4" {
			t.Errorf("a new entry leaves %q", got)
		}
		for i := range 10 {
			change(t, c, fmt.Sprint("n", i), named(fmt.Sprint("n", i)))
		}
		if got := targets(); got != "n5 n6 n7 n8 n9" {
			t.Errorf("too many leave %q", got)
		}
		now = now.Add(100 * time.Hour)
		if err := c.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := targets(); got != "" {
			t.Errorf("all are old, and %q are left", got)
		}
		change(t, c, "last", named("last"))
		if got := audittest.Read(t, client, base); len(got) != 1 || got[0].Prev == "" {
			t.Errorf("an emptied chain goes on as %+v", got)
		}
	})
}

func TestTamperingShows(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		c := audit.NewChain(client, base, 0)
		for i := range 4 {
			change(t, c, fmt.Sprint(i), named(fmt.Sprint(i)))
		}
		lines := client.LRange(t.Context(), base+"audit", 0, -1).Val()
		head := client.HGet(t.Context(), base+"audit-state", "head").Val()
		if n := audittest.Broken(lines, "", head); n != -1 {
			t.Fatalf("an untouched chain breaks at %d", n)
		}
		altered := slices.Clone(lines)
		altered[1] = strings.Replace(altered[1], `"target":"1"`, `"target":"9"`, 1)
		for name, c := range map[string]struct {
			lines []string
			at    int
		}{
			"altered":      {altered, 2},
			"removed":      {slices.Delete(slices.Clone(lines), 1, 2), 1},
			"first gone":   {lines[1:], 0},
			"last gone":    {lines[:3], 3},
			"slipped in":   {slices.Insert(slices.Clone(lines), 2, lines[1]), 2},
			"not readable": {[]string{"{"}, 0},
		} {
			if n := audittest.Broken(c.lines, "", head); n != c.at {
				t.Errorf("%s: breaks at %d, want %d", name, n, c.at)
			}
		}
		// What was tampered with is not thrown away for its age.
		client.LSet(t.Context(), base+"audit", 0, "broken")
		c.Limit(audit.Most, func() time.Time { return time.Now().Add(1000 * 24 * time.Hour) })
		if err := c.Trim(t.Context()); err != nil || client.LLen(t.Context(), base+"audit").Val() != 4 {
			t.Error("a line that cannot be read was trimmed", err)
		}
	})
}
