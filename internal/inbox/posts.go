// What was posted for a turn: the steps before and after each post.

package inbox

import (
	"context"
	"slices"

	"parley/internal/chat"
)

const (
	announced = "announced" // a post is about to be tried; its body is a Part
	posted    = "posted"    // what a message says now; its body is a Part
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

// Record stores what each message says now, or that its post is about to be tried:
// then the Part is Pending, has no ID, and Text is what the post will say. When
// that fails the post must not be made. After a post, the next call to the platform
// waits until the post is recorded.
func (t *Turn) Record(ctx context.Context, parts ...Part) error {
	return t.append(ctx, stepsOf(parts)...)
}

// Hold is Record without a call to the store: the parts are stored with the next
// step, or when the attempt ends and has not closed the turn. It is for what a turn
// ends with, since Close follows at once.
func (t *Turn) Hold(parts ...Part) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.journal = t.journal.add(stepsOf(parts)...)
}

func stepsOf(parts []Part) []step {
	steps := make([]step, len(parts))
	for k, p := range parts {
		steps[k] = step{posted, p.Key, p}
		if p.Pending && p.ID == "" {
			steps[k].Kind = announced
		}
	}
	return steps
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
			parts[at].Pending = true // it says what it said before
		default:
			parts[at] = p
		}
	}
	return parts
}
