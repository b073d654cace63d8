package discord

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"parley/bots"
	"parley/internal/chat"
)

func TestSequenceIsHandledUpToTheFirstGap(t *testing.T) {
	s := &sequence{}
	one := s.take(1)
	two := s.take(2)
	s.skip(3)
	if s.received() != 3 || s.handled() != 0 {
		t.Errorf("received %d, handled %d, want 3 and 0", s.received(), s.handled())
	}
	s.done(two, 2)
	if s.handled() != 0 {
		t.Errorf("handled %d though the first is not", s.handled())
	}
	s.done(one, 1)
	if s.handled() != 3 || s.fresh(3) || !s.fresh(4) {
		t.Errorf("handled %d, fresh %v %v", s.handled(), s.fresh(3), s.fresh(4))
	}
	s.take(4)
	s.untake(4)
	if s.received() != 3 || !s.fresh(4) {
		t.Errorf("an event that was not taken counts as received (%d)", s.received())
	}
	s.reset() // a new session
	s.take(1)
	s.done(one, 1) // the old session's first event
	if s.handled() != 0 {
		t.Error("an event of the old session counts for the new one")
	}
}

// blocked is an inbox that takes nothing until it is opened.
type blocked struct {
	open chan struct{}
	mu   sync.Mutex
	seen int
}

func (b *blocked) Put(ctx context.Context, _ chat.Message) error {
	select {
	case <-b.open:
	case <-ctx.Done():
		return ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen++
	return nil
}

func TestABacklogIsBoundedAndNothingOfItLost(t *testing.T) {
	bot := helper("MTIzNDU2Nzg5.a.b")
	bot.Access.Users = []string{"3"}
	a, err := New(Options{Records: shared(), Bots: []bots.Bot{bot}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	in := &blocked{open: make(chan struct{})}
	a.apps[0].ports.Inbox = in
	one := a.apps[0].shards[0]
	ctx, cancel := context.WithCancel(t.Context())
	wait := one.lanes.start(ctx)
	defer func() { cancel(); wait() }()
	event := func(n int64) frame {
		d := fmt.Sprintf(`{"id":"%d","channel_id":"20","type":0,"content":"x","author":{"id":"3","username":"ann"}}`, n)
		return frame{Op: opDispatch, T: "MESSAGE_CREATE", S: &n, D: json.RawMessage(d)}
	}
	var accepted int64
	for n := int64(1); ; n++ {
		if err := one.dispatch(ctx, event(n)); err != nil {
			break
		}
		accepted = n
	}
	if accepted > laneSize+1 || one.seq.received() != accepted || one.seq.handled() != 0 {
		t.Errorf("%d accepted, %d received, %d handled", accepted, one.seq.received(), one.seq.handled())
	}
	close(in.open)
	if !one.lanes.drained(ctx) {
		t.Fatal("the backlog was not stored")
	}
	// The resume begins after the last accepted event: the refused one comes again.
	if err := one.dispatch(ctx, event(accepted)); err != nil || one.seq.received() != accepted {
		t.Errorf("an event that was accepted was taken twice: %v", err)
	}
	if err := one.dispatch(ctx, event(accepted+1)); err != nil {
		t.Errorf("the refused event is refused again: %v", err)
	}
	s := stage{t: t}
	s.eventually("all are stored", func() bool { return one.seq.handled() == accepted+1 })
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.seen != int(accepted+1) {
		t.Errorf("%d stored, want %d", in.seen, accepted+1)
	}
}

func FuzzInteraction(f *testing.F) {
	f.Add([]byte(`{"id":"12345","type":2,"token":"t","guild_id":"10","channel_id":"20","channel":{"id":"20","type":0},"member":{"user":{"id":"30000"},"roles":[],"permissions":"8"},"data":{"name":"model","options":[{"name":"name","type":3,"value":"x"}]}}`))
	f.Add([]byte(`{"id":"12345","type":5,"token":"t","user":{"id":"30000"},"data":{"custom_id":"form:a|provider add","components":[{"type":18,"component":{"type":4,"custom_id":"id","value":"v"}},{"type":1,"components":[{"custom_id":"x","value":"y"}]}]}}`))
	f.Add([]byte(`{"id":"12345","type":3,"token":"t","user":{"id":"30000"},"message":{"id":"1","flags":64},"data":{"custom_id":"menu:model","values":["a"]}}`))
	one := helper("MTIzNDU2Nzg5.a.b")
	one.Sections, one.Access.Users = inDiscord("MTIzNDU2Nzg5.a.b", "10"), []string{"30000"}
	a, err := New(Options{Records: shared(), Bots: []bots.Bot{one}, HTTP: &http.Client{Transport: &discordIn{}}})
	if err != nil {
		f.Fatal(err)
	}
	a.apps[0].ports.Desk = &desk{submit: func(context.Context, chat.Submission) (chat.Outcome, error) { return chat.Outcome{}, nil }}
	f.Fuzz(func(t *testing.T, raw []byte) {
		i, err := a.apps[0].interaction(raw, time.Now())
		if err != nil || i.Type == interactionModal || i.private() {
			if err == nil {
				_, _, _ = formValues(i.Data)
			}
			return
		}
		i.respond = func(context.Context, callback) error { return nil }
		_ = i.answer(t.Context())
	})
}
