// The author of a change, and a change as the audit trail records it.

package chat

// ActorKind is the kind of an actor.
type ActorKind string

// The kinds of actors.
const (
	ByPerson  ActorKind = "person"  // somebody on a platform
	ByToken   ActorKind = "token"   // whoever sent the admin token
	BySession ActorKind = "session" // a logged-in browser
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

// PersonAt is the actor for a person at a place.
func PersonAt(p Place, a Author) Actor {
	return Actor{Kind: ByPerson, Platform: p.Platform, Workspace: p.Workspace, ID: a.ID, Name: a.Name}
}

// Via is where the change came from: the person's platform, "api", "file" or
// "system".
func (a Actor) Via() string {
	switch a.Kind {
	case ByPerson:
		return a.Platform
	case ByToken, BySession:
		return "api"
	}
	return string(a.Kind)
}

// Change is a change as the audit trail records it: ids and field names, never a
// secret or what people and models wrote.
type Change struct {
	By     Actor
	Action string   // "provider.put"
	Target string   // the id of what changed; Place.Target for a place
	Fields []string // names of the fields that changed
	// Values are the new values of fields that are safe to show: ids of providers,
	// models and bots.
	Values map[string]string
}

// Target identifies a place in the audit trail: the channel, and the thread if it
// has settings of its own.
func (p Place) Target() string {
	if p.InThread() {
		return p.Channel + "/" + p.Thread
	}
	return p.Channel
}
