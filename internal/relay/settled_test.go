package relay

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/inbox"
	"parley/internal/inbox/inboxtest"
)

// A reply that comes while the answer it replies to is just being closed.
func TestAReplyWaitsForTheTurnThatItRepliesTo(t *testing.T) {
	t.Parallel()
	question := func(key, author string) chat.Message {
		return chat.Message{
			Key: key, ID: chat.MessageID(key), Scope: "test:1", Bot: "helper", Trigger: chat.Mention, Text: "hello",
			Place: chat.Place{Platform: "test", Channel: "C1"}, Author: chat.Author{ID: author}, At: time.Now(),
		}
	}
	k := inboxtest.New(t)
	in := k.Inbox()
	r := &Relay{inbox: in, book: conversation.New(k.Store.Client, k.Ring, in.ScopeKey, slog.New(slog.DiscardHandler))}
	begun, end := make(chan struct{}), make(chan struct{})
	ended, _ := k.Run(in, func(ctx context.Context, turn *inbox.Turn) error {
		transcript, err := r.book.Load(ctx, turn.Message.Scope, turn.Message.Place)
		if err != nil {
			return err
		}
		w, err := r.book.Add(transcript, conversation.Exchange{ID: turn.Message.ID, Question: "hello", Answer: "Hi.", Posted: []chat.MessageID{"answer"}})
		if err != nil {
			return err
		}
		close(begun)
		<-end
		return turn.Close(ctx, w...)
	})
	k.Put(in, question("1", "ann"))
	inboxtest.Next(t, begun)

	reply := question("2", "bob")
	reply.ReplyTo = "answer"
	transcript, err := r.settled(t.Context(), reply)
	if err != nil || transcript.Holds("answer") {
		t.Fatalf("while the turn runs on: %+v, %v", transcript, err)
	}
	found := make(chan conversation.Transcript, 1)
	go func() {
		transcript, err := r.settled(t.Context(), reply)
		if err != nil {
			t.Error(err)
		}
		found <- transcript
	}()
	close(end)
	if e := inboxtest.Next(t, ended); e.Err != nil {
		t.Fatal(e.Err)
	}
	if transcript := inboxtest.Next(t, found); !transcript.Holds("answer") {
		t.Errorf("once it is closed: %+v", transcript)
	}
}
