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
	c := command{speaker: chat.English{}, bot: bots.Bot{ID: "helper", Name: "Helper"}}
	ref := bots.ModelRef{Provider: "lab", Model: "m1"}
	help := c.help(ref, chat.Platform{})
	if there, threads := c.help(ref, chat.Platform{Title: "Toy", MentionInThreads: true}), "In a Toy thread write them after a mention: `@helper /model`."; !strings.HasSuffix(there, threads) || strings.Contains(help, "thread write") {
		t.Errorf("/help does not say when commands come after a mention:\n%s\n%s", there, help)
	}
	actions := (&Relay{}).actions()
	for _, w := range chat.Words() {
		if w.Name != "help" && !strings.Contains(help, "`/"+w.Name) {
			t.Errorf("/help does not name /%s:\n%s", w.Name, help)
		}
		ids := []string{w.Name}
		for i, v := range w.Verbs {
			ids = append(ids[:i], w.Name+"."+v.Name)
			if v.Name != "list" && !strings.Contains(help, "`/"+w.Name+" "+v.Name) {
				t.Errorf("/help does not name /%s %s:\n%s", w.Name, v.Name, help)
			}
		}
		for _, id := range ids {
			if actions[id].do == nil {
				t.Errorf("nobody does %s", id)
			}
		}
	}
}

// What chat.Words calls the admins' is refused to others, and nothing else is.
func TestWhatIsForAdminsIsRefusedToOthers(t *testing.T) {
	r := &Relay{}
	for _, w := range chat.Words() {
		for _, v := range w.Verbs {
			may := r.actions()[w.Name+"."+v.Name].may
			ann := command{speaker: chat.English{}, bot: bots.Bot{ID: "helper", Name: "Helper"}, who: bots.Person{ID: "U1"}}
			ann.Place.Direct = true
			if refused := may != nil && may(t.Context(), ann) != nil; refused != v.Admins {
				t.Errorf("/%s %s: refused %v, for admins %v", w.Name, v.Name, refused, v.Admins)
			}
			ann.who.Admin, ann.who.Insider = true, true
			if may != nil && may(t.Context(), ann) != nil {
				t.Errorf("/%s %s is refused to an admin", w.Name, v.Name)
			}
		}
	}
}

func TestAWrongVerbIsToldWhatThereIs(t *testing.T) {
	for _, c := range []struct{ command, verb, want string }{
		{"provider", "romove", "/provider takes list, use ID, add, edit ID, remove ID or test ID. Did you mean `/provider remove`?"},
		{"bot", "choose", "/bot takes list or use ID."},
	} {
		w, _ := chat.WordOf(c.command)
		if got := wrongVerb(w, c.verb+" x").Error(); got != c.want {
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
	r := &Relay{adapters: map[string]chat.Adapter{"memory": silent{}}, log: slog.New(slog.DiscardHandler)}
	place, ann := chat.Place{Platform: "memory", Channel: "C1"}, chat.Author{ID: "U1"}

	plain := bots.Bot{ID: "helper", Access: bots.Access{Users: []string{"U1"}}}
	who, unsure, err := r.person(t.Context(), plain, place, ann)
	if err != nil || unsure == nil || who.ID != "U1" || who.Admin {
		t.Fatalf("%+v, unsure %v, error %v: want U1, no admin, unsure", who, unsure, err)
	}
	c := command{speaker: chat.English{}, bot: plain, who: who, unsure: unsure}
	if got := c.fair(plain.MayAdminister(who)); !errors.Is(got, unsure) {
		t.Errorf("who may be an admin is told %v", got)
	}
	model := bots.Bot{Access: bots.Access{Models: []bots.ModelRule{{Match: "*", Users: []string{"U9"}}}}}
	if got := c.fair(model.MayModel(bots.ModelRef{Provider: "lab", Model: "m1"}, who)); errors.Is(got, unsure) {
		t.Errorf("no admin may use that model either, and yet the person is told %v", got)
	}

	grouped := bots.Bot{ID: "helper", Access: bots.Access{Groups: []string{"S1"}}}
	if _, _, err := r.person(t.Context(), grouped, place, ann); err == nil || !strings.Contains(err.Error(), "could not look up your groups") {
		t.Errorf("whose groups decide was let through: %v", err)
	}
}
