// Who changed what: the author of a change, and what the audit trail keeps of it.

package chat

// ActorKind says what kind of author made a change.
type ActorKind string

// The kinds of authors.
const (
	ByPerson  ActorKind = "person"  // somebody on a platform
	ByToken   ActorKind = "token"   // whoever sent the admin token
	BySession ActorKind = "session" // a browser that is logged in
	ByFile    ActorKind = "file"    // a file that parley read
	BySystem  ActorKind = "system"  // parley itself
)

// Actor is the author of a change.
type Actor struct {
	Kind ActorKind
	// Platform, Workspace, ID and Name are set for a person only.
	Platform  string
	Workspace string
	ID        string // the platform's own id of the person
	Name      string
}

// PersonAt is the actor for a person who acts at a place.
func PersonAt(p Place, a Author) Actor {
	return Actor{Kind: ByPerson, Platform: p.Platform, Workspace: p.Workspace, ID: a.ID, Name: a.Name}
}

// Via says which way the change came in: the person's platform, "api", "file"
// or "system".
func (a Actor) Via() string {
	switch a.Kind {
	case ByPerson:
		return a.Platform
	case ByToken, BySession:
		return "api"
	}
	return string(a.Kind)
}

// Change is what the audit trail keeps of one change: ids and names of fields,
// never a secret and never what people or models wrote.
type Change struct {
	By     Actor
	Action string   // "provider.put"
	Target string   // id of what changed; for a place, Place.Target
	Fields []string // names of the fields that changed
	// Values are new values that everybody may see, by field: ids of providers,
	// models and bots.
	Values map[string]string
}

// Target is how the audit trail names a place: the channel, and in a thread
// that has settings of its own the thread.
func (p Place) Target() string {
	if p.InThread() {
		return p.Channel + "/" + p.Thread
	}
	return p.Channel
}
