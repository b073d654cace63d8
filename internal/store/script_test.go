package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"parley/internal/store"
	"parley/internal/store/storetest"
)

// A script gives the same in the embedded store as in Redis, whichever way the
// embedded store runs it.
func TestScriptsGiveWhatRedisGives(t *testing.T) {
	embedded, genuine := storetest.Open(t, ""), storetest.Open(t, storetest.Redis(t))
	for _, source := range []string{
		`return 1`, `return 3.99`, `return -2.5`, `return 9007199254740991`, `return 'text'`, `return true`, `return false`, `return nil`, ``,
		`return {1, 'two', {3, {'four'}}, true, false, 5}`, `return {1, nil, 3}`, `return {}`, `return {ok='FINE'}`, `return {err='ERR mine'}`,
		`return {KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3], #KEYS, #ARGV}`,
		`return redis.call('GET', 'nothing')`, `return redis.call('GET', 'nothing') == false`,
		`return redis.call('SET', KEYS[1], ARGV[1])`, `return redis.call('SET', KEYS[1], ARGV[1]).ok`,
		`redis.call('RPUSH', KEYS[2], 1, 2.5, 'x') return redis.call('LRANGE', KEYS[2], 0, -1)`,
		`return redis.call('INCR', KEYS[1])`, // not a number: an error of the command
		`return redis.call('LPUSH', KEYS[1], 'x')`,
		`return redis.pcall('LPUSH', KEYS[1], 'x')`,
		`local r = redis.pcall('LPUSH', KEYS[1], 'x') return type(r) == 'table' and string.sub(r.err, 1, 9)`,
		`redis.call('HSET', 'h', 'a', '1') return redis.call('HGETALL', 'h')`,
		`return redis.call('HINCRBYFLOAT', 'h', 'f', '0.1')`,
		`return redis.call('EXISTS', KEYS[1], KEYS[2]) + 1`,
		`return redis.call('ZADD', 'z', 1.5, 'm')`, `return redis.call('ZSCORE', 'z', 'm')`,
		`return tonumber(string.match('17.abc', '^%d+')) + 1`, `return string.format('%d-0', 10000000000000)`,
		`local t = {} for i = 1, 300 do t[i] = i end return #t`,
		`return redis.call('XADD', 'x', '5-0', 'f', 'v')`, `return redis.call('XRANGE', 'x', '-', '+')`,
		`return redis.call()`, `return redis.call('NOSUCH')`, `return redis.call('GET')`, `error('mine')`, `return nosuch.field`,
		`return cjson.encode({1, 2})`, `return redis.sha1hex('x')`, `return redis.error_reply('MINE text')`,
		`return redis.call('PUBLISH', 'c', 'm')`, `return math.floor(2.7)`, `return table.concat({'a', 'b'}, ',')`,
		`return "binary\0bytes\r\n"`, `syntax error here`,
	} {
		for attempt, run := range map[string]func(s *store.Store) *redis.Cmd{
			"eval": func(s *store.Store) *redis.Cmd {
				return s.Client.Eval(t.Context(), source, []string{"k1", "k2"}, "a1", 2, "")
			},
			"sha": func(s *store.Store) *redis.Cmd {
				return redis.NewScript(source).Run(t.Context(), s.Client, []string{"k1", "k2"}, "a1", 2, "")
			},
		} {
			got, want := outcome(run(embedded)), outcome(run(genuine))
			if got != want {
				t.Errorf("%s of %q\nembedded: %s\n   redis: %s", attempt, source, got, want)
			}
		}
		for _, s := range []*store.Store{embedded, genuine} { // the second attempt finds the same
			if err := s.Client.FlushDB(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range []*store.Store{embedded, genuine} {
			s.Client.Set(t.Context(), "k1", "text", 0)
		}
	}
}

// outcome is a reply as text; of an error only its code, the words differ.
func outcome(cmd *redis.Cmd) string {
	v, err := cmd.Result()
	switch {
	case errors.Is(err, redis.Nil):
		return "nil"
	case err != nil:
		code, _, _ := strings.Cut(err.Error(), " ")
		return "error " + code
	}
	return fmt.Sprintf("%T %q", v, fmt.Sprint(v))
}

func TestAScriptIsWholeForThoseWhoRead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		script := redis.NewScript(`
			for i = 1, 50 do redis.call('INCR', KEYS[1]) end
			return redis.call('GET', KEYS[1])`)
		done := make(chan error, 1)
		go func() {
			var err error
			for range 50 {
				if err = script.Run(ctx, s.Client, []string{"n"}).Err(); err != nil {
					break
				}
			}
			done <- err
		}()
		for {
			if n, err := s.Client.Get(ctx, "n").Int(); err == nil && n%50 != 0 {
				t.Fatalf("a reader saw a script half done: %d", n)
			}
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				return
			default:
			}
		}
	})
}

func TestSubscribersHearWhatIsPublished(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		for range 3 { // also after others have gone
			sub := s.Client.Subscribe(ctx, "news")
			if _, err := sub.Receive(ctx); err != nil {
				t.Fatal(err)
			}
			if err := s.Client.Publish(ctx, "news", "plain").Err(); err != nil {
				t.Fatal(err)
			}
			if err := s.Client.Eval(ctx, `return redis.call('PUBLISH', KEYS[1], ARGV[1])`, []string{"news"}, "by script").Err(); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"plain", "by script"} {
				m, err := sub.ReceiveMessage(ctx)
				if err != nil || m.Payload != want {
					t.Fatalf("heard %v, %v; want %q", m, err, want)
				}
			}
			if err := sub.Close(); err != nil {
				t.Fatal(err)
			}
		}
		within(t, func(ctx context.Context) bool { return s.Client.PubSubNumSub(ctx, "news").Val()["news"] == 0 })
	})
}
