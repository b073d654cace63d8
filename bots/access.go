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
	Bot    string   // the bot's name
	Admins []string // the bot's own admins, platform ids
	// AdminsOnly says that an admin would not be refused.
	AdminsOnly bool
	format     string
	subj       string
}

// Error is the sentence with the admins' ids as they stand.
func (r *Refusal) Error() string {
	return r.Sentence(func(id string) string { return id })
}

// Sentence is the sentence with each admin as mention shows them.
func (r *Refusal) Sentence(mention func(id string) string) string {
	return fmt.Sprintf(r.format, r.subj, r.whoHelps(mention))
}

// whoHelps names at most three admins: a longer list helps nobody.
func (r *Refusal) whoHelps(mention func(id string) string) string {
	var names []string
	for _, id := range r.Admins[:min(3, len(r.Admins))] {
		names = append(names, mention(id))
	}
	if len(names) == 0 {
		return "a workspace admin"
	}
	return strings.Join(names, ", ") + " or a workspace admin"
}

func (b *Bot) refuse(format, subj string) error {
	return &Refusal{Bot: b.Name, Admins: b.Access.Admins, format: format, subj: subj}
}

func (b *Bot) adminsOnly(format string) error {
	return &Refusal{Bot: b.Name, Admins: b.Access.Admins, AdminsOnly: true, format: format, subj: b.Name}
}

// May says whether p may use the bot where they ask: nil, or a *Refusal. Users
// and groups add up, channels narrows; being an admin opens neither.
func (b *Bot) May(p Person) error {
	a := b.Access
	if len(a.Users)+len(a.Groups) > 0 && !in(p, a.Users, a.Groups) {
		return b.refuse("You are not among those who may use %s; ask %s to let you in.", b.Name)
	}
	if len(a.Channels) > 0 && !slices.Contains(a.Channels, p.Channel) {
		return b.refuse("%s does not answer here, only in the channels it was set up for; ask %s to add this one.", b.Name)
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
		return b.refuse("You may not use %s with this bot; choose another with /model, or ask %s.", ref.String())
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
	return b.adminsOnly("Only admins of %s switch its model here; ask %s, or switch it in a thread of your own or a direct message.")
}

// MayAdminister says whether p may add, change or remove providers: nil, or a
// *Refusal.
func (b *Bot) MayAdminister(p Person) error {
	if b.IsAdmin(p) {
		return nil
	}
	return b.adminsOnly("Only admins of %s may do that; ask %s.")
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
