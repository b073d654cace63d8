// What a person reads when the platform took the answer in no form.

package relay

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"parley/internal/chat"
	"parley/internal/inbox"
)

// refusingResponder writes down what is said where; its errors are what the platform
// answers.
type refusingResponder struct {
	chat.Responder
	post, edit, elsewhere error
	said                  []string
	keys                  []string
}

func (p *refusingResponder) Limits() chat.Limits { return chat.Limits{Size: 2000} }

func (p *refusingResponder) Post(_ context.Context, c chat.Content) (chat.Receipt, error) {
	if p.post == nil {
		p.said, p.keys = append(p.said, "here: "+c.Markdown), append(p.keys, c.Key)
	}
	return chat.Receipt{ID: "m2"}, p.post
}

func (p *refusingResponder) Edit(_ context.Context, id chat.MessageID, c chat.Content) (chat.Receipt, error) {
	if p.edit == nil {
		p.said = append(p.said, "in "+string(id)+": "+c.Markdown+" "+c.Stop)
	}
	return chat.Receipt{ID: id}, p.edit
}

func (p *refusingResponder) TellElsewhere(_ context.Context, text string) error {
	if p.elsewhere == nil {
		p.said = append(p.said, "elsewhere: "+text)
	}
	return p.elsewhere
}

func TestAPersonIsToldThatTheAnswerIsMissing(t *testing.T) {
	refusal := func(why chat.Reason) error { return &chat.Refusal{Reason: why, Err: errors.New("no")} }
	const stands = "half of it"
	for name, c := range map[string]struct {
		cause     error
		responder refusingResponder
		shown     bool // a message of the answer stands
		want      []string
	}{
		"no right to write":             {refusal(chat.NoAccess), refusingResponder{}, false, []string{"elsewhere: " + apology(chat.NoAccess, "REF").String()}},
		"a filter":                      {refusal(chat.Blocked), refusingResponder{}, false, []string{"here: " + apology(chat.Blocked, "REF").String()}},
		"invalid in every form":         {refusal(chat.Invalid), refusingResponder{}, false, []string{"here: " + chat.Sorry("REF").String()}},
		"the sentence is refused too":   {refusal(chat.Invalid), refusingResponder{post: refusal(chat.Invalid)}, false, []string{"elsewhere: " + chat.Sorry("REF").String()}},
		"below what stands":             {refusal(chat.Invalid), refusingResponder{}, true, []string{"in m1: " + stands + "\n\n" + chat.Sorry("REF").String() + " "}},
		"what stands cannot be edited":  {refusal(chat.Blocked), refusingResponder{edit: refusal(chat.NoAccess)}, true, []string{"here: " + apology(chat.Blocked, "REF").String()}},
		"nobody takes a word":           {refusal(chat.NoAccess), refusingResponder{elsewhere: refusal(chat.NoAccess)}, false, nil},
		"who deleted the answer knows":  {refusal(chat.Gone), refusingResponder{}, false, nil},
		"an error that is no refusal":   {errors.New("away"), refusingResponder{}, false, nil},
		"the handler's own time is out": {context.DeadlineExceeded, refusingResponder{}, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := New(Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
			defer r.Close()
			responder := &c.responder
			ref := ""
			oneTurn(t, func(ctx context.Context, turn *inbox.Turn) {
				ref = turn.Ref
				if c.shown {
					if err := turn.Record(ctx, inbox.Part{Key: turn.ID + "-0", ID: "m1", Length: len(stands), Text: stands}); err != nil {
						t.Error(err)
					}
				}
				r.apologise(ctx, turn, responder, c.cause, r.log)
			})
			var got []string
			for _, s := range responder.said {
				got = append(got, strings.ReplaceAll(s, ref, "REF"))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("said %q, want %q", got, c.want)
			}
			for _, key := range responder.keys { // not one of the answer's own, which would find a part of it
				if !strings.HasSuffix(key, "-e") {
					t.Errorf("posted under %q", key)
				}
			}
		})
	}
}

// Who asks again and again where nobody may write is not written to each time.
func TestDirectMessagesWithApologiesAreFew(t *testing.T) {
	r := New(Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	defer r.Close()
	responder := &refusingResponder{}
	oneTurn(t, func(ctx context.Context, turn *inbox.Turn) {
		for range 3 * refusalBurst {
			r.apologise(ctx, turn, responder, &chat.Refusal{Reason: chat.NoAccess, Err: errors.New("no")}, r.log)
		}
	})
	if len(responder.said) != refusalBurst {
		t.Errorf("they were told %d times", len(responder.said))
	}
}

func TestEveryApologyNamesTheReference(t *testing.T) {
	for _, why := range []chat.Reason{chat.NoAccess, chat.Blocked, chat.Invalid, chat.TooLong} {
		if text := apology(why, "ref-00000001").String(); strings.Count(text, "ref-00000001") != 1 {
			t.Errorf("%s: %s", why, text)
		}
	}
}
