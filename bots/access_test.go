package bots_test

import (
	"errors"
	"strings"
	"testing"

	"parley/bots"
)

func bot(a bots.Access) *bots.Bot {
	return &bots.Bot{ID: "helper", Name: "Helper", Access: a}
}

func TestMay(t *testing.T) {
	users, groups, channels := []string{"U1"}, []string{"S1"}, []string{"C1"}
	for name, c := range map[string]struct {
		access bots.Access
		person bots.Person
		want   bool
	}{
		"everyone":                       {bots.Access{}, bots.Person{ID: "U9"}, true},
		"named user":                     {bots.Access{Users: users}, bots.Person{ID: "U1"}, true},
		"other user":                     {bots.Access{Users: users}, bots.Person{ID: "U2"}, false},
		"group":                          {bots.Access{Groups: groups}, bots.Person{ID: "U2", Groups: []string{"S0", "S1"}}, true},
		"not in the group":               {bots.Access{Groups: groups}, bots.Person{ID: "U2", Groups: []string{"S0"}}, false},
		"users and groups add up: user":  {bots.Access{Users: users, Groups: groups}, bots.Person{ID: "U1"}, true},
		"users and groups add up: group": {bots.Access{Users: users, Groups: groups}, bots.Person{ID: "U2", Groups: groups}, true},
		"users and groups: neither":      {bots.Access{Users: users, Groups: groups}, bots.Person{ID: "U2"}, false},
		"channel":                        {bots.Access{Channels: channels}, bots.Person{ID: "U2", Channel: "C1"}, true},
		"other channel":                  {bots.Access{Channels: channels}, bots.Person{ID: "U2", Channel: "C2"}, false},
		"channels narrows":               {bots.Access{Users: users, Channels: channels}, bots.Person{ID: "U1", Channel: "C2"}, false},
		"channel does not open":          {bots.Access{Users: users, Channels: channels}, bots.Person{ID: "U2", Channel: "C1"}, false},
		"both":                           {bots.Access{Users: users, Channels: channels}, bots.Person{ID: "U1", Channel: "C1"}, true},
		"an admin is no exception":       {bots.Access{Users: users}, bots.Person{ID: "U2", Admin: true}, false},
		"nobody in particular":           {bots.Access{Users: []string{""}}, bots.Person{}, false},
	} {
		c.person.Insider = true
		t.Run(name, func(t *testing.T) { expect(t, bot(c.access).May(c.person), c.want) })
	}
}

// Who is not known to belong to the workspace is kept out, whatever else the
// rules allow; deny wins over all of them.
func TestMayOutsidersGuestsAndTheDenied(t *testing.T) {
	insider, external := bots.Person{ID: "U1", Insider: true}, bots.Person{ID: "U1"}
	guest, gone := bots.Person{ID: "U1", Insider: true, Guest: true}, bots.Person{ID: "U1", Gone: true}
	unsure := bots.Person{ID: "U1", Unsure: true}
	usual := bots.Access{Guests: true}
	open := bots.Access{Guests: true, External: true}
	noGuests := bots.Access{}
	named := bots.Access{Users: []string{"U1"}}
	group := bots.Access{Guests: true, Groups: []string{"S1"}}
	deny := bots.Access{Guests: true, External: true, Users: []string{"U1"}, Admins: []string{"U1"}, Deny: []bots.DenyRule{{Users: []string{"U0"}}, {Users: []string{"U1"}}}}
	denyGroup := bots.Access{Guests: true, External: true, Deny: []bots.DenyRule{{Groups: []string{"S9"}}}}
	with := func(p bots.Person, change func(*bots.Person)) bots.Person { change(&p); return p }
	for name, c := range map[string]struct {
		access bots.Access
		person bots.Person
		want   bool
	}{
		"a member":                                   {usual, insider, true},
		"external":                                   {usual, external, false},
		"external, taken":                            {open, external, true},
		"external, named":                            {named, external, true},
		"external in a named group":                  {group, with(external, func(p *bots.Person) { p.Groups = []string{"S1"} }), false},
		"external admin":                             {usual, with(external, func(p *bots.Person) { p.Admin = true }), false},
		"nothing known":                              {usual, bots.Person{}, false},
		"a guest":                                    {usual, guest, true},
		"a guest, not taken":                         {noGuests, guest, false},
		"a guest, named":                             {named, guest, true},
		"an external person is no guest":             {bots.Access{External: true}, external, true},
		"a member where no guests are taken":         {noGuests, insider, true},
		"not told":                                   {usual, unsure, false},
		"not told, external taken":                   {open, unsure, true},
		"not told, external taken but no guests":     {bots.Access{External: true}, unsure, false},
		"not told, named":                            {named, unsure, true},
		"deactivated":                                {open, gone, false},
		"deactivated, named":                         {named, gone, false},
		"denied wins over users and admins":          {deny, insider, false},
		"denied, workspace admin":                    {deny, with(insider, func(p *bots.Person) { p.Admin = true }), false},
		"in a denied group":                          {denyGroup, with(insider, func(p *bots.Person) { p.Groups = []string{"S8", "S9"} }), false},
		"perhaps in a denied group":                  {denyGroup, with(insider, func(p *bots.Person) { p.Untold = []string{"S9"} }), false},
		"in no denied group":                         {denyGroup, with(insider, func(p *bots.Person) { p.Groups = []string{"S8"} }), true},
		"another group's members are not told":       {denyGroup, with(insider, func(p *bots.Person) { p.Untold = []string{"S7"} }), true},
		"external taken, but channels still narrows": {bots.Access{External: true, Channels: []string{"C1"}}, external, false},
	} {
		t.Run(name, func(t *testing.T) { expect(t, bot(c.access).May(c.person), c.want) })
	}
}

func TestMayModelTheFirstMatchDecides(t *testing.T) {
	b := bot(bots.Access{Models: []bots.ModelRule{
		{Match: "lab/legal-*", Groups: []string{"S1"}},
		{Match: "lab/*", Users: []string{"U1"}},
		{Match: "*/secret", Users: []string{"U1"}},
	}})
	inGroup, named, other := bots.Person{ID: "U5", Groups: []string{"S1"}}, bots.Person{ID: "U1"}, bots.Person{ID: "U9"}
	for _, c := range []struct {
		provider, model string
		person          bots.Person
		want            bool
	}{
		{"lab", "legal-7b", inGroup, true},
		{"lab", "legal-7b", named, false}, // a later rule does not help
		{"lab", "qwen", named, true},
		{"lab", "qwen", inGroup, false},
		{"lab", "a/b/c", other, false}, // * also matches /
		{"lab", "LEGAL-7B", named, false},
		{"corp", "gpt-4o", other, true}, // no rule: everyone
		{"corp", "x/secret", other, false},
	} {
		t.Run(c.provider+"/"+c.model+" "+c.person.ID, func(t *testing.T) {
			expect(t, b.MayModel(bots.ModelRef{Provider: c.provider, Model: c.model}, c.person), c.want)
		})
	}
}

func TestMaySwitch(t *testing.T) {
	admins := bots.Access{Switch: bots.SwitchAdmins, Admins: []string{"U1"}}
	for name, c := range map[string]struct {
		access bots.Access
		person bots.Person
		own    bool
		want   bool
	}{
		"everyone":          {bots.Access{Switch: bots.SwitchEveryone}, bots.Person{ID: "U9"}, false, true},
		"admins: other":     {admins, bots.Person{ID: "U9"}, false, false},
		"admins: named":     {admins, bots.Person{ID: "U1"}, false, true},
		"admins: of all":    {admins, bots.Person{ID: "U9", Admin: true, Insider: true}, false, true},
		"admins: elsewhere": {admins, bots.Person{ID: "U9", Admin: true}, false, false},
		"one's own always":  {admins, bots.Person{ID: "U9"}, true, true},
	} {
		t.Run(name, func(t *testing.T) { expect(t, bot(c.access).MaySwitch(c.person, c.own), c.want) })
	}
}

func TestMayAdminister(t *testing.T) {
	b := bot(bots.Access{Admins: []string{"U1"}})
	expect(t, b.MayAdminister(bots.Person{ID: "U1"}), true)
	expect(t, b.MayAdminister(bots.Person{ID: "U2", Admin: true, Insider: true}), true)
	expect(t, b.MayAdminister(bots.Person{ID: "U2", Admin: true}), false) // of another organisation
	b.Access.Deny = []bots.DenyRule{{Users: []string{"U1"}}, {Groups: []string{"S1"}}}
	expect(t, b.MayAdminister(bots.Person{ID: "U1", Insider: true}), false)
	expect(t, b.MayAdminister(bots.Person{ID: "U2", Admin: true, Insider: true, Groups: []string{"S1"}}), false)
	expect(t, b.MayAdminister(bots.Person{ID: "U2"}), false)
	expect(t, b.MayAdminister(bots.Person{}), false)
}

// expect checks a decision, and that a refusal is short and says who can help.
func expect(t *testing.T, err error, want bool) {
	t.Helper()
	if (err == nil) != want {
		t.Fatalf("allowed %v, want %v (%v)", err == nil, want, err)
	}
	if err == nil {
		return
	}
	text := err.Error()
	if !strings.Contains(text, "sk ") || !strings.Contains(text, "a workspace admin") || !strings.HasSuffix(text, ".") || strings.Count(text, ". ") > 1 {
		t.Errorf("does not say who can help: %q", text)
	}
}

func TestARefusalNamesTheBotsAdmins(t *testing.T) {
	b := bot(bots.Access{Users: []string{"U1"}, Admins: []string{"UA", "UB", "UC", "UD"}})
	r, ok := errors.AsType[*bots.Refusal](b.May(bots.Person{ID: "U2", Insider: true}))
	if !ok {
		t.Fatal("no *Refusal")
	}
	if got := r.Error(); !strings.Contains(got, "UA, UB, UC or a workspace admin") {
		t.Errorf("got %q", got)
	}
	if got := b.May(bots.Person{ID: "UB", Insider: true}).Error(); !strings.Contains(got, "Ask UA, UC, UD or") {
		t.Errorf("an admin is sent to themselves: %q", got)
	}
}

func TestNeedsGroups(t *testing.T) {
	for want, list := range map[bool][]bots.Access{
		false: {{}, {Users: []string{"U1"}}, {Models: []bots.ModelRule{{Match: "*", Users: []string{"U1"}}}}},
		true:  {{Groups: []string{"S1"}}, {Deny: []bots.DenyRule{{Users: []string{"U1"}}, {Groups: []string{"S1"}}}}, {Models: []bots.ModelRule{{Match: "*", Groups: []string{"S1"}}}}},
	} {
		for _, a := range list {
			if got := bot(a).NeedsGroups(); got != want {
				t.Errorf("%+v: %v", a, got)
			}
		}
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"lab/legal-*", "lab/legal-7b", true}, {"lab/legal-*", "lab/legal-", true}, {"lab/legal-*", "lab/law", false},
		{"*", "", true}, {"*", "a/b/c", true}, {"", "", true}, {"", "a", false},
		{"a*c", "a/b/c", true}, {"a*c", "ac", true}, {"a*c", "ab", false}, {"a*a", "a", false},
		{"*b*", "abc", true}, {"*b*b*", "abc", false}, {"**", "x", true}, {"a*b*c", "aXbYbZc", true},
		{"a.c", "abc", false}, {"[ab]", "a", false}, {"a?", "ab", false}, {"Lab/*", "lab/X", true},
	} {
		if got := bots.Glob(c.pattern, c.s); got != c.want {
			t.Errorf("Glob(%q, %q) = %v", c.pattern, c.s, got)
		}
	}
}

func TestParseModelRef(t *testing.T) {
	for in, want := range map[string]bots.ModelRef{
		"lab/qwen3-8b": {Provider: "lab", Model: "qwen3-8b"}, "or/meta/llama": {Provider: "or", Model: "meta/llama"},
		"lab": {}, "lab/": {}, "/x": {}, "Lab/x": {},
	} {
		got, ok := bots.ParseModelRef(in)
		if got != want || ok != (want != bots.ModelRef{}) {
			t.Errorf("%q: %+v %v", in, got, ok)
		}
	}
}
