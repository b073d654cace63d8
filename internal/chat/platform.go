// What a platform is, as data: its adapter exports one description, and all
// that must know the platform without speaking to it reads that.

package chat

import (
	"slices"

	"parley/internal/secret"
)

// Platform describes a platform. A description is made on demand and never
// changed.
type Platform struct {
	// Name is the word in Place.Platform. It also names the platform's section in
	// a bot's file, and its HTTP requests come below "/" + Name + "/".
	Name string
	// Title is what people call it.
	Title string
	// Settings are what a bot's section may hold, in the order in which problems
	// with them are told.
	Settings []Setting
	// Variables are what it takes from the environment for all its bots.
	Variables []Variable
	// MentionInThreads says that in threads commands can only be written after a
	// mention.
	MentionInThreads bool
	// Workspace is what people call a Place.Workspace: "server".
	Workspace string
	// Trusts names the list among Settings of the workspaces that a bot trusts,
	// where anybody can take a bot to one of theirs. The adapter is a Truster then.
	Trusts string
	// Pages says that the platform is parley's own: pages at the root of the
	// listener, with nothing outside to connect to.
	Pages bool
	// Manifest is what an operator must set up on the platform for a bot whose
	// server can be reached at the public address base ("": from nowhere). Its
	// error is for the operator. Nil: nothing must be set up.
	Manifest func(b Profile, base string) (Manifest, error)
}

// Profile is a bot as its platform's Manifest needs it.
type Profile struct {
	ID, Name, Description string
	Section               Section
}

// Manifest is what must be set up on a platform, for people and for machines.
type Manifest struct {
	Text string
	JSON []byte
}

// Setting is one field of a platform's section in a bot's file. Its value is
// text in which ${NAME} is taken from the environment; an empty one is none.
type Setting struct {
	Name string
	// Secret says that without the value the platform cannot be used, and that
	// nobody may see it.
	Secret bool
	// App says that the value names the bot's app on the platform: bots with the
	// same one share it. A bot without is not on the platform.
	App bool
	// Receives is how events arrive where the value is given: "Socket Mode".
	// Where a platform has such settings, a bot needs one of them.
	Receives string
	// Signed says that where the value is given, the platform sends its requests
	// to parley's listener, signed.
	Signed bool
	// Shared says that bots of one app must agree on the value.
	Shared bool
	// List says that there may be several values.
	List bool
	// Example shows a value, or says what it is: "xoxb-…", "the bot's token".
	Example string
	// Check says what is wrong with a value, "" where nothing is. The sentence
	// goes on after the setting's name and holds no secret; nil takes everything.
	Check func(value string) string
}

// Variable is a setting in the environment. Its value is text without white
// space around it; an empty one is the default.
type Variable struct {
	Name, Default string
	Want, Example string   // what a value must be, and one, for errors
	Words         []string // the only values there may be; letter case does not count
	URL           bool     // an http or https URL without query, user name and password
	// Check reports whether a value is what Want says; nil takes everything.
	Check func(value string) bool
}

// App is the setting that names a bot's app; empty where bots need none.
func (p Platform) App() Setting {
	for _, s := range p.Settings {
		if s.App {
			return s
		}
	}
	return Setting{}
}

// HasApps reports whether bots are met through apps of the platform, which their
// sections name. Where not, every bot is there and has direct messages of its
// own.
func (p Platform) HasApps() bool { return p.App().Name != "" }

// Setting is the one of that name.
func (p Platform) Setting(name string) (Setting, bool) {
	i := slices.IndexFunc(p.Settings, func(s Setting) bool { return s.Name == name })
	if i < 0 {
		return Setting{}, false
	}
	return p.Settings[i], true
}

// Section is what a bot's file says of one platform. Whatever was written into
// it prints as redacted: people mix up the places of tokens.
type Section struct {
	App    secret.Text            // the value of the setting that names the app; none: not on the platform
	Values map[string]secret.Text // of the other settings
	Lists  map[string][]secret.Text
}

// Value is that of a setting other than the one that names the app.
func (s Section) Value(name string) string { return s.Values[name].Reveal() }

// List is the values of a list.
func (s Section) List(name string) []string {
	out := make([]string, len(s.Lists[name]))
	for i, v := range s.Lists[name] {
		out[i] = v.Reveal()
	}
	return out
}
