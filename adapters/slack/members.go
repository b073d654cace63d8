// What access rules need of a person: whether they belong to the workspace, their
// user groups, and whether they administer it. Looked up and kept for minutes.

package slack

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"parley/adapters/internal/background"
	"parley/adapters/internal/kept"
	"parley/adapters/internal/retry"
	"parley/internal/chat"
)

const (
	// memberKeeps is how long a look-up counts as current.
	memberKeeps = 5 * time.Minute
	// refusalKeeps is how long Slack is not asked again after it refused: the app
	// may be given the scope at any time.
	refusalKeeps = 20 * time.Second
	// memberStale is how long what was true is used while Slack does not answer.
	memberStale = time.Hour
	// memberAsk bounds a look-up, which those who wait for it share. It outlasts
	// a rate limit, so that who asks again finds the answer.
	memberAsk = time.Minute
	// membersKept bounds how many people are remembered.
	membersKept = 10_000
)

// members is what Slack said of people and their groups.
type members struct {
	people *kept.Answers[chat.Member]
	groups *kept.Answers[userGroups]
	slow   chan struct{} // capacity 1: held by the look-up that waits for a rate limit

	mu sync.Mutex
	// told is the refusal to name people that the log has; "" when there is none.
	told string
}

func newMembers(g *background.Group) members {
	return members{
		people: kept.NewAnswers[chat.Member](g, membersKept, memberAsk, memberStale),
		groups: kept.NewAnswers[userGroups](g, 1, memberAsk, memberStale),
		slow:   make(chan struct{}, 1),
	}
}

// userGroups are the groups of everybody, and those that rules name but Slack
// says nothing of.
type userGroups struct {
	byUser map[string][]string
	untold []string
}

// Outsiders marks Slack as a platform where people of other organisations can
// write to a bot: Slack Connect.
func (a *Adapter) Outsiders() {}

var _ chat.Outsiders = (*Adapter)(nil)

// Member says whether a person belongs to the workspace or its organisation, and
// how, and their user groups. Slack's users.info decides, not what an event says
// of its author. What Slack would not tell for lack of a scope counts as no.
func (a *Adapter) Member(ctx context.Context, bot string, _ chat.Place, who chat.Author) (chat.Member, error) {
	app, ok := a.byBot[bot]
	if !ok {
		return chat.Member{Unsure: true}, nil
	}
	member, err := app.profile(ctx, who.ID)
	if err != nil {
		return chat.Member{}, err
	}
	if len(app.groups) == 0 {
		return member, nil // no rule looks at groups: they need no scope and no call
	}
	groups, err := app.members.groups.Get(ctx, "", app.lookUpGroups)
	member.Groups, member.Untold = groups.byUser[who.ID], groups.untold
	return member, err
}

// profile is what is remembered of a person, else what Slack says.
func (a *app) profile(ctx context.Context, user string) (chat.Member, error) {
	m, err := a.members.people.Get(ctx, user, func(ctx context.Context) (chat.Member, time.Duration, error) { return a.lookUp(ctx, user) })
	if err != nil && ctx.Err() != nil && len(a.members.slow) > 0 {
		return m, &chat.RateLimited{After: restBetween} // the look-up goes on
	}
	return m, err
}

// lookUp asks Slack about a person, and says for how long the answer counts.
func (a *app) lookUp(ctx context.Context, user string) (chat.Member, time.Duration, error) {
	self, ok := a.whoami(ctx)
	if !ok {
		return chat.Member{}, 0, errStarting
	}
	u, err := a.userInfo(ctx, user)
	if err == nil {
		a.tellOnce(ctx, "")
		return self.member(*u), memberKeeps, nil
	}
	said := word(err)
	if err = a.failed("user", err); !chat.Refused(err) {
		return chat.Member{}, 0, err
	}
	if said == "user_not_found" || said == "user_not_visible" {
		return chat.Member{}, memberKeeps, nil // a stranger: nobody of this workspace is hidden from its apps
	}
	a.tellOnce(ctx, cause(err))
	return chat.Member{Unsure: true}, refusalKeeps, nil
}

// userInfo asks until Slack does not say to slow down, or ctx ends. While it does,
// one look-up asks at a time and the others wait behind it.
func (a *app) userInfo(ctx context.Context, user string) (*slack.User, error) {
	if len(a.members.slow) == 0 {
		if u, limit, err := a.askUser(ctx, user); limit == nil {
			return u, err
		}
	}
	select {
	case a.members.slow <- struct{}{}:
		defer func() { <-a.members.slow }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	for {
		u, limit, err := a.askUser(ctx, user)
		if limit == nil || !retry.Sleep(ctx, limit.After) {
			return u, err
		}
	}
}

// askUser is one call of users.info; limit is set when Slack says to slow down.
func (a *app) askUser(ctx context.Context, user string) (u *slack.User, limit *chat.RateLimited, err error) {
	u, err = a.api.GetUserInfoContext(ctx, user)
	if limit, _ = errors.AsType[*chat.RateLimited](a.classify(err)); limit != nil {
		a.metrics.Limited(platform, "user")
	}
	return u, limit, err
}

// tellOnce logs that Slack refuses to say who people are, once for each reason
// until it says so again ("").
func (a *app) tellOnce(ctx context.Context, reason string) {
	a.members.mu.Lock()
	before := a.members.told
	a.members.told = reason
	a.members.mu.Unlock()
	if reason == "" || reason == before {
		return
	}
	a.log.WarnContext(ctx, "slack does not say who belongs to the workspace: everybody counts as external and nobody as an admin until the app has the scope users:read",
		"reason", reason)
}

// member says what a person is to the app's workspace. A stranger, and whoever
// is of another organisation, is none of its own; outside an organisation that
// is whoever is of another workspace. Admins of other workspaces are none here.
func (id identity) member(u slack.User) chat.Member {
	m := chat.Member{
		Insider:  !u.IsStranger && !u.Deleted && id.owns(u),
		Guest:    u.IsRestricted || u.IsUltraRestricted,
		Gone:     u.Deleted,
		Language: u.Locale,
	}
	organisation := u.Enterprise.IsAdmin || u.Enterprise.IsOwner
	workspace := u.IsAdmin || u.IsOwner || u.IsPrimaryOwner
	m.Admin = m.Insider && !m.Guest && (organisation || workspace && id.home(u))
	return m
}

// owns reports whether a person is of the app's organisation, or where one of
// them is in none, of its workspace.
func (id identity) owns(u slack.User) bool {
	if theirs := u.Enterprise.EnterpriseID; theirs != "" && id.Organisation != "" {
		return theirs == id.Organisation
	}
	return id.home(u)
}

// home reports whether a person is of the app's own workspace, or, for a token
// of a whole organisation, of any of its workspaces.
func (id identity) home(u slack.User) bool {
	if id.Organisation != "" && (u.TeamID == id.Organisation || id.Team == id.Organisation && u.Enterprise.EnterpriseID == id.Organisation) {
		return true
	}
	return id.Team != "" && (u.TeamID == id.Team || slices.Contains(u.Enterprise.Teams, id.Team))
}

// membersOf asks for one group that a rule names and the list of all says
// nothing of: it leaves out groups of the organisation, and members where an
// administrator restricts them. One that does not exist is of nobody; told is
// false of one that Slack refuses to speak of.
func (a *app) membersOf(ctx context.Context, group string) (users []string, told bool, err error) {
	users, err = a.api.GetUserGroupMembersContext(ctx, group)
	if err == nil {
		return users, true, nil
	}
	said := word(err)
	if err = a.failed("groups", err); !chat.Refused(err) {
		return nil, false, err
	}
	a.log.WarnContext(ctx, "slack does not say who is in a user group", "group", group, "reason", cause(err))
	return nil, said == "no_such_subteam", nil
}

// lookUpGroups asks Slack who is in the groups of the workspace, and in those
// that rules name.
func (a *app) lookUpGroups(ctx context.Context) (userGroups, time.Duration, error) {
	all, err := a.api.GetUserGroupsContext(ctx, slack.GetUserGroupsOptionIncludeUsers(true))
	if err != nil {
		if err = a.failed("groups", err); !chat.Refused(err) {
			return userGroups{}, 0, err
		}
		a.log.WarnContext(ctx, "slack does not list the user groups", "reason", cause(err))
	}
	fresh := userGroups{byUser: map[string][]string{}}
	listed := map[string]bool{}
	for _, g := range all {
		listed[g.ID] = len(g.Users) > 0
		for _, u := range g.Users {
			fresh.byUser[u] = append(fresh.byUser[u], g.ID)
		}
	}
	for _, id := range a.groups {
		if listed[id] {
			continue
		}
		listed[id] = true
		users, told, err := a.membersOf(ctx, id)
		if err != nil {
			return userGroups{}, 0, err
		}
		if !told {
			fresh.untold = append(fresh.untold, id)
		}
		for _, u := range users {
			fresh.byUser[u] = append(fresh.byUser[u], id)
		}
	}
	for _, ids := range fresh.byUser {
		slices.Sort(ids)
	}
	return fresh, memberKeeps, nil
}
