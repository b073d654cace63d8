package relay

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"parley/bots"
	"parley/internal/audit/audittest"
	"parley/internal/chat"
	"parley/internal/provider"
	"parley/internal/registry"
	"parley/internal/secret"
)

// crew is a platform where U7 is an admin.
type crew struct{ chat.Adapter }

func (crew) Member(_ context.Context, _ string, _ chat.Place, a chat.Author) (chat.Member, error) {
	return chat.Member{Admin: a.ID == "U7"}, nil
}

// counterOf is a relay with one bot and one provider; each call is another
// process on the same store.
func counterOf(t *testing.T, client redis.UniversalClient, ring *secret.Ring) *Relay {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	reg, err := registry.Open(t.Context(), registry.Options{
		Client: client, Prefix: "test", Ring: ring, Log: log,
		File: map[string]provider.Provider{"lab": {
			Name: "Lab", Endpoint: "https://lab.example/v1/chat/completions", Models: provider.Models{List: []provider.Model{{ID: "m1"}, {ID: "m2"}}},
		}}, FileDigest: "one",
	})
	if err != nil {
		t.Fatal(err)
	}
	r := New(Options{
		Bots:     []bots.Bot{{ID: "helper", Name: "Helper", Provider: "lab", Model: "m1", Access: bots.Access{Switch: bots.SwitchAdmins}}},
		Registry: reg, Log: log,
	})
	r.Connect(named{crew{}})
	return r
}

type named struct{ crew }

func (named) Platform() chat.Platform { return chat.Platform{Name: "irc"} }

// Who may is asked when a control is used, of whoever uses it, in whatever
// process: nothing of it is remembered from when the control was shown.
func TestPermissionIsAskedAtThePress(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { _ = client.Close() })
	ring, err := secret.ParseRing(secret.GenerateKey("a"))
	if err != nil {
		t.Fatal(err)
	}
	press := func(r *Relay, who, action, args string) (chat.Reply, error) {
		return r.Press(t.Context(), chat.Press{
			Action: action, Args: args, Scope: "irc:1", Bot: "helper",
			Place: chat.Place{Platform: "irc", Workspace: "W", Channel: "C1"}, Author: chat.Author{ID: who, Name: "Somebody"},
		})
	}
	one, two := counterOf(t, client, ring), counterOf(t, client, ring)
	shown, err := press(one, "U7", "model", "")
	if err != nil || shown.Menu == nil || shown.Menu.Action != "model" || len(shown.Menu.Options) != 2 {
		t.Fatalf("%+v, %v", shown, err)
	}
	for _, action := range []string{"model", "provider.use", "bot.use", "provider.add", "provider.edit", "provider.remove", "provider.test"} {
		if _, err := press(two, "U1", action, "lab/m2"); err == nil || !strings.Contains(err.Error(), "Only Helper admins") {
			t.Errorf("%s by no admin: %v", action, err)
		}
	}
	if _, err := press(two, "U1", "usage", "all"); err == nil || !strings.Contains(err.Error(), "Only Helper admins") {
		t.Errorf("everybody's figures: %v", err)
	}
	if reply, err := press(two, "U7", shown.Menu.Action, "lab/m2"); err != nil || !strings.Contains(reply.Text, "lab/m2") || !reply.Public {
		t.Errorf("%+v, %v", reply, err)
	}
	if reply, err := press(one, "U7", "provider.add", ""); err != nil || reply.Form == nil {
		t.Errorf("%+v, %v", reply, err)
	}
	entries := audittest.Read(t, client, "test:{registry}:")
	if last := entries[len(entries)-1]; last.Action != "model.choose" || last.Via != "irc" || last.User != "U7" || last.Workspace != "W" || last.Target != "C1" || last.Values["model"] != "m2" {
		t.Errorf("the audit trail ends with %+v", last)
	}
}

func TestAControlThatIsNoLongerInUseSaysSo(t *testing.T) {
	r := &Relay{log: slog.New(slog.DiscardHandler), languages: chat.English{}}
	for _, action := range []string{"", "provider", "frobnicate", "feedback.up"} {
		_, err := r.Press(t.Context(), chat.Press{Action: action})
		if err == nil || !strings.Contains(err.Error(), "no longer in use") {
			t.Errorf("%q: %v", action, err)
		}
	}
}

// An action that no word stands for cannot be typed.
func TestOnlyWordsAreTyped(t *testing.T) {
	r := &Relay{log: slog.New(slog.DiscardHandler), languages: chat.English{}}
	for _, name := range []string{"provider.add", "bot.use", "feedback.up"} {
		_, err := r.Do(t.Context(), chat.Command{Name: name})
		if err == nil || !strings.Contains(err.Error(), "There is no command /"+name) {
			t.Errorf("/%s: %v", name, err)
		}
	}
}
