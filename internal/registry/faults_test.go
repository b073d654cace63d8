package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/provider"
	"parley/internal/registry"
	"parley/internal/secret"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

func TestEverythingIsStillThereAfterTheStoreWasOpenedAnew(t *testing.T) {
	key := newKey()
	fill := func(t *testing.T, r *registry.Registry) {
		t.Helper()
		if _, err := put(t, r, corp()); err != nil {
			t.Fatal(err)
		}
		if err := r.SetDefault(t.Context(), somebody(), "helper", &registry.Choice{Provider: "corp-gateway", Model: "gpt-4o"}); err != nil {
			t.Fatal(err)
		}
		if err := r.Choose(t.Context(), somebody(), "helper", chat.Place{Platform: "slack", Channel: "C1"}, &registry.Choice{Provider: "lab", Model: "m"}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(t *testing.T, r *registry.Registry) {
		t.Helper()
		if e, ok := r.Provider("corp-gateway"); !ok || !equal(e.Provider, corp()) {
			t.Errorf("the provider: %v %v", e, ok)
		}
		if c, ok := r.Default("helper"); !ok || c.Model != "gpt-4o" {
			t.Errorf("the default: %v %v", c, ok)
		}
		if c, ok, err := r.Choice(t.Context(), "helper", chat.Place{Platform: "slack", Channel: "C1"}); err != nil || !ok || c.Model != "m" {
			t.Errorf("the choice: %v %v %v", c, ok, err)
		}
	}
	openStore := func(t *testing.T, o store.Options) *store.Store {
		t.Helper()
		o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
		s, err := store.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	again := func(t *testing.T, o store.Options) {
		t.Helper()
		s := openStore(t, o)
		fill(t, open(t, options(t, s.Client, key)))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, o)
		check(t, open(t, options(t, s.Client, key)))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("embedded", func(t *testing.T) { again(t, store.Options{DataDir: t.TempDir()}) })
	t.Run("redis", func(t *testing.T) { again(t, store.Options{URL: storetest.Redis(t)}) })
}

func TestChangesOfManyReplicasAreAllKept(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		key := newKey()
		const replicas, changes = 4, 10
		var wg sync.WaitGroup
		for n := range replicas {
			r := open(t, options(t, c, key))
			wg.Go(func() {
				for i := range changes {
					p := corp()
					p.ID = fmt.Sprintf("p-%d-%d", n, i)
					for {
						_, err := put(t, r, p)
						if err == nil {
							break
						}
						if !errors.Is(err, registry.ErrBusy) {
							t.Error(err)
							return
						}
					}
				}
			})
		}
		wg.Wait()
		if got := len(open(t, options(t, c, key)).Providers()); got != replicas*changes {
			t.Errorf("%d providers of %d", got, replicas*changes)
		}
	})
}

// A change is made of what is stored, never of what this replica happens to
// have seen.
func TestAChangeSeesWhatAnotherReplicaJustStored(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		key := newKey()
		a, b := open(t, options(t, c, key)), open(t, options(t, c, key)) // neither follows
		if _, err := put(t, a, corp()); err != nil {
			t.Fatal(err)
		}
		p := corp()
		p.Name, p.APIKey = "by b", secret.New(provider.Kept)
		stored, created, err := b.Revise(t.Context(), somebody(), registry.Revision{Provider: p})
		if err != nil || created || stored.APIKey.Reveal() != apiKey {
			t.Errorf("b does not see a's record: %v, created %v, %v", err, created, stored)
		}
		if removed, err := a.Remove(t.Context(), somebody(), "corp-gateway"); err != nil || !removed {
			t.Error(removed, err)
		}
		if removed, err := b.Remove(t.Context(), somebody(), "corp-gateway"); err != nil || removed {
			t.Error("removed twice", err)
		}
	})
}

func TestOneOfManyReplicasAppliesTheFile(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		var log syncBuffer
		o := options(t, c, newKey())
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		o.File, o.FileDigest = map[string]provider.Provider{"corp-gateway": corp()}, "one"
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, err := registry.Open(t.Context(), o); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := strings.Count(log.String(), "providers file applied"); n != 1 {
			t.Errorf("applied %d times", n)
		}
	})
}

func TestAFileRecordInPlaceOfACustomOne(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		o := options(t, c, newKey())
		r := open(t, o)
		mine := corp()
		mine.Name = "Mine"
		if _, err := put(t, r, mine); err != nil {
			t.Fatal(err)
		}
		o.File, o.FileDigest = map[string]provider.Provider{"corp-gateway": corp()}, "one"
		if e, _ := open(t, o).Provider("corp-gateway"); e.Source != registry.File || e.Name != "Corp" {
			t.Errorf("a new file was not applied: %v", e)
		}
	})
}

func TestANewMasterKeyResealsWhatTheOldOneSealed(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		before, after := secret.GenerateKey("old"), secret.GenerateKey("new")
		if _, err := put(t, open(t, options(t, c, before)), corp()); err != nil {
			t.Fatal(err)
		}
		o := options(t, c, after)
		o.Ring = ring(t, after, before)
		open(t, o)
		if e, _ := open(t, options(t, c, after)).Provider("corp-gateway"); e.Problem != "" || !equal(e.Provider, corp()) {
			t.Errorf("without the old key: %v %q", e, e.Problem)
		}
	})
}

func TestARecordWhoseKeyIsGoneIsShownAndCanBePutAnew(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		if _, err := put(t, open(t, options(t, c, newKey())), corp()); err != nil {
			t.Fatal(err)
		}
		stored := contents(t, c)
		r := open(t, options(t, c, secret.GenerateKey("b")))
		e, ok := r.Provider("corp-gateway")
		if !ok || !strings.Contains(e.Problem, "MASTER_KEYS") || e.Endpoint != corp().Endpoint {
			t.Errorf("%v %q", e, e.Problem)
		}
		if contents(t, c) != stored {
			t.Error("a record that cannot be opened was overwritten")
		}
		if _, err := put(t, r, corp()); err != nil {
			t.Fatal(err)
		}
		if e, _ := r.Provider("corp-gateway"); e.Problem != "" || e.APIKey.Reveal() != apiKey {
			t.Errorf("put anew: %v %q", e, e.Problem)
		}
	})
}

// During a rolling change of keys, one replica seals with a key that another
// does not have yet.
func TestAReplicaWithoutTheNewKeyGoesOnWithWhatItKnows(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		before, after := secret.GenerateKey("old"), secret.GenerateKey("new")
		old := open(t, options(t, c, before))
		follow(t, old)
		if _, err := put(t, old, corp()); err != nil {
			t.Fatal(err)
		}
		o := options(t, c, after)
		o.Ring = ring(t, after, before)
		fresh := open(t, o) // seals anew
		if err := fresh.SetDefault(t.Context(), somebody(), "helper", &registry.Choice{Provider: "corp-gateway"}); err != nil {
			t.Fatal(err)
		}
		until(t, "the old replica has read it", func() bool { _, ok := old.Default("helper"); return ok })
		if e, _ := old.Provider("corp-gateway"); e.Problem != "" || e.APIKey.Reveal() != apiKey {
			t.Errorf("the old replica lost the key: %q", e.Problem)
		}
	})
}

func TestASealedRecordMovedToAnotherIdDoesNotOpen(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		o := options(t, c, newKey())
		if _, err := put(t, open(t, o), corp()); err != nil {
			t.Fatal(err)
		}
		const hash = "test:{registry}:providers"
		text := c.HGet(t.Context(), hash, "corp-gateway").Val()
		c.HSet(t.Context(), hash, "evil", strings.ReplaceAll(text, "llm.corp.example", "evil.example"))
		if e, ok := open(t, o).Provider("evil"); ok && (e.Problem == "" || !e.APIKey.IsZero()) {
			t.Error("a key was opened for another record")
		}
	})
}

func TestDamagedRecordsHarmNothingElse(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		o := options(t, c, newKey())
		if _, err := put(t, open(t, o), corp()); err != nil {
			t.Fatal(err)
		}
		const base = "test:{registry}:"
		c.HSet(t.Context(), base+"providers", "broken", "{", "newer", `{"v":99,"record":{}}`)
		c.HSet(t.Context(), base+"defaults", "helper", "{")
		c.HSet(t.Context(), base+"learned", "corp-gateway/gpt-4o", "{")
		r := open(t, o)
		if len(r.Providers()) != 1 {
			t.Errorf("%v", r.Providers())
		}
		if _, ok := r.Default("helper"); ok {
			t.Error("a damaged default counts")
		}
		if err := r.Learn(t.Context(), "corp-gateway", "gpt-4o", provider.Quirks{Drop: []string{"stop"}}); err != nil {
			t.Error(err)
		}
	})
}

func TestAnOutageKeepsWhatWasKnown(t *testing.T) {
	server := storetest.Start(t)
	c := redis.NewClient(&redis.Options{Addr: server.Addr, MaxRetries: -1})
	defer c.Close()
	r := open(t, options(t, c, newKey()))
	follow(t, r)
	if _, err := put(t, r, corp()); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	changed := corp()
	changed.Name = "lost"
	if _, err := put(t, r, changed); err == nil {
		t.Error("a change was confirmed without a store")
	}
	if _, _, err := r.Choice(t.Context(), "helper", chat.Place{Channel: "C1"}); err == nil {
		t.Error("a choice was read without a store")
	}
	if e, ok := r.Provider("corp-gateway"); !ok || e.Name != "Corp" || e.APIKey.Reveal() != apiKey {
		t.Errorf("forgotten: %v %v", e, ok)
	}
}

// A lost word must not hide a change: the poll finds it.
func TestAChangeIsSeenWithoutItsWord(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		key := newKey()
		a, b := open(t, options(t, c, key)), open(t, options(t, deaf{c}, key))
		follow(t, b)
		if _, err := put(t, a, corp()); err != nil {
			t.Fatal(err)
		}
		until(t, "the poll finds the change", func() bool { _, ok := b.Provider("corp-gateway"); return ok })
	})
}

// deaf hears no published word.
type deaf struct{ redis.UniversalClient }

func (d deaf) Subscribe(ctx context.Context, _ ...string) *redis.PubSub {
	return d.UniversalClient.Subscribe(ctx, "nothing")
}

func TestABuiltinsKeyIsFollowedNotCopied(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		o := options(t, c, newKey())
		builtin := func(key string) []provider.Provider {
			return []provider.Provider{{ID: "openai", Name: "OpenAI", Endpoint: "https://api.openai.com/v1/chat/completions", APIKey: secret.New(key)}}
		}
		o.Builtins = builtin("sk-one")
		r := open(t, o)
		edited := builtin("sk-one")[0]
		edited.Name = "Edited"
		if _, err := put(t, r, edited); err != nil {
			t.Fatal(err)
		}
		o.Builtins = builtin("sk-two")
		if e, _ := open(t, o).Provider("openai"); e.Name != "Edited" || e.APIKey.Reveal() != "sk-two" {
			t.Errorf("after the variable changed: %v", e)
		}
		o.Builtins = nil
		if e, ok := open(t, o).Provider("openai"); !ok || e.Problem == "" || !e.APIKey.IsZero() {
			t.Errorf("after the variable is gone: %v %q", e, e.Problem)
		}
		r.SetBuiltins(nil)
		if e, _ := r.Provider("openai"); e.Problem == "" {
			t.Error("SetBuiltins did not count")
		}
	})
}

func TestNoSecretIsLogged(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		var log syncBuffer
		o := options(t, c, newKey())
		o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		r := open(t, o)
		if _, err := put(t, r, corp()); err != nil {
			t.Fatal(err)
		}
		o.Ring = ring(t, secret.GenerateKey("b"))
		open(t, o)
		e, _ := r.Provider("corp-gateway")
		shown := log.String() + fmt.Sprintf("%v %+v %#v", e.APIKey, e.ExtraHeaders, e.ExtraHeaders)
		for _, s := range []string{apiKey, headerKey} {
			if strings.Contains(shown, s) {
				t.Errorf("shows %q", s)
			}
		}
		if log.String() == "" {
			t.Error("nothing is logged at all")
		}
	})
}

// syncBuffer is a log that several goroutines write to.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// In a cluster every script must stay within one slot.
func TestRedisCluster(t *testing.T) {
	server := storetest.Start(t, "--cluster-enabled", "yes")
	single := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer single.Close()
	if err := single.Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	until(t, "the cluster is up", func() bool {
		return strings.Contains(single.ClusterInfo(t.Context()).Val(), "cluster_state:ok")
	})
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{server.Addr}})
	defer c.Close()
	key := newKey()
	a, b := open(t, options(t, c, key)), open(t, options(t, c, key))
	follow(t, b)
	if _, err := put(t, a, corp()); err != nil {
		t.Fatal(err)
	}
	if err := a.Learn(t.Context(), "corp-gateway", "gpt-4o", provider.Quirks{Drop: []string{"stop"}}); err != nil {
		t.Fatal(err)
	}
	until(t, "b sees a's changes", func() bool { return !b.Learned("corp-gateway", "gpt-4o").IsZero() })
	p := chat.Place{Platform: "slack", Workspace: "T", Channel: "C", Thread: "1"}
	if err := a.Choose(t.Context(), somebody(), "helper", p, &registry.Choice{Provider: "corp-gateway", Model: "gpt-4o"}); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := b.Choice(t.Context(), "helper", p); err != nil || !ok || got.Model != "gpt-4o" {
		t.Error(got, ok, err)
	}
}
