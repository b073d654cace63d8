// What the release before reads and writes: of a turn it knows the parts alone,
// sealed in one field that is rewritten as a whole. The field stays filled and is
// still read, so that both releases can run together and a rollback loses
// nothing. Once no such replica can run, this file goes.

package inbox

import (
	"encoding/json"
	"fmt"
	"slices"

	"parley/internal/chat"
)

// olderPart is all that the release before knows of a Part.
type olderPart struct {
	Key       string         `json:"k"`
	ID        chat.MessageID `json:"id,omitempty"`
	Length    int            `json:"n,omitempty"`
	Text      string         `json:"t,omitempty"`
	Pending   bool           `json:"p,omitempty"`
	Streaming bool           `json:"s,omitempty"`
	Stuck     bool           `json:"x,omitempty"`
}

func older(p Part) olderPart {
	return olderPart{p.Key, p.ID, p.Length, p.Text, p.Pending, p.Streaming, p.Stuck}
}

// over is p with what an older replica has written of it; what it does not know
// stays.
func (o olderPart) over(p Part) Part {
	p.Key, p.ID, p.Length, p.Text = o.Key, o.ID, o.Length, o.Text
	p.Pending, p.Streaming, p.Stuck = o.Pending, o.Streaming, o.Stuck
	return p
}

func (i *Inbox) partsPlace(scope, turn string) string {
	return i.ScopeKey(scope, "turns") + "/" + turn + "/parts"
}

func (i *Inbox) sealOlder(scope, turn string, j journal) ([]byte, error) {
	parts := j.parts()
	known := make([]olderPart, len(parts))
	for k, p := range parts {
		known[k] = older(p)
	}
	plain, err := json.Marshal(known)
	if err != nil {
		return nil, fmt.Errorf("encode what was posted: %w", err)
	}
	return i.o.Ring.Seal(plain, i.partsPlace(scope, turn)), nil
}

// absorbOlder adds to a journal, as steps to be stored with the next, what an
// older replica has recorded since. The field is written with every step, so
// that it is never behind them.
func (i *Inbox) absorbOlder(scope, turn, sealed string, j journal) (journal, error) {
	plain, _, err := i.o.Ring.Open([]byte(sealed), i.partsPlace(scope, turn))
	if err != nil {
		return j, err
	}
	var recorded []olderPart
	if err := json.Unmarshal(plain, &recorded); err != nil {
		return j, err
	}
	parts := j.parts()
	for _, o := range recorded {
		var p Part
		if at := slices.IndexFunc(parts, func(p Part) bool { return p.Key == o.Key }); at >= 0 {
			p = parts[at]
		}
		if older(p) != o {
			j = j.add(step{posted, o.Key, o.over(p)})
		}
	}
	return j, nil
}
