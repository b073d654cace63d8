// Which turns run now, and stopping them, from any process.

package inbox

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/internal/chat"
)

// Running is a turn that was begun and is not closed yet.
type Running struct {
	Turn    string      `json:"-"`
	Place   chat.Place  `json:"place"`
	Author  chat.Author `json:"author"`
	Bot     string      `json:"bot"`
	Ref     string      `json:"ref"`
	Started time.Time   `json:"started"` // of the newest attempt
}

func (i *Inbox) runningPlace(scope, turn string) string {
	return i.ScopeKey(scope, "turns") + "/" + turn + "/running"
}

// Running lists the turns of scope that run, oldest first, in any process.
func (i *Inbox) Running(ctx context.Context, scope string) ([]Running, error) {
	if err := checkScope(scope); err != nil {
		return nil, err
	}
	all, err := i.o.Client.HGetAll(ctx, i.ScopeKey(scope, "turns")).Result()
	if err != nil {
		return nil, fmt.Errorf("list running turns: %w", err)
	}
	var list []Running
	for field, sealed := range all {
		turn, ok := strings.CutSuffix(field, ":r")
		if !ok {
			continue
		}
		plain, _, err := i.o.Ring.Open([]byte(sealed), i.runningPlace(scope, turn))
		if err != nil {
			continue // sealed by a key this process lacks: not ours to stop
		}
		r := Running{Turn: turn}
		if json.Unmarshal(plain, &r) == nil {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b Running) int { return a.Started.Compare(b.Started) })
	return list, nil
}

// Stop ends the answer of a running turn: its handler's context is cancelled
// with the cause chat.ErrStopped, at once as a rule, within a renewal of the
// lease at worst, and again after a takeover. A turn that is not running is
// left alone.
func (i *Inbox) Stop(ctx context.Context, scope, turn string) error {
	if err := checkScope(scope); err != nil {
		return err
	}
	keys := []string{i.ScopeKey(scope, "turns"), i.ScopeKey(scope, "stops")}
	n, err := i.scripts.stop.Run(ctx, i.o.Client, keys, turn, i.channel(), "stop "+scope+" "+turn).Int64()
	if err != nil {
		return fmt.Errorf("stop a turn: %w", err)
	}
	if t := i.tenure(scope); t != nil && n == 1 {
		t.stopTurn(turn)
	}
	return nil
}
