// What is taken back when a question is deleted.

package relay

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/inbox"
)

// removingResponder writes down what it is asked for. There is no Post and no Upload:
// taking back makes neither.
type removingResponder struct {
	chat.Responder
	lost    map[chat.Sought]chat.MessageID // what Find finds
	late    int                            // looks that find nothing yet
	fail    []error                        // of the next calls
	looked  []chat.Sought
	removed []chat.MessageID
}

func (p *removingResponder) Limits() chat.Limits { return chat.Limits{} }

func (p *removingResponder) next() error {
	if len(p.fail) == 0 {
		return nil
	}
	err := p.fail[0]
	p.fail = p.fail[1:]
	return err
}

func (p *removingResponder) Remove(_ context.Context, id chat.MessageID) (chat.Receipt, error) {
	if err := p.next(); err != nil {
		return chat.Receipt{}, err
	}
	p.removed = append(p.removed, id)
	maps.DeleteFunc(p.lost, func(_ chat.Sought, lost chat.MessageID) bool { return lost == id })
	return chat.Receipt{ID: id}, nil
}

func (p *removingResponder) Find(_ context.Context, s chat.Sought) (chat.MessageID, error) {
	p.looked = append(p.looked, s)
	if p.late > 0 {
		p.late--
		return "", nil
	}
	return p.lost[s], p.next()
}

func TestADeletedQuestionTakesItsMessagesAndFilesBack(t *testing.T) {
	refused := &chat.Refusal{Reason: chat.NoAccess, Err: errors.New("no")}
	second := chat.Sought{Key: "t-1", After: "m0"}
	file := chat.Sought{Key: "t-2", After: "m0", File: "answer.md"}
	for name, c := range map[string]struct {
		parts     []inbox.Part
		responder removingResponder
		want      []chat.MessageID
		looked    []chat.Sought
	}{
		"a message and a file": {
			parts: []inbox.Part{{Key: "t-0", ID: "m0"}, {Key: "t-1", ID: "F1", File: "answer.md", Stuck: true}},
			want:  []chat.MessageID{"m0", "F1"}, looked: []chat.Sought{{Key: "t-1", File: "answer.md", Not: "F1"}},
		},
		"a file that was uploaded twice": {
			parts:     []inbox.Part{{Key: "t-0", ID: "m0"}, {Key: "t-1", ID: "F1", File: "answer.md", Stuck: true}},
			responder: removingResponder{lost: map[chat.Sought]chat.MessageID{{Key: "t-1", File: "answer.md", Not: "F1"}: "F2"}},
			want:      []chat.MessageID{"m0", "F1", "F2"},
			looked:    []chat.Sought{{Key: "t-1", File: "answer.md", Not: "F1"}, {Key: "t-1", File: "answer.md", Not: "F1"}},
		},
		"a post of which nobody knows the id": {
			parts:     []inbox.Part{{Key: "t-0", ID: "m0"}, {Key: "t-1", Pending: true}},
			responder: removingResponder{lost: map[chat.Sought]chat.MessageID{second: "m1"}},
			want:      []chat.MessageID{"m0", "m1"}, looked: []chat.Sought{second},
		},
		"one that gets there a moment later": {
			parts:     []inbox.Part{{Key: "t-0", ID: "m0"}, {Key: "t-1", Pending: true}},
			responder: removingResponder{lost: map[chat.Sought]chat.MessageID{second: "m1"}, late: 1},
			want:      []chat.MessageID{"m0", "m1"}, looked: []chat.Sought{second, second},
		},
		"one that never was": {
			parts: []inbox.Part{{Key: "t-0", ID: "m0"}, {Key: "t-1", Pending: true}},
			want:  []chat.MessageID{"m0"}, looked: []chat.Sought{second, second},
		},
		"an upload of which nobody knows the id": {
			parts: []inbox.Part{
				{Key: "t-0", ID: "m0"}, {Key: "t-1", ID: "m1", Stuck: true}, {Key: "t-2", Pending: true, Stuck: true, File: "answer.md"},
			},
			responder: removingResponder{lost: map[chat.Sought]chat.MessageID{file: "F2"}},
			want:      []chat.MessageID{"m0", "m1", "F2"}, looked: []chat.Sought{file, {Key: "t-2", File: "answer.md", Not: "F2"}},
		},
		"the platform fails, and refuses one": {
			parts:     []inbox.Part{{Key: "t-0", ID: "m0"}, {Key: "t-1", ID: "m1"}},
			responder: removingResponder{fail: []error{errors.New("weather"), refused, errors.New("weather")}},
			want:      []chat.MessageID{"m1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			oneTurn(t, func(ctx context.Context, turn *inbox.Turn) {
				for _, p := range c.parts {
					if err := turn.Record(ctx, p); err != nil {
						t.Error(err)
					}
				}
				if err := removeAll(ctx, turn, &c.responder, slog.New(slog.NewTextHandler(t.Output(), nil))); err != nil {
					t.Error(err)
				}
			})
			if !slices.Equal(c.responder.removed, c.want) || !slices.Equal(c.responder.looked, c.looked) {
				t.Errorf("removed %q, want %q; looked for %+v, want %+v", c.responder.removed, c.want, c.responder.looked, c.looked)
			}
		})
	}
}

// What an answer used is written when its turn is closed, also when taking back
// what it posted took several attempts.
func TestWhatADeletedQuestionCostIsWritten(t *testing.T) {
	r := New(Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	defer r.Close()
	limited := &chat.RateLimited{After: time.Hour}
	responder := &removingResponder{fail: []error{limited}}
	const key = "parley:{memory:1}:usage"
	store := oneTurn(t, func(ctx context.Context, turn *inbox.Turn) {
		if err := turn.Record(ctx, inbox.Part{Key: "t-0", ID: "m0"}); err != nil {
			t.Error(err)
		}
		r.owe(ctx, turn, []inbox.Write{{Key: key, Increments: map[string]float64{"out": 7}, TTL: time.Hour}}, r.log)
		if err := r.takeBack(ctx, turn, responder, r.log); !errors.Is(err, limited) {
			t.Errorf("the first attempt ended with %v", err)
		}
		if err := r.takeBack(ctx, turn, responder, r.log); err != nil {
			t.Error(err)
		}
	})
	if out := store.HGet(t.Context(), key, "out").Val(); out != "7" {
		t.Errorf("written down are %q tokens", out)
	}
}
