// Ready, and what is said when a Redis refuses.

package store_test

import (
	"context"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"parley/internal/store"
	"parley/internal/store/storetest"
)

func TestAStoreThatTakesNoWriteIsNotReady(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do   []any
		want string
	}{
		"full":    {[]any{"CONFIG", "SET", "maxmemory", "1"}, "maxmemory"},
		"replica": {[]any{"REPLICAOF", "127.0.0.1", "1"}, "is a replica"},
		"lonely":  {[]any{"CONFIG", "SET", "min-replicas-to-write", "1"}, "min-replicas-to-write"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := storetest.Start(t)
			s := storetest.Open(t, "redis://"+server.Addr)
			if err := s.Ready(t.Context()); err != nil {
				t.Fatalf("it should be ready: %v", err)
			}
			direct := redis.NewClient(&redis.Options{Addr: server.Addr})
			defer direct.Close()
			if err := direct.Do(t.Context(), c.do...).Err(); err != nil {
				t.Fatal(err)
			}
			var err error
			within(t, func(ctx context.Context) bool { err = s.Ready(ctx); return err != nil })
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("the reason is %q, want %q in it", err, c.want)
			}
		})
	}
}

// A user whose rights end at another prefix.
func TestMissingRightsAreExplained(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	admin := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer admin.Close()
	for name, rules := range map[string][]any{
		"keys":     {"~other:*", "&*", "+@all"},
		"channels": {"~mine:*", "resetchannels", "+@all"},
		"commands": {"~mine:*", "&mine:*", "+@all", "-hmget"},
	} {
		if err := admin.Do(t.Context(), append([]any{"ACL", "SETUSER", name, "reset", "on", ">secretpw"}, rules...)...).Err(); err != nil {
			t.Fatal(err)
		}
		err := start(t, "redis://"+name+":secretpw@"+server.Addr)
		if err == nil {
			t.Errorf("%s: it started", name)
			continue
		}
		for _, part := range []string{"REDIS_URL", `"` + name + `"`, "REDIS_PREFIX=mine", "~mine:*", "&mine:*"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q is missing in %q", name, part, err)
			}
		}
		if strings.Contains(err.Error(), "secretpw") {
			t.Errorf("%s: the error holds the password", name)
		}
	}
	// The rights that the sentence asks for are enough.
	if err := admin.Do(t.Context(), "ACL", "SETUSER", "right", "reset", "on", ">secretpw", "~mine:*", "&mine:*", "+@all", "-@dangerous", "+info").Err(); err != nil {
		t.Fatal(err)
	}
	if err := start(t, "redis://right:secretpw@"+server.Addr); err != nil {
		t.Error(err)
	}
}

func start(t *testing.T, url string) error {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: url, Prefix: "mine"})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.CheckSchema(t.Context(), "v1"); err != nil {
		return err
	}
	return s.Ready(t.Context())
}
