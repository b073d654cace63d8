// Package inboxtest gives a test an inbox on an embedded store of its own, so
// that what handles turns can be tested alone: with real records, real
// takeovers and a lease that can be lost.
package inboxtest

import (
	"bytes"
	"context"
	"encoding/base64"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/inbox"
	"parley/internal/secret"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

// Kit is one store. Every Inbox made from it is another process to the others.
type Kit struct {
	Store *store.Store
	Ring  *secret.Ring
	t     testing.TB
}

// New opens a store that ends with the test.
func New(t testing.TB) *Kit {
	t.Helper()
	ring, err := secret.ParseRing("k1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32)))
	if err != nil {
		t.Fatal(err)
	}
	return &Kit{Store: storetest.Open(t, ""), Ring: ring, t: t}
}

// Inbox makes an inbox that logs to the test.
func (k *Kit) Inbox() *inbox.Inbox {
	log := slog.New(slog.NewTextHandler(k.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	return inbox.New(inbox.Options{Client: k.Store.Client, Prefix: "parley", Ring: k.Ring, Log: log})
}

// Ended is one attempt of a handler. A turn that was closed has a nil Err; one
// that was not comes again, in this process or the next.
type Ended struct {
	Turn *inbox.Turn
	Err  error
}

// Run hands messages to h until the test or stop ends it; stop does not wait for
// handlers to finish but ends their context with inbox.ErrHandedOver, so that
// the next Run on this kit takes the open turns over at once.
func (k *Kit) Run(in *inbox.Inbox, h inbox.Handler) (ended <-chan Ended, stop func()) {
	k.t.Helper()
	ends := make(chan Ended, 1000)
	ctx, cancel := context.WithCancel(context.WithoutCancel(k.t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := in.Run(ctx, func(ctx context.Context, t *inbox.Turn) error {
			err := h(ctx, t)
			ends <- Ended{t, err}
			return err
		}, inbox.RunOptions{})
		if err != nil {
			k.t.Error(err)
		}
	}()
	stop = func() {
		cancel()
		<-done
	}
	k.t.Cleanup(stop)
	return ends, stop
}

// Put stores m for whoever runs.
func (k *Kit) Put(in *inbox.Inbox, m chat.Message) {
	k.t.Helper()
	if err := in.Put(k.t.Context(), m); err != nil {
		k.t.Fatal(err)
	}
}

// Steal takes the scope from its owner without telling it, as a process does
// that finds the lease expired: the owner's next record or Close gives
// inbox.ErrLost. The scope is free then: a Run takes it, the same one too.
func (k *Kit) Steal(in *inbox.Inbox, scope string) {
	k.t.Helper()
	ctx := k.t.Context()
	_, err := k.Store.Client.TxPipelined(ctx, func(tx redis.Pipeliner) error {
		tx.Set(ctx, in.ScopeKey(scope, "owner"), "1000000.thief", 0)
		tx.Del(ctx, in.ScopeKey(scope, "owner", "lease"))
		return nil
	})
	if err != nil {
		k.t.Fatal(err)
	}
}

// Open is how many messages of scope are not closed yet.
func (k *Kit) Open(in *inbox.Inbox, scope string) int {
	k.t.Helper()
	n, err := k.Store.Client.XLen(k.t.Context(), in.ScopeKey(scope, "events")).Result()
	if err != nil {
		k.t.Fatal(err)
	}
	return int(n)
}

// Next takes from a channel, or fails the test after a minute.
func Next[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(time.Minute):
		t.Fatal("nothing came for a minute")
		panic("unreachable")
	}
}
