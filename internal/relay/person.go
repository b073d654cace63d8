// Who asks: what a bot's rules need to know of a person.

package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley/bots"
	"parley/internal/chat"
)

// lookupTime is how long a person may wait for what the platform knows of them.
const lookupTime = 2 * time.Second

// person finds out what a bot's rules need to know of an author. When the platform
// cannot say and the rules need only the id, the person counts as no admin, and
// unsure says why.
func (r *Relay) person(ctx context.Context, b bots.Bot, p chat.Place, a chat.Author) (who bots.Person, unsure, err error) {
	adapter, ok := r.adapters[p.Platform]
	if !ok {
		return bots.Person{}, nil, fmt.Errorf("this process has no adapter for %s", p.Platform)
	}
	who = byID(adapter, p, a)
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	member, err := adapter.Member(ctx, b.ID, p, a)
	switch {
	case err == nil:
		return known(adapter, who, member), nil, nil
	case needsMember(adapter, b, a):
		return who, nil, unknown(err)
	}
	r.log.WarnContext(ctx, "whether a person is an admin could not be looked up; they go on as none", "platform", p.Platform, "bot", b.ID, "error", err)
	return who, unknown(err), nil
}

// byID is an author as far as their message tells.
func byID(adapter chat.Adapter, p chat.Place, a chat.Author) bots.Person {
	return bots.Person{ID: a.ID, Channel: p.Channel, Insider: !hasOutsiders(adapter)}
}

// known is a person with what the platform says of them.
func known(adapter chat.Adapter, who bots.Person, m chat.Member) bots.Person {
	who.Groups, who.Admin, who.Untold = m.Groups, m.Admin, m.Untold
	if hasOutsiders(adapter) {
		who.Insider, who.Guest, who.Gone, who.Unsure = m.Insider, m.Guest, m.Gone, m.Unsure
	}
	return who
}

// hasOutsiders reports whether people who are not of the workspace can write to
// a bot of the platform.
func hasOutsiders(a chat.Adapter) bool {
	_, ok := a.(chat.Outsiders)
	return ok
}

// needsMember reports whether the rules need more of a person than their id.
func needsMember(adapter chat.Adapter, b bots.Bot, a chat.Author) bool {
	return b.NeedsGroups() || hasOutsiders(adapter) && b.NeedsStanding(a.ID)
}

// errUnknown marks that the platform could not say who a person is.
var errUnknown = errors.New("the person could not be looked up")

// unknown is the error for a person who could not be looked up.
func unknown(err error) error {
	return &chat.UserError{Line: chat.Say("I could not look up your groups, roles and workspace just now. Try again in a moment."), Err: fmt.Errorf("%w: %w", errUnknown, err)}
}
