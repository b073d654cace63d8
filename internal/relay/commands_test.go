package relay

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"parley/bots"
	"parley/internal/chat"
)

func TestEveryCommandIsCarriedOutAndExplained(t *testing.T) {
	o := order{bot: bots.Bot{ID: "helper", Name: "Helper"}}
	ref := bots.ModelRef{Provider: "lab", Model: "m1"}
	help := o.help(ref, chat.Platform{})
	if there, threads := o.help(ref, chat.Platform{Title: "Toy", MentionInThreads: true}), "In a Toy thread write them after a mention: `@helper /model`."; !strings.HasSuffix(there, threads) || strings.Contains(help, "thread write") {
		t.Errorf("/help does not say when commands come after a mention:\n%s\n%s", there, help)
	}
	does := (&Relay{}).commands()
	for _, w := range chat.Words() {
		if does[w.Name] == nil {
			t.Errorf("nobody carries out /%s", w.Name)
		}
		delete(does, w.Name)
		if w.Name != "help" && !strings.Contains(help, "`/"+w.Name) {
			t.Errorf("/help does not name /%s:\n%s", w.Name, help)
		}
		for _, v := range w.Verbs {
			if v.Name != "list" && !strings.Contains(help, "`/"+w.Name+" "+v.Name) {
				t.Errorf("/help does not name /%s %s:\n%s", w.Name, v.Name, help)
			}
		}
	}
	for name := range does {
		t.Errorf("/%s is carried out but in no list", name)
	}
}

func TestAWrongVerbIsToldWhatThereIs(t *testing.T) {
	for _, c := range []struct{ command, verb, want string }{
		{"provider", "romove", "/provider takes list, use ID, add, edit ID, remove ID or test ID. Did you mean `/provider remove`?"},
		{"bot", "choose", "/bot takes list or use ID."},
	} {
		if got := wrongVerb(c.command, c.verb).Error(); got != c.want {
			t.Errorf("/%s %s is told %q, want %q", c.command, c.verb, got, c.want)
		}
	}
}

// silent is a platform that tells nothing of people.
type silent struct{ chat.Adapter }

func (silent) Member(context.Context, string, chat.Place, chat.Author) (chat.Member, error) {
	return chat.Member{}, errors.New("users.info: internal_error")
}

func TestWhoIsUnknownToThePlatformMayDoWhatNeedsNoGroups(t *testing.T) {
	r := &Relay{adapters: map[string]chat.Adapter{"slack": silent{}}, log: slog.New(slog.DiscardHandler)}
	place, ann := chat.Place{Platform: "slack", Channel: "C1"}, chat.Author{ID: "U1"}

	plain := bots.Bot{ID: "helper", Access: bots.Access{Users: []string{"U1"}}}
	who, unsure, err := r.person(t.Context(), plain, place, ann)
	if err != nil || unsure == nil || who.ID != "U1" || who.Admin {
		t.Fatalf("%+v, unsure %v, error %v: want U1, no admin, unsure", who, unsure, err)
	}
	o := order{bot: plain, who: who, unsure: unsure}
	if got := o.fair(plain.MayAdminister(who)); !errors.Is(got, unsure) {
		t.Errorf("who may be an admin is told %v", got)
	}
	model := bots.Bot{Access: bots.Access{Models: []bots.ModelRule{{Match: "*", Users: []string{"U9"}}}}}
	if got := o.fair(model.MayModel(bots.ModelRef{Provider: "lab", Model: "m1"}, who)); errors.Is(got, unsure) {
		t.Errorf("no admin may use that model either, and yet the person is told %v", got)
	}

	grouped := bots.Bot{ID: "helper", Access: bots.Access{Groups: []string{"S1"}}}
	if _, _, err := r.person(t.Context(), grouped, place, ann); err == nil || !strings.Contains(err.Error(), "could not look up your groups") {
		t.Errorf("whose groups decide was let through: %v", err)
	}
}
