// What a platform is, as data: its adapter exports one description, and code
// that needs to know the platform without talking to it reads that.

package chat

import (
	"slices"

	"parley/internal/secret"
)

// Platform describes a platform. Descriptions are made on demand and never
// changed.
type Platform struct {
	// Name is the word in Place.Platform. It also names the platform's section in
	// a bot's file; its HTTP requests are below "/" + Name + "/".
	Name string
	// Title is what people call it.
	Title string
	// Settings are the settings in a bot's section, in the order in which their
	// problems are reported.
	Settings []Setting
	// Variables are its settings in the environment, for all bots.
	Variables []Variable
	// MentionInThreads means that people can use commands in threads only after a
	// mention.
	MentionInThreads bool
	// Workspace is the platform's term for a Place.Workspace: "server".
	Workspace string
	// Trusts names the setting that lists the workspaces a bot trusts, if anyone
	// can add a bot to their workspace. Then the adapter is a Truster.
	Trusts string
	// Pages means that the platform is parley's own: pages at the root of the
	// listener, with nothing external to connect to.
	Pages bool
	// Manifest is what an operator must set up on the platform for a bot, with
	// base as the server's public address ("" if it has none). Its error is for
	// the operator. Nil means that there is nothing to set up.
	Manifest func(b Profile, base string) (Manifest, error)
}

// Profile is a bot for its platform's Manifest.
type Profile struct {
	ID, Name, Description string
	Section               Section
}

// Manifest is how to set up a bot on a platform, for people and for machines.
type Manifest struct {
	Text string
	JSON []byte
}

// Setting is one field of a platform's section in a bot's file. ${NAME} in its
// value is expanded from the environment; an empty value counts as absent.
type Setting struct {
	Name string
	// Secret means that the platform cannot be used without the value, and that
	// nobody may see it.
	Secret bool
	// App means that the value identifies the bot's app on the platform: bots with
	// the same value share it. A bot without one is not on the platform.
	App bool
	// Receives is how events arrive if the value is set: "Socket Mode". If a
	// platform has such settings, a bot needs at least one.
	Receives string
	// Signed means that, if the value is set, the platform sends signed requests
	// to parley's listener.
	Signed bool
	// Shared means that bots of one app must have the same value.
	Shared bool
	// List means that there may be several values.
	List bool
	// Example shows or describes a value: "xoxb-…", "the bot's token".
	Example string
	// Check says what is wrong with a value, or "". The text follows the setting's
	// name and contains no secret. Nil accepts everything.
	Check func(value string) string
}

// Variable is a setting in the environment. Its value is trimmed; an empty one
// means the default.
type Variable struct {
	Name, Default string
	Want, Example string   // what a value must be, and an example, for errors
	Words         []string // the only allowed values, if any; case is ignored
	URL           bool     // an http or https URL without query, user name and password
	// Check reports whether a value is what Want describes; nil accepts
	// everything.
	Check func(value string) bool
}

// App is the setting that identifies a bot's app, empty if bots need none.
func (p Platform) App() Setting {
	for _, s := range p.Settings {
		if s.App {
			return s
		}
	}
	return Setting{}
}

// HasApps reports whether bots need an app on the platform, which their
// sections name. Otherwise every bot is there, with its own direct messages.
func (p Platform) HasApps() bool { return p.App().Name != "" }

// Setting finds the setting with a name.
func (p Platform) Setting(name string) (Setting, bool) {
	i := slices.IndexFunc(p.Settings, func(s Setting) bool { return s.Name == name })
	if i < 0 {
		return Setting{}, false
	}
	return p.Settings[i], true
}

// Section is a bot's settings for one platform. All values print as redacted,
// because people mix up where tokens go.
type Section struct {
	App    secret.Text            // the value that identifies the app; zero: not on the platform
	Values map[string]secret.Text // of the other settings
	Lists  map[string][]secret.Text
}

// Value is the value of a setting other than the app's.
func (s Section) Value(name string) string { return s.Values[name].Reveal() }

// List is the values of a list setting.
func (s Section) List(name string) []string {
	out := make([]string, len(s.Lists[name]))
	for i, v := range s.Lists[name] {
		out[i] = v.Reveal()
	}
	return out
}
