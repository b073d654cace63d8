// The rules of a bot's access section, as pure functions.

package bots

import (
	"slices"
	"strings"

	"parley/internal/chat"
)

// Person is who asks, as far as the rules need to know. What is not known is
// left at its zero value, which lets nobody in.
type Person struct {
	ID      string
	Groups  []string // may be nil when NeedsGroups is false
	Admin   bool     // of the workspace
	Channel string   // where they ask; for a thread the channel it is in
	// Insider says that they belong to the workspace or its organisation, Guest
	// that they do so as a guest, Gone that their account is deactivated. May
	// looks at these where NeedsStanding is true.
	Insider, Guest, Gone bool
	// Unsure says that the platform did not tell whether they are an insider.
	Unsure bool
	// Untold are groups whose members the platform does not tell.
	Untold []string
}

// Refusal says no to a person and who can help. Its text was written for the
// chat.
type Refusal struct {
	AdminsOnly bool // an admin would not be refused
	// Line is the sentence, with the platform's ids of those who can help.
	Line chat.Line
}

func (r *Refusal) Error() string { return r.Line.String() }

// whoHelps names at most three admins: a longer list helps nobody. Nobody is
// sent to themselves.
func (b *Bot) whoHelps(p Person) chat.Line {
	others := slices.DeleteFunc(slices.Clone(b.Access.Admins), func(id string) bool { return id == p.ID })
	if len(others) == 0 {
		return chat.Say("a workspace admin")
	}
	return chat.Say("%s or a workspace admin", strings.Join(others[:min(3, len(others))], ", "))
}

func refuse(l chat.Line) error { return &Refusal{Line: l} }

// May says whether p may use the bot where they ask: nil, or a *Refusal. Deny
// wins over everything; then people of other organisations and guests are kept
// out unless the bot takes them or names them in users; users and groups add up,
// channels narrows. Being an admin opens none of these.
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

// denies reports whether a deny rule names p, or may name them: one that names a
// group whose members the platform does not tell.
func (b *Bot) denies(p Person) bool {
	return slices.ContainsFunc(b.Access.Deny, func(d DenyRule) bool {
		return in(p, d.Users, d.Groups) ||
			slices.ContainsFunc(d.Groups, func(g string) bool { return slices.Contains(p.Untold, g) })
	})
}

// takes says whether the bot takes people of p's standing: nil, or a *Refusal.
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

// MayModel says whether p may use a model with this bot: nil, or a *Refusal.
// The first rule whose Match fits decides; without one everyone may. Fallbacks
// obey it too.
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

// NoModelOf refuses a provider of whose models p may use none, without naming
// any of them.
func (b *Bot) NoModelOf(provider string, p Person) error {
	return refuse(chat.Say("You don't have access to the models of %s with this bot. Ask %s for access.", provider, b.whoHelps(p)))
}

// IsAdmin says whether p administers this bot: named in access.admins, or an
// admin of the workspace. Who is denied, or an admin elsewhere, is none.
func (b *Bot) IsAdmin(p Person) bool {
	if b.denies(p) || p.Gone {
		return false
	}
	return p.Admin && p.Insider || p.ID != "" && slices.Contains(b.Access.Admins, p.ID)
}

// MaySwitch says whether p may switch the model of the place: nil, or a
// *Refusal. Own is a direct message or a thread p began: always allowed.
func (b *Bot) MaySwitch(p Person, own bool) error {
	if own || b.Access.Switch != SwitchAdmins || b.IsAdmin(p) {
		return nil
	}
	return &Refusal{AdminsOnly: true, Line: chat.Say("Only %s admins can switch the model here. Ask %s, or use a direct message or a thread you started.", b.Name, b.whoHelps(p))}
}

// MayAdminister says whether p may add, change or remove providers: nil, or a
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

// NeedsGroups reports whether the rules look at a person's groups; when not, the
// platform need not be asked for them.
func (b *Bot) NeedsGroups() bool { return len(b.NamedGroups()) > 0 }

// NeedsStanding reports whether May depends on whether a person is an insider or
// a guest: not where the bot takes everybody, or users names them.
func (b *Bot) NeedsStanding(user string) bool {
	return !(b.Access.External && b.Access.Guests) && !slices.Contains(b.Access.Users, user)
}

func in(p Person, users, groups []string) bool {
	if p.ID != "" && slices.Contains(users, p.ID) {
		return true
	}
	return slices.ContainsFunc(p.Groups, func(g string) bool { return slices.Contains(groups, g) })
}

// Glob reports whether pattern fits the whole of s. A * stands for any run of
// characters, "/" included; all else stands for itself. Letter case does not
// count: some model servers ignore it, and a rule must not be got around so.
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
