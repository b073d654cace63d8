package inboxtest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/inbox"
	"parley/internal/inbox/inboxtest"
)

const scope = "test:1"

func question(key string) chat.Message {
	return chat.Message{
		Key: key, ID: chat.MessageID(key), Scope: scope, Bot: "helper", Trigger: chat.Mention, Text: "hello",
		Place: chat.Place{Platform: "test", Channel: "C1"}, Author: chat.Author{ID: "U1"}, At: time.Now(),
	}
}

func TestATurnIsClosedAndTakenOver(t *testing.T) {
	t.Parallel()
	k := inboxtest.New(t)
	first, second := k.Inbox(), k.Inbox()
	begun := make(chan struct{}, 1)
	ended, stop := k.Run(first, func(ctx context.Context, turn *inbox.Turn) error {
		if err := turn.Record(ctx, inbox.Part{Key: "0", ID: "m0", Text: "Half"}); err != nil {
			return err
		}
		begun <- struct{}{}
		<-ctx.Done()
		return context.Cause(ctx)
	})
	k.Put(first, question("1"))
	inboxtest.Next(t, begun)
	stop()
	if e := inboxtest.Next(t, ended); !errors.Is(e.Err, inbox.ErrHandedOver) {
		t.Errorf("the first attempt ended with %v", e.Err)
	}
	ended, _ = k.Run(second, func(ctx context.Context, turn *inbox.Turn) error { return turn.Close(ctx) })
	e := inboxtest.Next(t, ended)
	if e.Err != nil || e.Turn.Attempt != 2 || len(e.Turn.Posted) != 1 || e.Turn.Posted[0].Text != "Half" {
		t.Errorf("the second attempt: %+v, %v", e.Turn, e.Err)
	}
	if n := k.Open(second, scope); n != 0 {
		t.Errorf("%d messages are open", n)
	}
}

func TestAStolenScopeIsLost(t *testing.T) {
	t.Parallel()
	k := inboxtest.New(t)
	in := k.Inbox()
	ended, _ := k.Run(in, func(ctx context.Context, turn *inbox.Turn) error {
		if turn.Attempt == 1 {
			k.Steal(in, scope)
		}
		return turn.Close(ctx)
	})
	k.Put(in, question("1"))
	if e := inboxtest.Next(t, ended); !errors.Is(e.Err, inbox.ErrLost) {
		t.Errorf("the first attempt ended with %v", e.Err)
	}
	if e := inboxtest.Next(t, ended); e.Err != nil || e.Turn.Attempt != 2 {
		t.Errorf("attempt %d ended with %v", e.Turn.Attempt, e.Err)
	}
}
