// What was posted for a turn: the steps before and after each post.

package inbox

import (
	"context"
	"slices"

	"parley/internal/chat"
)

const (
	announced = "announced" // a post is about to be tried; its body is a Part
	posted    = "posted"    // what stands now in a message; its body is a Part
)

// Part is one posted message of an answer.
type Part struct {
	Key     string         `json:"k"`
	ID      chat.MessageID `json:"id,omitempty"`
	Length  int            `json:"n,omitempty"` // code points last known to stand there
	Text    string         `json:"t,omitempty"` // what of the answer's own text that is
	Pending bool           `json:"p,omitempty"` // a post was announced and not confirmed: it may stand
	// Streaming is a message that the platform streams, not ended yet.
	Streaming bool `json:"s,omitempty"`
	// Stuck is a message that can be edited no more and is no part of the answer.
	Stuck bool `json:"x,omitempty"`
	// File is the name of an uploaded file, which this is instead of a message.
	// It is Stuck too.
	File string `json:"f,omitempty"`
}

// Announce stores that a post with this key is about to be tried, and what of
// the answer's own text it will say. Called before the post; after an error the
// post must not be made.
func (t *Turn) Announce(ctx context.Context, key, text string) error {
	return t.append(ctx, step{announced, key, Part{Key: key, Text: text, Pending: true}})
}

// Record stores what stands under p.Key now. Called after a post, before the
// next call to the platform.
func (t *Turn) Record(ctx context.Context, p Part) error {
	return t.append(ctx, step{posted, p.Key, p})
}

// Parts is Posted as of now: with what this attempt has recorded since.
func (t *Turn) Parts() []Part {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.journal.parts()
}

// parts are the messages of an answer, in the order of their first step.
func (j journal) parts() []Part {
	var parts []Part
	for _, e := range j.entries {
		if e.Kind != announced && e.Kind != posted {
			continue
		}
		p, ok := bodyOf[Part](e.step)
		if !ok {
			continue
		}
		at := slices.IndexFunc(parts, func(old Part) bool { return old.Key == p.Key })
		switch {
		case at < 0:
			parts = append(parts, p)
		case e.Kind == announced && parts[at].ID != "":
			parts[at].Pending = true // what stood there stands
		default:
			parts[at] = p
		}
	}
	return parts
}
