// What a person reads when the platform took the answer in no form.

package relay

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/inbox"
	"parley/internal/secret"
)

// refusingPen writes down what is said where; its errors are what the platform
// answers.
type refusingPen struct {
	chat.Responder
	post, edit, elsewhere error
	said                  []string
	keys                  []string
}

func (p *refusingPen) Limits() chat.Limits { return chat.Limits{Size: 2000} }

func (p *refusingPen) Post(_ context.Context, c chat.Content) (chat.Receipt, error) {
	if p.post == nil {
		p.said, p.keys = append(p.said, "here: "+c.Markdown), append(p.keys, c.Key)
	}
	return chat.Receipt{ID: "m2"}, p.post
}

func (p *refusingPen) Edit(_ context.Context, id chat.MessageID, c chat.Content) (chat.Receipt, error) {
	if p.edit == nil {
		p.said = append(p.said, "in "+string(id)+": "+c.Markdown+" "+c.Stop)
	}
	return chat.Receipt{ID: id}, p.edit
}

func (p *refusingPen) TellElsewhere(_ context.Context, text string) error {
	if p.elsewhere == nil {
		p.said = append(p.said, "elsewhere: "+text)
	}
	return p.elsewhere
}

// oneTurn hands a turn of a real inbox to f, and gives the store it left.
func oneTurn(t *testing.T, f func(ctx context.Context, turn *inbox.Turn)) *redis.Client {
	t.Helper()
	ring, err := secret.ParseRing(secret.GenerateKey("k"))
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { _ = client.Close() })
	in := inbox.New(inbox.Options{Client: client, Prefix: "parley", Ring: ring})
	err = in.Put(t.Context(), chat.Message{
		Key: "1", ID: "1", Scope: "slack:B1:T1", Bot: "helper", Trigger: chat.Mention, Text: "?",
		Place: chat.Place{Platform: "slack", Workspace: "T1", Channel: "C1"}, Author: chat.Author{ID: "U1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	err = in.Run(ctx, func(ctx context.Context, turn *inbox.Turn) error {
		defer stop()
		f(ctx, turn)
		return turn.Close(context.WithoutCancel(ctx))
	}, inbox.RunOptions{})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return client
}

func TestAPersonIsToldThatTheAnswerIsMissing(t *testing.T) {
	refusal := func(why chat.Reason) error { return &chat.Refusal{Reason: why, Err: errors.New("no")} }
	const stands = "half of it"
	for name, c := range map[string]struct {
		cause error
		pen   refusingPen
		shown bool // a message of the answer stands
		want  []string
	}{
		"no right to write":             {refusal(chat.NoAccess), refusingPen{}, false, []string{"elsewhere: " + apology(chat.NoAccess, "REF").String()}},
		"a filter":                      {refusal(chat.Blocked), refusingPen{}, false, []string{"here: " + apology(chat.Blocked, "REF").String()}},
		"invalid in every form":         {refusal(chat.Invalid), refusingPen{}, false, []string{"here: " + chat.Sorry("REF").String()}},
		"the sentence is refused too":   {refusal(chat.Invalid), refusingPen{post: refusal(chat.Invalid)}, false, []string{"elsewhere: " + chat.Sorry("REF").String()}},
		"below what stands":             {refusal(chat.Invalid), refusingPen{}, true, []string{"in m1: " + stands + "\n\n" + chat.Sorry("REF").String() + " "}},
		"what stands cannot be edited":  {refusal(chat.Blocked), refusingPen{edit: refusal(chat.NoAccess)}, true, []string{"here: " + apology(chat.Blocked, "REF").String()}},
		"nobody takes a word":           {refusal(chat.NoAccess), refusingPen{elsewhere: refusal(chat.NoAccess)}, false, nil},
		"who deleted the answer knows":  {refusal(chat.Gone), refusingPen{}, false, nil},
		"an error that is no refusal":   {errors.New("away"), refusingPen{}, false, nil},
		"the handler's own time is out": {context.DeadlineExceeded, refusingPen{}, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := New(Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
			defer r.Close()
			pen := &c.pen
			ref := ""
			oneTurn(t, func(ctx context.Context, turn *inbox.Turn) {
				ref = turn.Ref
				if c.shown {
					if err := turn.Record(ctx, inbox.Part{Key: turn.ID + "-0", ID: "m1", Length: len(stands), Text: stands}); err != nil {
						t.Error(err)
					}
				}
				r.apologise(ctx, turn, pen, c.cause, r.log)
			})
			var got []string
			for _, s := range pen.said {
				got = append(got, strings.ReplaceAll(s, ref, "REF"))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("said %q, want %q", got, c.want)
			}
			for _, key := range pen.keys { // not one of the answer's own, which would find a part of it
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
	pen := &refusingPen{}
	oneTurn(t, func(ctx context.Context, turn *inbox.Turn) {
		for range 3 * refusalBurst {
			r.apologise(ctx, turn, pen, &chat.Refusal{Reason: chat.NoAccess, Err: errors.New("no")}, r.log)
		}
	})
	if len(pen.said) != refusalBurst {
		t.Errorf("they were told %d times", len(pen.said))
	}
}

func TestEveryApologyNamesTheReference(t *testing.T) {
	for _, why := range []chat.Reason{chat.NoAccess, chat.Blocked, chat.Invalid, chat.TooLong} {
		if text := apology(why, "ref-00000001").String(); strings.Count(text, "ref-00000001") != 1 {
			t.Errorf("%s: %s", why, text)
		}
	}
}
