package stream

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
)

// platform is a chat platform in memory: it keeps what stands in each message
// and can be told to fail.
type platform struct {
	limits  chat.Limits
	latency time.Duration
	fault   func(n int, call string, c chat.Content) error // before call n takes effect

	mu       sync.Mutex
	order    []chat.MessageID
	messages map[chat.MessageID]chat.Content
	keys     map[string]chat.MessageID
	files    []string
	calls    []string
	seen     []sight
	flying   int
}

// sight is what stood there from a moment on.
type sight struct {
	at   time.Time
	text string
}

func newPlatform(l chat.Limits) *platform {
	if l.Size == 0 {
		l.Size = 2000
	}
	return &platform{limits: l, latency: 80 * time.Millisecond, messages: map[chat.MessageID]chat.Content{}, keys: map[string]chat.MessageID{}}
}

func (p *platform) call(ctx context.Context, kind string, c chat.Content, do func() chat.MessageID) (chat.Receipt, error) {
	p.mu.Lock()
	n := len(p.calls)
	p.calls = append(p.calls, kind)
	p.mu.Unlock()
	select {
	case <-time.After(p.latency / 2):
	case <-ctx.Done():
		return chat.Receipt{}, ctx.Err()
	}
	if p.fault != nil {
		if err := p.fault(n, kind, c); err != nil {
			return chat.Receipt{}, err
		}
	}
	p.mu.Lock()
	id := do()
	p.seen = append(p.seen, sight{time.Now(), p.shown()})
	p.mu.Unlock()
	select {
	case <-time.After(p.latency / 2):
	case <-ctx.Done():
		return chat.Receipt{}, ctx.Err()
	}
	return chat.Receipt{ID: id}, nil
}

func (p *platform) shown() string {
	var b strings.Builder
	for _, id := range p.order {
		b.WriteString(p.messages[id].Markdown)
	}
	return b.String()
}

func (p *platform) Post(ctx context.Context, c chat.Content) (chat.Receipt, error) {
	return p.call(ctx, "post", c, func() chat.MessageID {
		if id, ok := p.keys[c.Key]; ok && c.Again {
			return id
		}
		id := chat.MessageID(fmt.Sprint(len(p.order)))
		p.order = append(p.order, id)
		p.messages[id], p.keys[c.Key] = c, id
		return id
	})
}

func (p *platform) Edit(ctx context.Context, id chat.MessageID, c chat.Content) (chat.Receipt, error) {
	return p.call(ctx, "edit", c, func() chat.MessageID {
		p.messages[id] = c
		return id
	})
}

func (p *platform) Upload(ctx context.Context, _ string, data []byte, _ string) (chat.Receipt, error) {
	return p.call(ctx, "upload", chat.Content{}, func() chat.MessageID {
		p.files = append(p.files, string(data))
		return "file"
	})
}

func (p *platform) Thinking(context.Context) {}

func (p *platform) Limits() chat.Limits { return p.limits }

func TestAnswerGrowsAndEndsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(chat.Limits{})
		s := NewScheduler(Options{})
		a := s.Open(t.Context(), Job{Turn: "t", Responder: p, Stop: true})
		var want strings.Builder
		begin := time.Now()
		for i := range 300 {
			word := fmt.Sprintf("word%d ", i)
			want.WriteString(word)
			a.Append(word)
			<-time.After(20 * time.Millisecond)
		}
		r, err := a.Finish(t.Context(), End{})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.shown(); got != want.String() {
			t.Errorf("the final text is %q", got)
		}
		if first := p.seen[0].at.Sub(begin); first > 250*time.Millisecond {
			t.Errorf("first words after %v", first)
		}
		if len(p.seen) < 20 {
			t.Errorf("grew %d times", len(p.seen))
		}
		for _, m := range r.Messages {
			if c := p.messages[m.ID]; c.Stop != "" || !c.Final {
				t.Errorf("message %s ends with Stop %q, final %v", m.ID, c.Stop, c.Final)
			}
		}
	})
}
