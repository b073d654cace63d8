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

type members struct {
	mu     sync.Mutex
	people map[string]*profile
	groups cachedGroups
	asking chan struct{} // capacity 1: held while the groups are looked up
	slow   chan struct{} // capacity 1: held by the look-up that waits for a rate limit
	// told is the refusal to name people that the log has; "" when there is none.
	told string
}

// profile is what Slack says of one person.
type profile struct {
	chat.Member
	err   error // transient: what is here is of an earlier answer, or nothing
	known time.Time
	until time.Time
	done  chan struct{} // closed when the look-up under way has ended
	// limited says that the look-up under way waits for a rate limit.
	limited bool
}

type cachedGroups struct {
	byUser map[string][]string
	untold []string
	known  time.Time
	until  time.Time
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
	member.Groups, member.Untold, err = app.groupsOf(ctx, who.ID)
	return member, err
}

// profile is what is remembered of a person, else what Slack says. Those who ask
// at the same time share one call.
func (a *app) profile(ctx context.Context, user string) (chat.Member, error) {
	a.members.mu.Lock()
	p := a.members.people[user]
	if p == nil || p.done == nil && !time.Now().Before(p.until) {
		p = a.members.begin(user, p)
		a.members.mu.Unlock()
		a.background.Go(ctx, memberAsk, func(ctx context.Context) { a.lookUp(ctx, user, p) })
	} else {
		a.members.mu.Unlock()
	}
	return a.members.wait(ctx, p)
}

// begin notes that a person is being looked up; before is what was known. The
// caller holds m.mu.
func (m *members) begin(user string, before *profile) *profile {
	p := &profile{done: make(chan struct{})}
	if before != nil {
		p.Member, p.known = before.Member, before.known
	}
	if m.people == nil || len(m.people) >= membersKept {
		m.people = map[string]*profile{}
	}
	m.people[user] = p
	return p
}

// wait gives p once its look-up has ended.
func (m *members) wait(ctx context.Context, p *profile) (chat.Member, error) {
	m.mu.Lock()
	done := p.done
	m.mu.Unlock()
	if done != nil {
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case p.done == nil && p.err == nil, time.Since(p.known) < memberStale:
		return p.Member, nil // better what was true a while ago than nothing
	case p.done == nil:
		return chat.Member{}, p.err
	case p.limited:
		return chat.Member{}, &chat.RateLimited{After: restBetween}
	}
	return chat.Member{}, context.Cause(ctx)
}

// lookUp asks Slack about a person and fills p.
func (a *app) lookUp(ctx context.Context, user string, p *profile) {
	next := profile{Member: chat.Member{Unsure: true}, err: errNotLookedUp}
	defer func() { // also after a defect
		a.members.mu.Lock()
		defer a.members.mu.Unlock()
		p.err, p.until = next.err, next.until
		if next.err == nil {
			p.Member, p.known = next.Member, time.Now()
		}
		close(p.done)
		p.done = nil
	}()
	self, ok := a.whoami(ctx)
	if !ok {
		return
	}
	u, err := a.userInfo(ctx, user, p)
	if err == nil {
		next = profile{Member: self.member(*u), until: time.Now().Add(memberKeeps)}
		a.tellOnce(ctx, "")
		return
	}
	said := word(err)
	if err = a.failed("user", err); !chat.Refused(err) {
		next.err = err // asked again the next time
		return
	}
	next.err, next.until = nil, time.Now().Add(refusalKeeps)
	if said == "user_not_found" || said == "user_not_visible" {
		next.Member.Unsure, next.until = false, time.Now().Add(memberKeeps)
		return // a stranger: nobody of this workspace is hidden from its apps
	}
	a.tellOnce(ctx, cause(err))
}

// userInfo asks until Slack does not say to slow down, or ctx ends. While it does,
// one look-up asks at a time and the others wait behind it.
func (a *app) userInfo(ctx context.Context, user string, p *profile) (*slack.User, error) {
	if len(a.members.slow) == 0 {
		if u, limit, err := a.askUser(ctx, user); limit == nil {
			return u, err
		}
	}
	a.members.mu.Lock()
	p.limited = true
	a.members.mu.Unlock()
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

// errNotLookedUp is of a look-up that did not come to an answer.
var errNotLookedUp = errors.New("the person could not be looked up yet")

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
		Insider: !u.IsStranger && !u.Deleted && id.owns(u),
		Guest:   u.IsRestricted || u.IsUltraRestricted,
		Gone:    u.Deleted,
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

// groupsOf are a person's user groups, and those that rules name but Slack says
// nothing of.
func (a *app) groupsOf(ctx context.Context, user string) (groups, untold []string, err error) {
	select {
	case a.members.asking <- struct{}{}:
		defer func() { <-a.members.asking }()
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	now := time.Now()
	a.members.mu.Lock()
	known := a.members.groups
	a.members.mu.Unlock()
	if now.Before(known.until) {
		return known.byUser[user], known.untold, nil
	}
	fresh, err := a.lookUpGroups(ctx)
	switch {
	case err == nil:
		a.members.mu.Lock()
		a.members.groups = fresh
		a.members.mu.Unlock()
		return fresh.byUser[user], fresh.untold, nil
	case now.Sub(known.known) < memberStale:
		return known.byUser[user], known.untold, nil
	}
	return nil, nil, err
}

// lookUpGroups asks Slack who is in the groups of the workspace, and in those
// that rules name.
func (a *app) lookUpGroups(ctx context.Context) (cachedGroups, error) {
	all, err := a.api.GetUserGroupsContext(ctx, slack.GetUserGroupsOptionIncludeUsers(true))
	if err != nil {
		if err = a.failed("groups", err); !chat.Refused(err) {
			return cachedGroups{}, err
		}
		a.log.WarnContext(ctx, "slack does not list the user groups", "reason", cause(err))
	}
	fresh := cachedGroups{byUser: map[string][]string{}, known: time.Now(), until: time.Now().Add(memberKeeps)}
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
			return cachedGroups{}, err
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
	return fresh, nil
}
