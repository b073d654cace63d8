// A chat platform in memory, for the tests of this package: it keeps what
// stands in each message, when it stood there, and fails when told to.

package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/chat"
)

var errWeather = errors.New("connection reset by peer")

type platform struct {
	limits  chat.Limits
	latency time.Duration
	// before is asked when a call arrives, after when it has taken effect: an
	// error there is an answer that got lost.
	before, after func(n int, k request) error
	// told is called when a call succeeds, as its caller learns it.
	told func(k request, id chat.MessageID)
	rate func(k request) chat.Rate

	mu       sync.Mutex
	order    []chat.MessageID
	messages map[chat.MessageID]chat.Content
	keys     map[string]chat.MessageID
	files    []string
	fileIDs  []chat.MessageID // of files
	uploads  int
	ids      int  // given so far
	hides    int  // looks for a file that find none yet
	dedupes  bool // an upload goes into the file that is there
	calls    []request
	sights   []sight
	flying   map[string]int // by turn
	most     int            // calls of one turn in flight at once
}

// request is one call as it arrived.
type request struct {
	kind string // post, edit, upload, remove
	id   chat.MessageID
	chat.Content
	ctx context.Context
	at  time.Time
}

// sight is what a person saw from a moment on.
type sight struct {
	at   time.Time
	text string
}

func newPlatform(l chat.Limits) *platform {
	if l.Size == 0 {
		l.Size = 2000
	}
	return &platform{
		limits: l, latency: 80 * time.Millisecond, flying: map[string]int{},
		messages: map[chat.MessageID]chat.Content{}, keys: map[string]chat.MessageID{},
	}
}

func (p *platform) call(ctx context.Context, k request, do func() chat.MessageID) (chat.Receipt, error) {
	turn, _, _ := strings.Cut(k.Key, "-")
	p.mu.Lock()
	p.flying[turn]++
	p.most = max(p.most, p.flying[turn])
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.flying[turn]--
		p.mu.Unlock()
	}()
	if err := wait(ctx, p.latency/2); err != nil {
		return chat.Receipt{}, err
	}
	p.mu.Lock()
	k.at, k.ctx = time.Now(), ctx
	n := len(p.calls)
	p.calls = append(p.calls, k)
	if p.before != nil {
		if err := p.before(n, k); err != nil {
			p.mu.Unlock()
			return chat.Receipt{}, err
		}
	}
	if k.id != "" && k.kind != "remove" && !slices.Contains(p.order, k.id) {
		p.mu.Unlock()
		return chat.Receipt{}, refuse(chat.Gone)
	}
	id := do()
	p.sights = append(p.sights, sight{time.Now(), p.shown()})
	receipt := chat.Receipt{ID: id}
	if p.rate != nil {
		receipt.Rate = p.rate(k)
	}
	var lost error
	if p.after != nil {
		lost = p.after(n, k)
	}
	p.mu.Unlock()
	if err := wait(ctx, p.latency/2); err != nil {
		return chat.Receipt{}, err
	}
	if lost != nil {
		return chat.Receipt{}, lost
	}
	if p.told != nil {
		p.told(k, id)
	}
	return receipt, nil
}

// newID names a message as no other was named.
func (p *platform) newID() chat.MessageID {
	p.ids++
	return chat.MessageID(fmt.Sprint("m", p.ids-1))
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *platform) shown() string {
	var b strings.Builder
	for _, id := range p.order {
		b.WriteString(p.messages[id].Markdown)
	}
	return b.String()
}

func (p *platform) texts() []string {
	var out []string
	for _, id := range p.order {
		out = append(out, p.messages[id].Markdown)
	}
	return out
}

func (p *platform) Post(ctx context.Context, c chat.Content) (chat.Receipt, error) {
	return p.call(ctx, request{kind: "post", Content: c}, func() chat.MessageID {
		if id, ok := p.keys[c.Key]; ok && c.Again {
			return id
		}
		id := p.newID()
		p.order = append(p.order, id)
		p.messages[id], p.keys[c.Key] = c, id
		return id
	})
}

func (p *platform) Edit(ctx context.Context, id chat.MessageID, c chat.Content) (chat.Receipt, error) {
	return p.call(ctx, request{kind: "edit", id: id, Content: c}, func() chat.MessageID {
		p.messages[id] = c
		return id
	})
}

func (p *platform) Upload(ctx context.Context, _ string, data []byte, _ string) (chat.Receipt, error) {
	return p.call(ctx, request{kind: "upload", Content: chat.Content{Markdown: string(data)}}, func() chat.MessageID {
		if p.dedupes && len(p.files) > 0 {
			p.files[0] = string(data)
			return p.fileIDs[0]
		}
		p.files = append(p.files, string(data))
		p.uploads++
		p.fileIDs = append(p.fileIDs, chat.MessageID(fmt.Sprint("f", p.uploads)))
		return p.fileIDs[len(p.fileIDs)-1]
	})
}

func (p *platform) Thinking(context.Context) {}

func (p *platform) Limits() chat.Limits { return p.limits }

// stand puts a message there as an earlier process had.
func (p *platform) stand(key, text string) Posted {
	id := p.newID()
	p.order = append(p.order, id)
	p.messages[id], p.keys[key] = chat.Content{Markdown: text, Stop: "t"}, id
	return Posted{Key: key, ID: id, Length: len(text)}
}

// count is how many calls of a kind arrived.
func (p *platform) count(kind string) (n int) {
	for _, k := range p.calls {
		if k.kind == kind {
			n++
		}
	}
	return n
}

// settled checks that every message was written as final and shows no Stop.
func (p *platform) settled(t *testing.T) {
	t.Helper()
	for _, id := range p.order {
		if c := p.messages[id]; c.Stop != "" || !c.Final {
			t.Errorf("message %s ends with Stop %q, final %v: %q", id, c.Stop, c.Final, c.Markdown)
		}
	}
	if p.most > 1 {
		t.Errorf("%d calls of one answer were in flight at once", p.most)
	}
}

// remover is a platform that can take messages back.
type remover struct{ *platform }

var _ chat.Remover = remover{}

func (p remover) Remove(ctx context.Context, id chat.MessageID) (chat.Receipt, error) {
	return p.call(ctx, request{kind: "remove", id: id}, func() chat.MessageID {
		for i, other := range p.order {
			if other == id {
				p.order = append(p.order[:i], p.order[i+1:]...)
				break
			}
		}
		if k := slices.Index(p.fileIDs, id); k >= 0 {
			p.files, p.fileIDs = slices.Delete(p.files, k, k+1), slices.Delete(p.fileIDs, k, k+1)
		}
		return id
	})
}

// Find knows a post by its key, and every file by the one name.
func (p remover) Find(ctx context.Context, s chat.Sought) (chat.MessageID, error) {
	var id chat.MessageID
	_, err := p.call(ctx, request{kind: "find", Content: chat.Content{Key: s.Key, After: s.After}}, func() chat.MessageID {
		id = p.keys[s.Key]
		if s.File != "" && p.hides > 0 {
			p.hides--
			return ""
		}
		for _, file := range p.fileIDs {
			if s.File != "" && file != s.Not {
				id = file
				break
			}
		}
		return id
	})
	return id, err
}

// say appends words at a pace.
func say(a *Answer, every time.Duration, words ...string) string {
	for i, w := range words {
		if i > 0 {
			<-time.After(every)
		}
		a.Append(w)
	}
	return strings.Join(words, "")
}

// many is n numbered words.
func many(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("word%d ", i)
	}
	return out
}
