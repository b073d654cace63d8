// The rules of a bot's access section, as pure functions.

package bots

import (
	"slices"
	"strings"

	"parley/internal/chat"
)

// Person is who asks, as far as the rules need to know. Fields that are
// unknown keep their zero value, which lets nobody in.
type Person struct {
	ID      string
	Groups  []string // may be nil if NeedsGroups is false
	Admin   bool     // of the workspace
	Channel string   // where they ask; for a thread, its channel
	// Insider is set for people of the workspace or its organisation, Guest for
	// guests among them, Gone for deactivated accounts. May reads these if
	// NeedsStanding is true.
	Insider, Guest, Gone bool
	// Unsure is set if the platform could not say whether they are an insider.
	Unsure bool
	// Untold are groups with members that the platform does not reveal.
	Untold []string
}

// Refusal refuses a person and names who can help. It is written for the chat.
type Refusal struct {
	AdminsOnly bool // an admin would not be refused
	// Line is the sentence. It names people by their ids on the platform.
	Line chat.Line
}

func (r *Refusal) Error() string { return r.Line.String() }

// whoHelps names at most three admins, because a longer list does not help. It
// never names p.
func (b *Bot) whoHelps(p Person) chat.Line {
	others := slices.DeleteFunc(slices.Clone(b.Access.Admins), func(id string) bool { return id == p.ID })
	if len(others) == 0 {
		return chat.Say("a workspace admin")
	}
	return chat.Say("%s or a workspace admin", strings.Join(others[:min(3, len(others))], ", "))
}

func refuse(l chat.Line) error { return &Refusal{Line: l} }

// May returns nil if p may use the bot where they ask, else a *Refusal. Deny
// overrides everything. People from other organisations and guests need the
// bot's permission or an entry in users. Users and groups add up; channels
// restricts. Being an admin overrides none of these.
func (b *Bot) May(p Person) error {
	a := b.Access
	if b.denies(p) {
		return refuse(chat.Say("You don't have access to %s. Ask %s for access.", b.Name, b.whoHelps(p)))
	}
	if err := b.takes(p); err != nil {
		return err
	}
	if len(a.Users)+len(a.Groups) > 0 && !in(p, a.Users, a.Groups) {
		return refuse(chat.Say("You don't have access to %s. Ask %s for access.", b.Name, b.whoHelps(p)))
	}
	if len(a.Channels) > 0 && !slices.Contains(a.Channels, p.Channel) {
		return refuse(chat.Say("%s doesn't answer in this channel. Ask %s to add it.", b.Name, b.whoHelps(p)))
	}
	return nil
}

// denies reports whether a deny rule names p, or may name them because it
// names a group with unknown members.
func (b *Bot) denies(p Person) bool {
	return slices.ContainsFunc(b.Access.Deny, func(d DenyRule) bool {
		return in(p, d.Users, d.Groups) ||
			slices.ContainsFunc(d.Groups, func(g string) bool { return slices.Contains(p.Untold, g) })
	})
}

// takes returns nil if the bot answers people of p's standing, else a
// *Refusal.
func (b *Bot) takes(p Person) error {
	a := b.Access
	named := p.ID != "" && slices.Contains(a.Users, p.ID)
	switch {
	case p.Gone:
		return refuse(chat.Say("Your account is deactivated, so %s can't answer you. Ask %s to reactivate it.", b.Name, b.whoHelps(p)))
	case named:
		return nil
	case p.Unsure && !(a.External && a.Guests):
		return refuse(chat.Say("I couldn't check that you belong to this workspace, so %s can't answer you. Ask %s for help.", b.Name, b.whoHelps(p)))
	case !p.Insider && !a.External:
		return refuse(chat.Say("%s only answers people of this workspace. Ask %s for access.", b.Name, b.whoHelps(p)))
	case p.Insider && p.Guest && !a.Guests:
		return refuse(chat.Say("%s doesn't answer guests. Ask %s for access.", b.Name, b.whoHelps(p)))
	}
	return nil
}

// MayModel returns nil if p may use a model with this bot, else a *Refusal.
// The first rule with a matching Match decides; without one, everyone may.
// Fallbacks follow the same rules.
func (b *Bot) MayModel(ref ModelRef, p Person) error {
	for _, rule := range b.Access.Models {
		if !Glob(rule.Match, ref.String()) {
			continue
		}
		if in(p, rule.Users, rule.Groups) {
			return nil
		}
		return refuse(chat.Say("You don't have access to %s with this bot. Choose another model with /model, or ask %s for access.", ref.String(), b.whoHelps(p)))
	}
	return nil
}

// NoModel is the refusal for all models, if p may use none.
func (b *Bot) NoModel(p Person) *Refusal {
	return &Refusal{Line: chat.Say("You don't have access to any model with this bot. Ask %s for access.", b.whoHelps(p))}
}

// NoModelOf is the refusal for a provider if p may use none of its models. It
// does not name the models.
func (b *Bot) NoModelOf(provider string, p Person) error {
	return refuse(chat.Say("You don't have access to the models of %s with this bot. Ask %s for access.", provider, b.whoHelps(p)))
}

// IsAdmin reports whether p administers this bot: access.admins names them, or
// they are an admin of the workspace. People who are denied, and admins of
// other organisations, are not.
func (b *Bot) IsAdmin(p Person) bool {
	if b.denies(p) || p.Gone {
		return false
	}
	return p.Admin && p.Insider || p.ID != "" && slices.Contains(b.Access.Admins, p.ID)
}

// MaySwitch returns nil if p may switch the model of the place, else a
// *Refusal. Everyone may if own is set: in a direct message or a thread that p
// started.
func (b *Bot) MaySwitch(p Person, own bool) error {
	if own || b.Access.Switch != SwitchAdmins || b.IsAdmin(p) {
		return nil
	}
	return &Refusal{AdminsOnly: true, Line: chat.Say("Only %s admins can switch the model here. Ask %s, or use a direct message or a thread you started.", b.Name, b.whoHelps(p))}
}

// MayAdminister returns nil if p may add, change or remove providers, else a
// *Refusal.
func (b *Bot) MayAdminister(p Person) error {
	if b.IsAdmin(p) {
		return nil
	}
	return &Refusal{AdminsOnly: true, Line: chat.Say("Only %s admins can do that. Ask %s.", b.Name, b.whoHelps(p))}
}

// NamedGroups are the groups that the bot's rules name.
func (b *Bot) NamedGroups() []string {
	groups := slices.Clone(b.Access.Groups)
	for _, rule := range b.Access.Models {
		groups = append(groups, rule.Groups...)
	}
	for _, rule := range b.Access.Deny {
		groups = append(groups, rule.Groups...)
	}
	return groups
}

// NeedsGroups reports whether the rules depend on a person's groups. If not,
// there is no need to ask the platform.
func (b *Bot) NeedsGroups() bool { return len(b.NamedGroups()) > 0 }

// NeedsStanding reports whether May depends on a person being an insider or a
// guest. It does not if the bot answers everyone, or if users names them.
func (b *Bot) NeedsStanding(user string) bool {
	return !(b.Access.External && b.Access.Guests) && !slices.Contains(b.Access.Users, user)
}

func in(p Person, users, groups []string) bool {
	if p.ID != "" && slices.Contains(users, p.ID) {
		return true
	}
	return slices.ContainsFunc(p.Groups, func(g string) bool { return slices.Contains(groups, g) })
}

// Glob reports whether pattern matches all of s. A * matches any characters,
// "/" included; everything else matches itself. Case is ignored, because some
// model servers ignore it, and a different case must not bypass a rule.
func Glob(pattern, s string) bool {
	pattern, s = strings.ToLower(pattern), strings.ToLower(s)
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	s, ok := strings.CutPrefix(s, head)
	if !ok {
		return false
	}
	parts := strings.Split(rest, "*")
	for _, part := range parts[:len(parts)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return strings.HasSuffix(s, parts[len(parts)-1])
}
