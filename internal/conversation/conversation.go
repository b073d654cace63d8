// Package conversation stores transcripts of each place, and selects the part
// that fits a model's context window.
package conversation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/inbox"
	"parley/internal/secret"
)

// How many exchanges a place remembers, and for how long after the last.
const (
	Keep    = 100
	KeepFor = 30 * 24 * time.Hour
)

// forgottenFor is how long to remember, after the last use, that a place was
// forgotten: long enough for any running answer to finish.
const forgottenFor = 2 * KeepFor

// ownerFor is how long to remember the owner of a forgotten thread: longer
// than the bot follows any thread.
const ownerFor = 4 * KeepFor

// Exchange is one question and its answer.
type Exchange struct {
	ID      chat.MessageID `json:"id,omitempty"` // the question's message
	ReplyTo chat.MessageID `json:"reply_to,omitempty"`
	Author  chat.Author    `json:"author"`
	// Question is the whole question as text, for an older release; use Asked.
	Question string           `json:"question"`
	Answer   string           `json:"answer"`
	Posted   []chat.MessageID `json:"posted,omitempty"` // the answer's messages
	Bot      string           `json:"bot,omitempty"`
	Owner    string           `json:"owner,omitempty"` // whose thread it is, as far as is known
	At       time.Time        `json:"at"`
	// Heard is what was said before the question but not to the bot, as questions
	// without an answer, and what the bot said before it kept a transcript. After
	// loading, these are separate exchanges.
	Heard []Exchange `json:"heard,omitempty"`
	// Parts are the question's, if it is more than text.
	Parts []chat.Part `json:"parts,omitempty"`
}

// Book reads and writes transcripts. It stores them encrypted.
type Book struct {
	client redis.UniversalClient
	ring   *secret.Ring
	key    func(scope string, parts ...string) string
	log    *slog.Logger
}

// New makes a Book. Key builds the keys of a scope, so that a transcript is
// next to its scope's inbox, and closing a turn can write both in one step.
func New(client redis.UniversalClient, ring *secret.Ring, key func(scope string, parts ...string) string, log *slog.Logger) *Book {
	return &Book{client: client, ring: ring, key: key, log: log}
}

// Transcript is what one place remembers, oldest first, at the time of
// reading.
type Transcript struct {
	Exchanges []Exchange
	Forgotten bool // /reset was used here: do not read the platform's history again
	key       string
	thread    bool
	owner     string // of the thread, kept when the conversation is forgotten
}

// Load reads the transcript of a place.
func (b *Book) Load(ctx context.Context, scope string, p chat.Place) (Transcript, error) {
	generation, sealed, err := b.read(ctx, scope, p)
	if err != nil {
		return Transcript{}, fmt.Errorf("read transcript: %w", err)
	}
	t := Transcript{Forgotten: generation != unforgotten, key: b.key(scope, "conv", p.Conversation(), generation)}
	t.thread = p.InThread()
	for _, s := range sealed {
		plain, _, err := b.ring.Open([]byte(s), t.key)
		if err != nil {
			// A lost key must not silence the bot: it answers without that memory.
			b.log.WarnContext(ctx, "a remembered exchange cannot be opened and is left out", "error", err)
			continue
		}
		var e Exchange
		if err := json.Unmarshal(plain, &e); err != nil {
			b.log.WarnContext(ctx, "a remembered exchange cannot be read and is left out", "error", err)
			continue
		}
		for _, h := range e.Heard {
			h.Owner = e.Owner
			t.Exchanges = append(t.Exchanges, h)
		}
		e.Heard = nil
		t.Exchanges = append(t.Exchanges, e)
	}
	if t.Forgotten {
		t.owner, err = b.owner(ctx, scope, p)
	}
	return t, err
}

// Add returns the writes that append e to a transcript, for closing a turn.
// After a Forget they go to a key that is no longer read.
func (b *Book) Add(t Transcript, e Exchange) ([]inbox.Write, error) {
	if t.thread && e.Owner == "" {
		if e.Owner = t.Owner(); e.Owner == "" && !t.Forgotten {
			e.Owner = e.Author.ID
		}
	}
	var writes []inbox.Write
	for _, entry := range entries(e) {
		plain, err := json.Marshal(entry)
		if err != nil {
			return nil, fmt.Errorf("encode exchange: %w", err)
		}
		writes = append(writes, inbox.Write{Key: t.key, Push: b.ring.Seal(plain, t.key), Keep: Keep, TTL: KeepFor})
	}
	return writes, nil
}

// entries are the transcript's entries for e, in order. Heard messages that
// are more than text get an entry of their own: an older release that removes
// e rewrites what it knows of e.Heard, and it does not know parts.
func entries(e Exchange) []Exchange {
	var out []Exchange
	var before []Exchange
	for _, h := range e.Heard {
		if len(h.Parts) == 0 {
			before = append(before, h)
			continue
		}
		h.Heard, h.Owner, before = before, e.Owner, nil
		out = append(out, h)
	}
	e.Heard = before
	return append(out, e)
}

// Withdraw removes the exchange of a deleted question from the transcript. It
// leaves an empty entry, which keeps the thread's owner and how far the thread
// was read.
func (b *Book) Withdraw(ctx context.Context, scope string, p chat.Place, id chat.MessageID) error {
	generation, err := b.generation(ctx, scope, p)
	if err != nil {
		return err
	}
	key := b.key(scope, "conv", p.Conversation(), generation)
	sealed, err := b.client.LRange(ctx, key, 0, -1).Result()
	if err != nil {
		return fmt.Errorf("read transcript: %w", err)
	}
	for _, s := range sealed {
		var e stored
		plain, _, err := b.ring.Open([]byte(s), key)
		if err != nil || json.Unmarshal(plain, &e) != nil || e.ID != id || e.Question == "" {
			continue
		}
		plain, err = json.Marshal(stored{Exchange: Exchange{ID: e.ID, Owner: e.Owner, At: e.At}, Heard: e.Heard})
		if err != nil {
			return fmt.Errorf("encode exchange: %w", err)
		}
		_, err = b.client.TxPipelined(ctx, func(tx redis.Pipeliner) error {
			tx.LInsertBefore(ctx, key, s, b.ring.Seal(plain, key))
			tx.LRem(ctx, key, 1, s)
			return nil
		})
		if err != nil {
			return fmt.Errorf("take an exchange back: %w", err)
		}
	}
	return nil
}

// stored is an Exchange with its Heard unparsed, so that fields of a newer
// release survive.
type stored struct {
	Exchange
	Heard json.RawMessage `json:"heard,omitempty"`
}

// Forget deletes the memory of a place, except for the owner of the thread. An
// answer still being written is not added to it.
func (b *Book) Forget(ctx context.Context, scope string, p chat.Place) error {
	if err := b.keepOwner(ctx, scope, p); err != nil {
		return err
	}
	generation, err := b.generation(ctx, scope, p)
	if err != nil {
		return err
	}
	// A name that no transcript has had, so that an old one is never read again.
	// It is a number because older versions increment it: in a rolling deployment
	// they must be able to read it.
	if err := b.client.Set(ctx, b.key(scope, "forgot", p.Conversation()), 1+rand.Int64N(math.MaxInt64-1), forgottenFor).Err(); err != nil {
		return fmt.Errorf("forget conversation: %w", err)
	}
	old := b.key(scope, "conv", p.Conversation(), generation)
	if err := b.client.Del(ctx, old).Err(); err != nil {
		return fmt.Errorf("forget conversation: %w", err)
	}
	return nil
}

// unforgotten is the generation of a place that was not forgotten.
const unforgotten = "0"

// read reads the entries of a place's current transcript. It takes one round
// trip if the place was never forgotten, which is usual.
func (b *Book) read(ctx context.Context, scope string, p chat.Place) (generation string, sealed []string, err error) {
	forgot := b.key(scope, "forgot", p.Conversation())
	list := func(c redis.Cmdable, generation string) *redis.StringSliceCmd {
		return c.LRange(ctx, b.key(scope, "conv", p.Conversation(), generation), 0, -1)
	}
	pipe := b.client.Pipeline()
	name, first := pipe.Get(ctx, forgot), list(pipe, unforgotten)
	_, _ = pipe.Exec(ctx) // each command has its own error
	generation, err = name.Result()
	if errors.Is(err, redis.Nil) {
		sealed, err = first.Result()
		return unforgotten, sealed, err
	}
	if err != nil {
		return "", nil, err
	}
	pipe = b.client.Pipeline()
	pipe.PExpire(ctx, forgot, forgottenFor)
	now := list(pipe, generation)
	_, err = pipe.Exec(ctx)
	return generation, now.Val(), err
}

// generation names the place's transcript since it was last forgotten. Reading
// it extends its expiry: whoever adds to a transcript has loaded it before, so
// the name outlives the transcript.
func (b *Book) generation(ctx context.Context, scope string, p chat.Place) (string, error) {
	key := b.key(scope, "forgot", p.Conversation())
	name, err := b.client.Get(ctx, key).Result()
	if errors.Is(err, redis.Nil) {
		return unforgotten, nil
	}
	if err == nil {
		err = b.client.PExpire(ctx, key, forgottenFor).Err()
	}
	if err != nil {
		return "", fmt.Errorf("read conversation: %w", err)
	}
	return name, nil
}

// keepOwner stores the owner of thread p, if known.
func (b *Book) keepOwner(ctx context.Context, scope string, p chat.Place) error {
	if !p.InThread() {
		return nil
	}
	t, err := b.Load(ctx, scope, p)
	if err != nil || t.Owner() == "" {
		return err
	}
	key := b.key(scope, "owner", p.Conversation())
	if err := b.client.Set(ctx, key, b.ring.Seal([]byte(t.Owner()), key), ownerFor).Err(); err != nil {
		return fmt.Errorf("forget conversation: %w", err)
	}
	return nil
}

// owner reads what keepOwner stored, or "".
func (b *Book) owner(ctx context.Context, scope string, p chat.Place) (string, error) {
	if !p.InThread() {
		return "", nil
	}
	key := b.key(scope, "owner", p.Conversation())
	sealed, err := b.client.Get(ctx, key).Bytes()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read conversation: %w", err)
	}
	plain, _, err := b.ring.Open(sealed, key)
	if err != nil {
		b.log.WarnContext(ctx, "whose thread it is cannot be opened and counts as unknown", "error", err)
		return "", nil
	}
	return string(plain), nil
}

// Owner is the id of the thread's owner: the person who opened it, if the
// platform says so, else the first who asked there. A reset or a long
// conversation does not change it. If the platform does not say, the owner is
// forgotten after KeepFor without a question, and the next person to ask
// becomes the owner. It is empty if unknown.
func (t Transcript) Owner() string {
	for _, e := range slices.Backward(t.Exchanges) {
		if e.Owner != "" {
			return e.Owner
		}
	}
	if t.owner == "" && !t.Forgotten && len(t.Exchanges) > 0 && len(t.Exchanges) < Keep {
		return t.Exchanges[0].Author.ID // stored before owners were
	}
	return t.owner
}

// Last is the message of the newest question, or "".
func (t Transcript) Last() chat.MessageID {
	if len(t.Exchanges) == 0 {
		return ""
	}
	return t.Exchanges[len(t.Exchanges)-1].ID
}

// Holds reports whether the transcript contains a question or an answer with
// that id.
func (t Transcript) Holds(id chat.MessageID) bool {
	return slices.ContainsFunc(t.Exchanges, func(e Exchange) bool {
		return e.ID == id || slices.Contains(e.Posted, id)
	})
}

// About returns the exchanges that m continues. A thread or direct message is
// one conversation. In a channel, m continues what its author said before, and
// the chain of replies it belongs to.
func (t Transcript) About(m chat.Message) []Exchange {
	if m.Place.Direct || m.Place.Thread != "" {
		return t.Exchanges
	}
	keep := make([]bool, len(t.Exchanges))
	parent := m.ReplyTo
	for i := len(t.Exchanges) - 1; i >= 0; i-- {
		e := t.Exchanges[i]
		if parent != "" && (e.ID == parent || slices.Contains(e.Posted, parent)) {
			keep[i], parent = true, e.ReplyTo
		}
		if e.Author.ID == m.Author.ID {
			keep[i] = true
		}
	}
	var out []Exchange
	for i, e := range t.Exchanges {
		if keep[i] {
			out = append(out, e)
		}
	}
	return out
}
