// One Slack app installed in several workspaces has a bot token in each, and one
// app token or signing secret for all of them: whom a request is for stands in
// the request, not in the way it came.

package slack

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// addressee is what a request says of whom it is for.
type addressee struct {
	users        []string // bot users: of the authorization, of the message that was pressed
	teams        []string // workspaces, the surest first
	organisation string   // where the app is installed for a whole organisation; else empty
}

// among finds the app by its bot user, else by its workspace, else by its
// organisation. It passes over apps that do not know yet who they are.
func (to addressee) among(apps []*app) *app {
	find := func(fits func(identity) bool) *app {
		for _, a := range apps {
			if id := a.self.Load(); id != nil && fits(*id) {
				return a
			}
		}
		return nil
	}
	if a := find(func(id identity) bool { return id.User != "" && slices.Contains(to.users, id.User) }); a != nil {
		return a
	}
	for _, team := range to.teams {
		if a := find(func(id identity) bool { return team != "" && id.Team == team }); a != nil {
			return a
		}
	}
	return find(func(id identity) bool { return to.organisation != "" && id.Organisation == to.organisation })
}

// receiver is the app that a request is for, of those that share the connection
// or the signing secret by which a took it. One that none of them answers for
// stays with a. It gives errStarting while an app that could be meant does not
// know yet who it is: Slack sends an event again, and a wrong token answers
// nobody. It gives errNobody when all that are left have tokens that Slack
// refuses: to send it again would not help.
func (a *app) receiver(ctx context.Context, sharing []*app, to addressee) (*app, error) {
	if len(sharing) < 2 {
		return a, nil
	}
	if found := to.among(sharing); found != nil {
		return found, nil
	}
	ctx, cancel := context.WithTimeout(ctx, whoamiWithin)
	defer cancel()
	all, barred := true, false
	for _, other := range sharing {
		if other.self.Load() == nil && other.barred.Load() {
			barred = true
			continue
		}
		_, known := other.whoami(ctx)
		all = all && known
	}
	switch found := to.among(sharing); {
	case found != nil:
		return found, nil
	case !all:
		return nil, errStarting
	}
	a.log.WarnContext(ctx, "Slack sent something for a workspace that no bot has a token of", "teams", to.teams)
	if barred {
		return nil, errNobody
	}
	return a, nil
}

// errNobody says that a request is for nobody here. It is acknowledged all the
// same.
var errNobody = errors.New("no bot has a token of the workspace that Slack takes")

// addressee of an event: its authorization names the installation it is for,
// also in a channel shared with other organisations.
func (e envelope) addressee() addressee {
	var to addressee
	for _, auth := range e.Authorizations {
		to.users, to.teams = append(to.users, auth.UserID), append(to.teams, auth.TeamID)
		if auth.OrgWide {
			to.organisation = auth.EnterpriseID
		}
	}
	to.teams = append(to.teams, e.TeamID)
	return to
}

func (c slashCommand) addressee() addressee {
	to := addressee{teams: []string{c.Team}}
	if c.OrgWide {
		to.organisation = c.Enterprise
	}
	return to
}

// addressee of an interaction: the app whose message or form was used.
func (i interaction) addressee() addressee {
	to := addressee{users: []string{i.Message.User}, teams: []string{i.View.InstalledTeam}}
	if i.Team != nil {
		to.teams = append(to.teams, i.Team.ID)
	}
	if i.OrgWide && i.Enterprise != nil {
		to.organisation = i.Enterprise.ID
	}
	return to
}

// truth is a yes or no that Slack writes as JSON's own or as text.
type truth bool

func (t *truth) UnmarshalJSON(b []byte) error {
	*t = strings.Trim(string(b), `"`) == "true"
	return nil
}
