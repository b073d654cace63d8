// What earlier owners of a scope left of the turns that are still open.

package inbox

import (
	"context"
	"strconv"
	"strings"
)

// past is what an earlier owner recorded of a turn.
type past struct {
	attempts int
	journal  journal
}

// recall loads what an earlier owner knew of open turns, in one round trip.
func (n *tenure) recall(ctx context.Context) error {
	pipe := n.in.o.Client.Pipeline()
	fields := pipe.HGetAll(ctx, n.key("turns"))
	stopped := pipe.SMembers(ctx, n.key("stops"))
	withdrawn := pipe.ZRange(ctx, n.key("withdrawn"), 0, -1)
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	records := recordsOf(fields.Val())
	n.remember(records, stopped.Val())
	n.withdraw(withdrawn.Val()...)
	return n.sweep(ctx, records)
}

// record is what the store holds of a turn, still sealed.
type record struct {
	attempts string
	parts    string
	steps    map[int]string
}

// recordsOf sorts the fields of the turns hash by turn.
func recordsOf(fields map[string]string) map[string]record {
	records := map[string]record{}
	for field, value := range fields {
		turn, kind, _ := strings.Cut(field, ":")
		r := records[turn]
		switch number, ok := stepNumber(kind); {
		case kind == "a":
			r.attempts = value
		case kind == "p":
			r.parts = value
		case ok:
			if r.steps == nil {
				r.steps = map[int]string{}
			}
			r.steps[number] = value
		}
		records[turn] = r
	}
	return records
}

// remember keeps the records and the stopped turns of an earlier owner.
func (n *tenure) remember(records map[string]record, stopped []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for turn, r := range records {
		if _, mine := n.known.turns[turn]; !mine && r.attempts != "" {
			n.pasts[turn] = n.open(turn, r)
		}
	}
	for _, turn := range stopped {
		n.stopped[turn] = true
	}
}

func (n *tenure) open(turn string, r record) past {
	attempts, _ := strconv.Atoi(r.attempts)
	j, err := n.in.openJournal(n.scope, turn, r.steps)
	if r.parts != "" && err == nil {
		j, err = n.in.absorbOlder(n.scope, turn, r.parts, j)
	}
	if err != nil {
		n.log.Error("the record of a turn cannot be read; it may post again", "turn", turn, "error", err)
	}
	return past{attempts, j}
}

// sweep deletes the steps of closed turns: a replica of the release before
// closes a turn without them. A turn that is open has attempts.
func (n *tenure) sweep(ctx context.Context, records map[string]record) error {
	args := []any{n.token}
	for turn, r := range records {
		if r.attempts != "" {
			continue
		}
		for number := range r.steps {
			args = append(args, turn, stepField(turn, number))
		}
	}
	if len(args) == 1 {
		return nil
	}
	return n.in.scripts.sweep.Run(ctx, n.in.o.Client, []string{n.key("owner"), n.key("turns")}, args...).Err()
}
