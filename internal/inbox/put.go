// Storing a message: deduplicated and, if asked for, replicated before the
// platform is told that it was received.

package inbox

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
)

const (
	seenSpan   = 12 * time.Hour      // of one set of seen keys; two older ones are asked too
	seenTTL    = 48 * time.Hour      // so a key is remembered for 24 to 36 hours
	joinedSpan = 30 * 24 * time.Hour // likewise: a thread is followed for 60 to 90 days
	joinedTTL  = 120 * 24 * time.Hour

	// replicaWait is how long Put waits for replicas: platforms want an answer
	// within three seconds.
	replicaWait = time.Second
)

// Put stores m for the owner of its scope, unless it was stored within the last
// 24 hours, was deleted meanwhile, or is a Thread message in a thread where the bot
// takes no part. A Mention, an Answer or a Direct message in a thread, or a Joined
// one, makes the bot take part, for 60 days after the last message to it. Nil means
// that the message is safe, on replicas too. After any error but
// chat.ErrUnstorable the platform must deliver it again.
func (i *Inbox) Put(ctx context.Context, m chat.Message) error {
	began := time.Now()
	if err := checkScope(m.Scope); err != nil {
		return err
	}
	if m.Key == "" {
		return fmt.Errorf("%w: without a key it cannot be deduplicated", chat.ErrUnstorable)
	}
	if i.early.has(m.Scope, digest(m.Key), began) {
		return nil // the person has deleted it already
	}
	if y := m.At.Year(); y < 2000 || y >= 10000 {
		m.At = began // a platform's time that no clock can have shown
	}
	plain, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("%w: it cannot be encoded: %w", chat.ErrUnstorable, err)
	}
	turn := newTurnID()
	sealed := i.o.Ring.Seal(plain, i.eventPlace(m.Scope, turn))
	select {
	case i.puts <- struct{}{}:
		defer func() { <-i.puts }()
	case <-ctx.Done():
		return fmt.Errorf("store a message: %w", context.Cause(ctx))
	}
	if err := i.announceScope(ctx, m.Scope); err != nil {
		return fmt.Errorf("store a message: %w", err)
	}
	keys := []string{i.ScopeKey(m.Scope, "events"), i.ScopeKey(m.Scope, "events", "last")}
	keys = append(keys, i.spans(m.Scope, "seen", began, seenSpan)...)
	keys = append(keys, i.spans(m.Scope, "joined", began, joinedSpan)...)
	mode, thread := threadMode(m)
	wait := "0"
	if i.o.WaitReplicas > 0 {
		wait = "1"
	}
	args := []any{digest(m.Key), seenTTL.Milliseconds(), mode, thread, joinedTTL.Milliseconds(), turn, chat.NewRef(), sealed, i.channel(), m.Scope, wait, began.UnixMilli()}
	id, err := i.store(ctx, keys, args)
	if err != nil {
		return fmt.Errorf("store a message: %w", err)
	}
	if t := i.tenure(m.Scope); t != nil && id > 0 {
		t.lookFor(id)
	}
	return nil
}

// eventPlace is the additional data a stored message is sealed with.
func (i *Inbox) eventPlace(scope, turn string) string {
	return i.ScopeKey(scope, "events") + "/" + turn
}

// spans names the sets that together cover the last two spans and more: the
// current one, two before it, and the one after it, because another process's
// clock may be ahead.
func (i *Inbox) spans(scope, name string, now time.Time, span time.Duration) []string {
	n := now.Unix() / int64(span/time.Second)
	keys := make([]string, 0, 4)
	for _, k := range []int64{n, n - 1, n - 2, n + 1} {
		keys = append(keys, i.ScopeKey(scope, name, strconv.FormatInt(k, 10)))
	}
	return keys
}

// threadMode says what a message means for taking part in its thread: "only"
// if the bot does already, "join" to begin, "" for neither.
func threadMode(m chat.Message) (mode, thread string) {
	if m.Trigger == chat.Thread && !m.Joined {
		return "only", digest(m.Place.Channel + "/" + m.Place.Thread)
	}
	if m.Place.Thread == "" {
		return "", ""
	}
	return "join", digest(m.Place.Channel + "/" + m.Place.Thread)
}

// digest shortens what is only compared, and keeps it from readers of Redis.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func (i *Inbox) store(ctx context.Context, keys []string, args []any) (int64, error) {
	if i.o.WaitReplicas <= 0 {
		return i.scripts.put.Run(ctx, i.o.Client, keys, args...).Int64()
	}
	id, err := i.storeReplicated(ctx, keys, args, true)
	switch {
	case err != nil && redis.HasErrorPrefix(err, "NOSCRIPT"):
		return i.storeReplicated(ctx, keys, args, false)
	case err != nil && redis.HasErrorPrefix(err, "MOVED"):
		if c, ok := i.o.Client.(*redis.ClusterClient); ok {
			c.ReloadState(ctx)
			return i.storeReplicated(ctx, keys, args, false)
		}
	}
	return id, err
}

// storeReplicated runs the script and WAIT on one connection: WAIT counts the
// replicas that hold what its own connection wrote.
func (i *Inbox) storeReplicated(ctx context.Context, keys []string, args []any, bySHA bool) (int64, error) {
	node, err := i.node(ctx, keys[0])
	if err != nil {
		return 0, err
	}
	var stored *redis.Cmd
	var held *redis.Cmd
	_, err = node.Pipelined(ctx, func(p redis.Pipeliner) error {
		if bySHA {
			stored = i.scripts.put.EvalSha(ctx, p, keys, args...)
		} else {
			stored = i.scripts.put.Eval(ctx, p, keys, args...)
		}
		held = p.Do(ctx, "WAIT", i.o.WaitReplicas, replicaWait.Milliseconds())
		return nil
	})
	id, storeErr := stored.Int64()
	if storeErr != nil {
		return 0, storeErr
	}
	if err != nil {
		return 0, err
	}
	n, err := held.Int64()
	if err != nil {
		return 0, err
	}
	if id >= 0 && n < int64(i.o.WaitReplicas) {
		return 0, fmt.Errorf("only %d of %d replicas held it within %s (REDIS_WAIT_REPLICAS)", n, i.o.WaitReplicas, replicaWait)
	}
	return id, nil
}

// node is the client of the server that holds key.
func (i *Inbox) node(ctx context.Context, key string) (redis.Cmdable, error) {
	switch c := i.o.Client.(type) {
	case *redis.ClusterClient:
		return c.MasterForKey(ctx, key)
	default:
		return c, nil
	}
}
