// Who belongs to the workspace, as Slack tells it.

package slack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/bots"
	"parley/internal/chat"
	fake "parley/internal/fake/slack"
)

func (r *rig) member(user string) chat.Member {
	r.t.Helper()
	m, err := r.adapter.Member(r.t.Context(), "helper", chat.Place{}, chat.Author{ID: user})
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

func TestWhoBelongsToTheWorkspace(t *testing.T) {
	inside, guest := chat.Member{Insider: true}, chat.Member{Insider: true, Guest: true}
	admin, external := chat.Member{Insider: true, Admin: true}, chat.Member{}
	for _, c := range []struct {
		name       string
		enterprise string // of the app's workspace
		user       fake.User
		want       chat.Member
	}{
		{"a member", "", fake.User{}, inside},
		{"an admin", "", fake.User{Admin: true}, admin},
		{"of another workspace", "", fake.User{Team: "T0THEIRS"}, external},
		{"an admin of another workspace", "", fake.User{Team: "T0THEIRS", Admin: true, Owner: true}, external},
		{"a guest of another workspace", "", fake.User{Team: "T0THEIRS", Restricted: true}, chat.Member{Guest: true}},
		{"a stranger", "", fake.User{Stranger: true}, external},
		{"no workspace told", "", fake.User{NoTeam: true, Admin: true}, external},
		{"a guest", "", fake.User{Restricted: true}, guest},
		{"a guest of one channel", "", fake.User{UltraRestricted: true}, guest},
		{"deactivated", "", fake.User{Deleted: true, Admin: true}, chat.Member{Gone: true}},
		{"of an organisation, the app of none", "", fake.User{Team: "T0THEIRS", Enterprise: "E0THEIRS"}, external},
		{"of the same organisation", "E0OURS", fake.User{Team: "T0SISTER", Enterprise: "E0OURS"}, inside},
		{"an admin of a sister workspace", "E0OURS", fake.User{Team: "T0SISTER", Enterprise: "E0OURS", Admin: true}, inside},
		{"an admin who is in this workspace too", "E0OURS", fake.User{Team: "T0SISTER", Enterprise: "E0OURS", Teams: []string{"T0SISTER", "T0TEAM"}, Admin: true}, admin},
		{"an admin of the organisation", "E0OURS", fake.User{Team: "T0SISTER", Enterprise: "E0OURS", EnterpriseAdmin: true}, admin},
		{"of another organisation", "E0OURS", fake.User{Team: "T0THEIRS", Enterprise: "E0THEIRS", EnterpriseAdmin: true}, external},
		{"of another organisation, our workspace among theirs", "E0OURS", fake.User{Team: "T0THEIRS", Enterprise: "E0THEIRS", Teams: []string{"T0TEAM"}}, external},
		{"of another workspace in no organisation", "E0OURS", fake.User{Team: "T0THEIRS"}, external},
		{"of this workspace, no organisation told", "E0OURS", fake.User{}, inside},
		{"a stranger of the same organisation", "E0OURS", fake.User{Enterprise: "E0OURS", Stranger: true}, external},
	} {
		t.Run(c.name, func(t *testing.T) {
			app := fake.DefaultApp()
			app.Enterprise = c.enterprise
			r := newRig(t, setup{fake: fake.Options{Apps: []fake.App{app}}})
			c.user.ID = "U1"
			r.ws.AddUser(c.user)
			if got := r.member("U1"); got.Insider != c.want.Insider || got.Guest != c.want.Guest || got.Admin != c.want.Admin || got.Gone != c.want.Gone || got.Unsure {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestAPersonSlackDoesNotKnowIsAStranger(t *testing.T) {
	for _, word := range []string{"user_not_found", "user_not_visible"} {
		r := newRig(t, setup{})
		r.ws.Inject(fake.Fault{Method: "users.info", Error: word, Times: 9})
		for range 3 {
			if m := r.member("U1"); m.Insider || m.Unsure || m.Admin {
				t.Errorf("%s: %+v", word, m)
			}
		}
		if n := len(r.ws.Calls("users.info")); n != 1 {
			t.Errorf("%s is asked about %d times", word, n)
		}
	}
}

// A missing scope is said once, with its name; and it may be granted any time.
func TestWithoutTheScopeNobodyBelongs(t *testing.T) {
	app := fake.DefaultApp()
	app.Scopes = []string{"chat:write", "usergroups:read"}
	r := newRig(t, setup{fake: fake.Options{Apps: []fake.App{app}}})
	for i := range 20 {
		if m := r.member(fmt.Sprintf("U%d", i)); m.Insider || !m.Unsure || m.Admin {
			t.Fatalf("%+v", m)
		}
	}
	if n := strings.Count(r.logged.String(), "users:read"); n != 2 { // in the sentence and in Slack's reason
		t.Errorf("the scope is named %d times:\n%s", n, r.logged.String())
	}
	r.adapter.apps[0].members.people.Age(refusalKeeps)
	r.ws.Inject(fake.Fault{Method: "users.info", Error: "user_not_found"})
	if m := r.member("U1"); m.Unsure {
		t.Error("the refusal stands although Slack answers")
	}
}

// While Slack does not answer, what was true counts; of others nothing is known.
func TestAFailedLookUpDecidesNothing(t *testing.T) {
	r := newRig(t, setup{})
	r.ws.AddUser(fake.User{ID: "U1", Admin: true})
	if !r.member("U1").Admin {
		t.Fatal("no admin")
	}
	known := r.adapter.apps[0].members.people
	known.Age(memberKeeps)
	r.ws.Inject(fake.Fault{Method: "users.info", Status: http.StatusBadGateway, Times: 9})
	if m := r.member("U1"); !m.Admin || !m.Insider {
		t.Errorf("what was true a while ago: %+v", m)
	}
	known.Age(memberStale)
	for _, user := range []string{"U1", "U2"} {
		if m, err := r.adapter.Member(t.Context(), "helper", chat.Place{}, chat.Author{ID: user}); err == nil {
			t.Errorf("a failed look-up says %+v of %s", m, user)
		}
	}
}

// Slack says to slow down: the look-up goes on until it answers, and who asks
// again finds the answer.
func TestALimitedLookUpGoesOn(t *testing.T) {
	r := newRig(t, setup{})
	r.ws.AddUser(fake.User{ID: "U1"})
	r.ws.Inject(fake.Fault{Method: "users.info", Status: http.StatusTooManyRequests, RetryAfter: 1, Times: 2})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	eventually(t, "the limit is told", func() bool {
		_, err := r.adapter.Member(ctx, "helper", chat.Place{}, chat.Author{ID: "U1"})
		_, limited := errors.AsType[*chat.RateLimited](err)
		return limited
	})
	if m := r.member("U1"); !m.Insider {
		t.Errorf("%+v", m)
	}
	if n := len(r.ws.Calls("users.info")); n != 3 {
		t.Errorf("%d calls, want 3", n)
	}
}

// Many people at once exceed the limit of users.info: those who wait do not all
// ask again and again.
func TestLimitedLookUpsTakeTurns(t *testing.T) {
	r := newRig(t, setup{fake: fake.Options{Limits: fake.Limits{Methods: map[string]fake.Rate{"users.info": {PerMinute: 600, Burst: 3}}}}})
	const people = 12
	var all sync.WaitGroup
	for i := range people {
		user := fmt.Sprint("U", i)
		r.ws.AddUser(fake.User{ID: user})
		all.Go(func() {
			if m, err := r.adapter.Member(t.Context(), "helper", chat.Place{}, chat.Author{ID: user}); err != nil || !m.Insider {
				t.Errorf("%+v %v", m, err)
			}
		})
	}
	all.Wait()
	if n := len(r.ws.Calls("users.info")); n > 3*people {
		t.Errorf("%d calls for %d people", n, people)
	}
}

func TestALookUpIsShared(t *testing.T) {
	b := helper()
	b.Access.Groups = []string{"S1"}
	r := newRig(t, setup{bots: []bots.Bot{b}, fake: fake.Options{Latency: 50 * time.Millisecond}})
	r.ws.AddGroup(fake.Group{ID: "S1", Users: []string{"U1"}})
	eventually(t, "the app is connected", func() bool { return r.adapter.apps[0].self.Load() != nil })
	r.ws.AddUser(fake.User{ID: "U1"})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if m, err := r.adapter.Member(context.Background(), "helper", chat.Place{}, chat.Author{ID: "U1"}); err != nil || !m.Insider {
				t.Errorf("%+v %v", m, err)
			}
		})
	}
	all.Wait()
	if n, g := len(r.ws.Calls("users.info")), len(r.ws.Calls("usergroups.list")); n != 1 || g != 1 {
		t.Errorf("%d calls for one person, %d for their groups", n, g)
	}
}

// A bot whose rules name no group needs neither the scope nor the call.
func TestGroupsAreAskedForOnlyWhereARuleNamesOne(t *testing.T) {
	r := newRig(t, setup{})
	r.ws.AddUser(fake.User{ID: "U1"})
	if r.member("U1"); len(r.ws.Calls("usergroups.list")) != 0 {
		t.Error("the groups are asked for, and nobody looks at them")
	}
}

// A deny rule may name a group of which Slack says nothing: then nobody is known
// to be outside it. One that does not exist is of nobody.
func TestGroupsThatSlackDoesNotTell(t *testing.T) {
	b := helper()
	b.Access.Guests = true
	b.Access.Deny = []bots.DenyRule{{Groups: []string{"S1", "S0GONE"}}}
	app := fake.DefaultApp()
	app.Scopes = []string{"users:read"}
	r := newRig(t, setup{bots: []bots.Bot{b}, fake: fake.Options{Apps: []fake.App{app}}})
	r.ws.AddUser(fake.User{ID: "U1"})
	if m := r.member("U1"); len(m.Untold) != 2 {
		t.Errorf("without the scope: %+v", m)
	}
	r = newRig(t, setup{bots: []bots.Bot{b}})
	r.ws.AddUser(fake.User{ID: "U1"})
	r.ws.AddGroup(fake.Group{ID: "S1", Users: []string{"U1"}})
	if m := r.member("U1"); len(m.Untold) != 0 || len(m.Groups) != 1 {
		t.Errorf("with the scope: %+v", m)
	}
}

// Who was in a group long ago need not be any more: while Slack does not answer,
// that is not known, and what is not known lets nobody in.
func TestGroupsOfLongAgoDecideNothing(t *testing.T) {
	b := helper()
	b.Access.Groups = []string{"S1"}
	r := newRig(t, setup{bots: []bots.Bot{b}})
	r.ws.AddUser(fake.User{ID: "U1"})
	r.ws.AddGroup(fake.Group{ID: "S1", Users: []string{"U1"}})
	if m := r.member("U1"); len(m.Groups) != 1 {
		t.Fatalf("%+v", m)
	}
	r.ws.Inject(fake.Fault{Method: "usergroups.list", Status: http.StatusBadGateway, Times: 9})
	known := r.adapter.apps[0].members.groups
	known.Age(memberStale / 2)
	if m := r.member("U1"); len(m.Groups) != 1 {
		t.Errorf("what was true half an hour ago: %+v", m)
	}
	known.Age(memberStale)
	if m, err := r.adapter.Member(t.Context(), "helper", chat.Place{}, chat.Author{ID: "U1"}); err == nil {
		t.Errorf("a failed look-up says %+v", m)
	}
}

// An event and a press by somebody of another organisation are for the app's own
// workspace: its limits and its running answers.
func TestWhatOthersSayAndPressIsForTheAppsWorkspace(t *testing.T) {
	r := newRig(t, setup{})
	r.ws.AddChannel(fake.Channel{ID: "C1", Shared: true})
	r.ws.AddUser(fake.User{ID: "U9", Team: "T0THEIRS"})
	r.ws.Mention("C1", "U9", "hello")
	m := r.message()
	if m.Place.Workspace != "T0TEAM" || m.Scope != "slack:B0HELPER:T0TEAM" || m.Author.ID != "U9" {
		t.Errorf("%+v", m)
	}
	receipt, err := r.responder(m).Post(t.Context(), chat.Content{Markdown: "Working.", Key: "k", Stop: "turn-1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.ws.Press(fake.Press{Message: string(receipt.ID), User: "U9", Button: "Stop"}); err != nil {
		t.Fatal(err)
	}
	if did := r.desk.did(); len(did) != 1 || did[0].Scope != m.Scope || did[0].Place.Workspace != "T0TEAM" || did[0].Author.ID != "U9" {
		t.Errorf("%+v", did)
	}
}
