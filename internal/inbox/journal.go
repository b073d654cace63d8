// The journal of a turn: what was done for it so far, one step at a time, each
// stored before or after its effect. Whoever takes the turn over reads it and
// goes on behind the last step.
//
// The journal does not know its kinds. A new kind of step is a file of its own
// like posts.go: a name, a body, a method of Turn that appends it, and one that
// reads it back with bodies.

package inbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"parley/internal/secret"
)

// step is one entry. Where Key is set, a step takes the place of the newest one
// if that has the same Kind and Key: what grows is one step.
type step struct {
	Kind string
	Key  string
	Body any // of the kind's own type, or json.RawMessage as it was read
}

// storedStep is a step as it is sealed.
type storedStep struct {
	Kind string          `json:"k"`
	Key  string          `json:"id,omitempty"`
	Body json.RawMessage `json:"b,omitempty"`
}

// journal is a value: add returns another one.
type journal struct {
	entries []entry
	next    int // number of the next entry
}

type entry struct {
	step
	number int
	stored bool
}

// add is the journal with steps behind the last.
func (j journal) add(steps ...step) journal {
	j.entries = slices.Clone(j.entries)
	for _, s := range steps {
		last := len(j.entries) - 1
		if last >= 0 && s.Key != "" && j.entries[last].Kind == s.Kind && j.entries[last].Key == s.Key {
			j.entries[last].step, j.entries[last].stored = s, false
			continue
		}
		j.entries = append(j.entries, entry{step: s, number: j.next})
		j.next++
	}
	return j
}

// saved is the journal once all of it is stored.
func (j journal) saved() journal {
	j.entries = slices.Clone(j.entries)
	for k := range j.entries {
		j.entries[k].stored = true
	}
	return j
}

// bodies are the bodies of all steps of one kind, oldest first. One that is not
// of this type is left out.
func bodies[T any](j journal, kind string) []T {
	var all []T
	for _, e := range j.entries {
		if e.Kind != kind {
			continue
		}
		if body, ok := bodyOf[T](e.step); ok {
			all = append(all, body)
		}
	}
	return all
}

func bodyOf[T any](s step) (body T, ok bool) {
	raw, read := s.Body.(json.RawMessage)
	if !read {
		body, ok = s.Body.(T)
		return body, ok
	}
	return body, json.Unmarshal(raw, &body) == nil
}

// stepMark begins what follows the turn in the name of a step's field.
const stepMark = "s"

// stepNumber is the number of a step whose field is named so, behind the turn.
func stepNumber(kind string) (number int, ok bool) {
	digits, ok := strings.CutPrefix(kind, stepMark)
	number, err := strconv.Atoi(digits)
	return number, ok && err == nil && number >= 0
}

// stepField is the field of the turns hash that holds a step.
func stepField(turn string, number int) string {
	return turn + ":" + stepMark + strconv.Itoa(number)
}

// stepPlace is the additional data that a step is sealed with.
func (i *Inbox) stepPlace(scope, turn string, number int) string {
	return i.ScopeKey(scope, "turns") + "/" + turn + "/" + stepMark + strconv.Itoa(number)
}

// sealStep is a step as it is stored.
func (i *Inbox) sealStep(scope, turn string, e entry) ([]byte, error) {
	body, err := json.Marshal(e.Body)
	if err != nil {
		return nil, fmt.Errorf("encode a step: %w", err)
	}
	plain, err := json.Marshal(storedStep{e.Kind, e.Key, body})
	if err != nil {
		return nil, fmt.Errorf("encode a step: %w", err)
	}
	return i.o.Ring.Seal(plain, i.stepPlace(scope, turn, e.number)), nil
}

// openJournal reads the steps of a turn, by number. A step that cannot be read
// is left out and its number not used again; the error says which.
func (i *Inbox) openJournal(scope, turn string, sealed map[int]string) (journal, error) {
	var j journal
	var failed []error
	for number, text := range sealed {
		j.next = max(j.next, number+1)
		s, err := openStep(i.o.Ring, text, i.stepPlace(scope, turn, number))
		if err != nil {
			failed = append(failed, fmt.Errorf("step %d: %w", number, err))
			continue
		}
		j.entries = append(j.entries, entry{step: s, number: number, stored: true})
	}
	slices.SortFunc(j.entries, func(a, b entry) int { return cmp.Compare(a.number, b.number) })
	return j, errors.Join(failed...)
}

func openStep(ring *secret.Ring, sealed, place string) (step, error) {
	plain, _, err := ring.Open([]byte(sealed), place)
	if err != nil {
		return step{}, err
	}
	var s storedStep
	if err := json.Unmarshal(plain, &s); err != nil {
		return step{}, err
	}
	return step{s.Kind, s.Key, s.Body}, nil
}

// append stores steps behind the last, all or none. It waits for the store no
// longer than one call.
func (t *Turn) append(ctx context.Context, steps ...step) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return errors.New("the turn is closed")
	}
	j := t.journal.add(steps...)
	if err := t.save(ctx, j); err != nil {
		return err
	}
	t.journal = j.saved()
	return nil
}

// saveHeld stores what is held, for a turn that goes on after all. What cannot be
// stored is held on. Called with mu held.
func (t *Turn) saveHeld(ctx context.Context) {
	if !slices.ContainsFunc(t.journal.entries, func(e entry) bool { return !e.stored }) {
		return
	}
	if t.save(ctx, t.journal) == nil {
		t.journal = t.journal.saved()
	}
}

// save stores what of a journal is not stored yet. Called with mu held.
func (t *Turn) save(ctx context.Context, j journal) error {
	n := t.tenure
	older, err := n.in.sealOlder(n.scope, t.ID, j)
	if err != nil {
		return err
	}
	args := []any{n.token, t.ID, t.entry, t.Attempt, older}
	for _, e := range j.entries {
		if e.stored {
			continue
		}
		sealed, err := n.in.sealStep(n.scope, t.ID, e)
		if err != nil {
			return err
		}
		args = append(args, stepField(t.ID, e.number), sealed)
	}
	kept, err := n.in.scripts.record.Run(ctx, n.in.o.Client, []string{n.key("owner"), n.key("turns"), n.key("events")}, args...).Int64()
	n.noteStoreResult(err)
	switch {
	case err != nil:
		return fmt.Errorf("store a step: %w", err)
	case kept < 0:
		n.lose()
		return ErrLost
	}
	return nil
}
