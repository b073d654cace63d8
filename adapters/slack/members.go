// What access rules need of a person: user groups, and whether they administer
// the workspace. Looked up and kept for minutes.

package slack

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"parley/internal/chat"
)

// memberKeeps is how long a look-up counts as current.
const memberKeeps = 5 * time.Minute

type members struct {
	mu     sync.Mutex
	admins map[string]cachedAdmin
	groups cachedGroups
}

type cachedAdmin struct {
	admin bool
	until time.Time
}

type cachedGroups struct {
	byUser map[string][]string
	until  time.Time
}

// Member says whether a person is an admin or owner of the workspace, and their
// user groups. What Slack would not tell for lack of a scope counts as no.
func (a *Adapter) Member(ctx context.Context, bot string, _ chat.Place, who chat.Author) (chat.Member, error) {
	app, ok := a.byBot[bot]
	if !ok {
		return chat.Member{}, nil
	}
	admin, err := app.isAdmin(ctx, who.ID)
	if err != nil {
		return chat.Member{}, err
	}
	groups, err := app.groupsOf(ctx, who.ID)
	return chat.Member{Groups: groups, Admin: admin}, err
}

func (a *app) isAdmin(ctx context.Context, user string) (bool, error) {
	now := time.Now()
	a.members.mu.Lock()
	known, ok := a.members.admins[user]
	a.members.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.admin, nil
	}
	u, err := a.api.GetUserInfoContext(ctx, user)
	admin := err == nil && (u.IsAdmin || u.IsOwner || u.IsPrimaryOwner)
	if err != nil {
		if err = a.failed("user", err); !chat.Refused(err) {
			if ok { // better what was true a while ago than nothing
				return known.admin, nil
			}
			return false, err
		}
		a.log.WarnContext(ctx, "Slack does not say who is an admin", "reason", cause(err))
	}
	a.members.mu.Lock()
	defer a.members.mu.Unlock()
	if a.members.admins == nil || len(a.members.admins) > 10_000 {
		a.members.admins = map[string]cachedAdmin{}
	}
	a.members.admins[user] = cachedAdmin{admin: admin, until: now.Add(memberKeeps)}
	return admin, nil
}

// membersOf asks for one group that a rule names and the list of all says
// nothing of: it leaves out groups of the organisation, and members where an
// administrator restricts them. A refusal counts as a group of nobody.
func (a *app) membersOf(ctx context.Context, group string) ([]string, error) {
	users, err := a.api.GetUserGroupMembersContext(ctx, group)
	if err == nil {
		return users, nil
	}
	if err = a.failed("groups", err); !chat.Refused(err) {
		return nil, err
	}
	a.log.WarnContext(ctx, "Slack does not tell who is in a user group", "group", group, "reason", cause(err))
	return nil, nil
}

func (a *app) groupsOf(ctx context.Context, user string) ([]string, error) {
	now := time.Now()
	a.members.mu.Lock()
	known := a.members.groups
	a.members.mu.Unlock()
	if now.Before(known.until) {
		return known.byUser[user], nil
	}
	all, err := a.api.GetUserGroupsContext(ctx, slack.GetUserGroupsOptionIncludeUsers(true))
	if err != nil {
		if err = a.failed("groups", err); !chat.Refused(err) {
			if known.byUser != nil {
				return known.byUser[user], nil
			}
			return nil, err
		}
		a.log.WarnContext(ctx, "Slack does not tell the user groups", "reason", cause(err))
	}
	fresh := cachedGroups{byUser: map[string][]string{}, until: now.Add(memberKeeps)}
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
		users, err := a.membersOf(ctx, id)
		if err != nil {
			if known.byUser != nil {
				return known.byUser[user], nil
			}
			return nil, err
		}
		for _, u := range users {
			fresh.byUser[u] = append(fresh.byUser[u], id)
		}
	}
	for _, ids := range fresh.byUser {
		slices.Sort(ids)
	}
	a.members.mu.Lock()
	defer a.members.mu.Unlock()
	a.members.groups = fresh
	return fresh.byUser[user], nil
}
