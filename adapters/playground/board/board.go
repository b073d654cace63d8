// Package board keeps the playground's messages in Redis: sealed records in
// rooms, in the order they were added, and a feed of what changed for every
// replica. It does not know what a record says.
//
// Keys, all in one slot (prefix:{playground}:board:…):
//
//	rec:<id>     a sealed record, gone a month after it was added
//	room:<room>  sorted set of ids by the time they were added, in microseconds
//	changes      the publish channel: room, id, note as JSON
package board

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/secret"
)

const (
	// keepRecords is how many records a room keeps; older ones are removed.
	keepRecords = 500
	// keepFor is how long a record and an unused room are kept.
	keepFor = 30 * 24 * time.Hour
)

// Options is what New needs; all but Log are required.
type Options struct {
	Client redis.UniversalClient
	Prefix string // REDIS_PREFIX
	Ring   *secret.Ring
	Log    *slog.Logger
}

// Board implements playground.Board. It is safe for concurrent use.
type Board struct {
	client redis.UniversalClient
	base   string
	ring   *secret.Ring
	log    *slog.Logger
	keep   int64
}

// New makes a board. It does not call Redis.
func New(o Options) *Board {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Board{client: o.Client, base: o.Prefix + ":{playground}:board:", ring: o.Ring, log: o.Log, keep: keepRecords}
}

func (b *Board) record(id string) string { return b.base + "rec:" + id }
func (b *Board) room(room string) string { return b.base + "room:" + room }
func (b *Board) changes() string         { return b.base + "changes" }

// Add appends a record to a room. If a record with the id exists, it stays
// unchanged, and added is false; if a crash kept it out of the room, Add puts
// it there.
func (b *Board) Add(ctx context.Context, room, id string, at time.Time, data []byte) (added bool, err error) {
	var first *redis.BoolCmd
	_, err = b.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		first = p.SetNX(ctx, b.record(id), b.ring.Seal(data, b.record(id)), keepFor)
		p.ZAddNX(ctx, b.room(room), redis.Z{Score: float64(at.UnixMicro()), Member: id})
		p.Expire(ctx, b.room(room), keepFor)
		p.Publish(ctx, b.changes(), notice{room, id, ""}.encode())
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("add to board: %w", err)
	}
	b.trim(ctx, room)
	return first.Val(), nil
}

// trim removes the oldest records. If it fails, the next Add tries again.
func (b *Board) trim(ctx context.Context, room string) {
	old, err := b.client.ZRange(ctx, b.room(room), 0, -b.keep-1).Result()
	if err != nil || len(old) == 0 {
		return
	}
	keys := make([]string, len(old))
	members := make([]any, len(old))
	for i, id := range old {
		keys[i], members[i] = b.record(id), id
	}
	_, err = b.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.ZRem(ctx, b.room(room), members...)
		p.Del(ctx, keys...)
		return nil
	})
	if err != nil {
		b.log.WarnContext(ctx, "board keeps more than it should", "room", room, "error", err)
	}
}

// Set replaces a record; found is false if there is none.
func (b *Board) Set(ctx context.Context, room, id string, data []byte) (found bool, err error) {
	err = b.client.SetArgs(ctx, b.record(id), b.ring.Seal(data, b.record(id)), redis.SetArgs{Mode: "XX", KeepTTL: true}).Err()
	switch {
	case errors.Is(err, redis.Nil):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("change on board: %w", err)
	}
	// The record is stored; without the notice, pages only learn of it later.
	if err := b.client.Publish(ctx, b.changes(), notice{room, id, ""}.encode()).Err(); err != nil {
		b.log.WarnContext(ctx, "board cannot tell of a change", "error", err)
	}
	return true, nil
}

// Remove deletes a record. It is not an error if there is none.
func (b *Board) Remove(ctx context.Context, room, id string) error {
	_, err := b.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.ZRem(ctx, b.room(room), id)
		p.Del(ctx, b.record(id))
		p.Publish(ctx, b.changes(), notice{room, id, ""}.encode())
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove from board: %w", err)
	}
	return nil
}

// Get reads one record.
func (b *Board) Get(ctx context.Context, id string) (data []byte, found bool, err error) {
	sealed, err := b.client.Get(ctx, b.record(id)).Bytes()
	switch {
	case errors.Is(err, redis.Nil):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("read board: %w", err)
	}
	data, _, err = b.ring.Open(sealed, b.record(id))
	if err != nil {
		return nil, false, fmt.Errorf("read board: %w", err)
	}
	return data, true, nil
}

// List reads the last n records of a room that were added before a time (the
// zero time: up to now), oldest first. It skips records that cannot be
// decrypted.
func (b *Board) List(ctx context.Context, room string, before time.Time, n int) (ids []string, data [][]byte, err error) {
	end := "+inf"
	if !before.IsZero() {
		end = "(" + strconv.FormatInt(before.UnixMicro(), 10)
	}
	names, err := b.client.ZRangeArgs(ctx, redis.ZRangeArgs{
		Key: b.room(room), Start: end, Stop: "-inf", ByScore: true, Rev: true, Count: int64(n), // Rev: from the high end
	}).Result()
	if err != nil {
		return nil, nil, fmt.Errorf("list board: %w", err)
	}
	if len(names) == 0 {
		return nil, nil, nil
	}
	keys := make([]string, len(names))
	for i, id := range names {
		keys[i] = b.record(id)
	}
	values, err := b.client.MGet(ctx, keys...).Result()
	if err != nil {
		return nil, nil, fmt.Errorf("list board: %w", err)
	}
	for i := range slices.Backward(names) {
		sealed, there := values[i].(string)
		if !there {
			continue
		}
		plain, _, err := b.ring.Open([]byte(sealed), keys[i])
		if err != nil {
			b.log.WarnContext(ctx, "board leaves out a record", "record", names[i], "error", err)
			continue
		}
		ids, data = append(ids, names[i]), append(data, plain)
	}
	return ids, data, nil
}

// Sizes counts the records of each room and says when the last was added, in
// one round trip.
func (b *Board) Sizes(ctx context.Context, rooms []string) (counts []int, last []time.Time, err error) {
	counts, last = make([]int, len(rooms)), make([]time.Time, len(rooms))
	sizes, ends := make([]*redis.IntCmd, len(rooms)), make([]*redis.ZSliceCmd, len(rooms))
	_, err = b.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, room := range rooms {
			sizes[i] = p.ZCard(ctx, b.room(room))
			ends[i] = p.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{Key: b.room(room), Start: 0, Stop: 0, Rev: true})
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("count board: %w", err)
	}
	for i := range rooms {
		counts[i] = int(sizes[i].Val())
		if end := ends[i].Val(); len(end) > 0 {
			last[i] = time.UnixMicro(int64(end[0].Score))
		}
	}
	return counts, last, nil
}

// notice is what is published: names only, never message text.
type notice struct {
	Room string `json:"room"`
	ID   string `json:"id,omitempty"`
	Note string `json:"note,omitempty"`
}

func (n notice) encode() []byte {
	out, _ := json.Marshal(n) // strings always marshal
	return out
}

// Signal sends every watcher a note that is not stored.
func (b *Board) Signal(ctx context.Context, room, note string) error {
	return b.client.Publish(ctx, b.changes(), notice{room, "", note}.encode()).Err()
}

// alive is how often to check a quiet feed, to notice a connection that died
// silently.
const alive = 15 * time.Second

// Watch calls changed for every record that any replica adds, replaces or
// removes, for every signal, and with an empty room whenever it may have
// missed changes. It returns when ctx ends or the feed breaks.
func (b *Board) Watch(ctx context.Context, changed func(room, id, note string)) error {
	sub := b.client.Subscribe(ctx, b.changes())
	closed := context.AfterFunc(ctx, func() { _ = sub.Close() }) // a receive does not see ctx
	defer func() {
		if closed() {
			_ = sub.Close()
		}
	}()
	for pinged := false; ; {
		message, err := sub.ReceiveTimeout(ctx, alive)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if timeout, ok := err.(interface{ Timeout() bool }); ok && timeout.Timeout() && !pinged {
			if err := sub.Ping(ctx); err != nil {
				return fmt.Errorf("watch board: %w", err)
			}
			pinged = true
			continue
		}
		if err != nil {
			return fmt.Errorf("watch board: %w", err)
		}
		pinged = false
		switch m := message.(type) {
		case *redis.Subscription:
			changed("", "", "") // subscribed now: what came before was not heard
		case *redis.Message:
			var n notice
			if json.Unmarshal([]byte(m.Payload), &n) == nil && n.Room != "" {
				changed(n.Room, n.ID, n.Note)
			}
		}
	}
}
