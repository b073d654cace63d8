// The rules of a bot's access section, as pure functions.

package bots

import (
	"fmt"
	"slices"
	"strings"
)

// Person is who asks, as far as the rules need to know.
type Person struct {
	ID      string
	Groups  []string // Slack user groups, Discord roles; may be nil when NeedsGroups is false
	Admin   bool     // workspace admin or owner; Discord: Manage Server
	Channel string   // where they ask; for a thread the channel it is in
}

// Refusal says no to a person and who can help. Its text is one sentence made
// for the chat.
type Refusal struct {
	AdminsOnly bool // an admin would not be refused
	sentence   string
}

// Error is the sentence, with the platform's ids of those who can help.
func (r *Refusal) Error() string { return r.sentence }

// whoHelps names at most three admins: a longer list helps nobody. Nobody is
// sent to themselves.
func (b *Bot) whoHelps(p Person) string {
	others := slices.DeleteFunc(slices.Clone(b.Access.Admins), func(id string) bool { return id == p.ID })
	if len(others) == 0 {
		return "a workspace admin"
	}
	return strings.Join(others[:min(3, len(others))], ", ") + " or a workspace admin"
}

// refuse fills format with what it is about and who can help.
func (b *Bot) refuse(p Person, format, subject string) error {
	return &Refusal{sentence: fmt.Sprintf(format, subject, b.whoHelps(p))}
}

func (b *Bot) adminsOnly(p Person, format string) error {
	return &Refusal{AdminsOnly: true, sentence: fmt.Sprintf(format, b.Name, b.whoHelps(p))}
}

// May says whether p may use the bot where they ask: nil, or a *Refusal. Users
// and groups add up, channels narrows; being an admin opens neither.
func (b *Bot) May(p Person) error {
	a := b.Access
	if len(a.Users)+len(a.Groups) > 0 && !in(p, a.Users, a.Groups) {
		return b.refuse(p, "You are not among those who may use %s; ask %s to let you in.", b.Name)
	}
	if len(a.Channels) > 0 && !slices.Contains(a.Channels, p.Channel) {
		return b.refuse(p, "%s does not answer here, only in the channels it was set up for; ask %s to add this one.", b.Name)
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
		return b.refuse(p, "You may not use %s with this bot; choose another with /model, or ask %s.", ref.String())
	}
	return nil
}

// IsAdmin says whether p administers this bot: named in access.admins, or an
// admin of the workspace.
func (b *Bot) IsAdmin(p Person) bool {
	return p.Admin || (p.ID != "" && slices.Contains(b.Access.Admins, p.ID))
}

// MaySwitch says whether p may switch the model of the place: nil, or a
// *Refusal. Own is a direct message or a thread p began: always allowed.
func (b *Bot) MaySwitch(p Person, own bool) error {
	if own || b.Access.Switch != SwitchAdmins || b.IsAdmin(p) {
		return nil
	}
	return b.adminsOnly(p, "Only admins of %s switch its model here; ask %s, or switch it in a thread of your own or a direct message.")
}

// MayAdminister says whether p may add, change or remove providers: nil, or a
// *Refusal.
func (b *Bot) MayAdminister(p Person) error {
	if b.IsAdmin(p) {
		return nil
	}
	return b.adminsOnly(p, "Only admins of %s may do that; ask %s.")
}

// NeedsGroups reports whether May or MayModel looks at a person's groups; when
// not, the platform need not be asked for them.
func (b *Bot) NeedsGroups() bool {
	return len(b.Access.Groups) > 0 ||
		slices.ContainsFunc(b.Access.Models, func(r ModelRule) bool { return len(r.Groups) > 0 })
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
