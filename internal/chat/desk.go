// What a platform wants answered within three seconds: commands, controls,
// autocomplete and forms. None of it waits behind an answer.

package chat

import "context"

// Desk answers people at once, in the process that received the request.
// Adapters call it; the relay implements it.
type Desk interface {
	// Do runs a command. A *UserError is for the person who sent it.
	Do(ctx context.Context, c Command) (Reply, error)
	// Press does the action of a button or a menu. Errors are as those of Do.
	Press(ctx context.Context, p Press) (Reply, error)
	// Complete offers values for the argument being typed: c.Args is what is
	// there so far. At most 25 options, best first.
	Complete(ctx context.Context, c Command) ([]Option, error)
	// Submit takes a filled form.
	Submit(ctx context.Context, s Submission) (Outcome, error)
	// Claim reports true to the first who asks for a key, over all processes and
	// for an hour at least. A platform may deliver the same thing to several
	// processes, or twice to one: an adapter then acts only when told true.
	Claim(ctx context.Context, key string) (bool, error)
	// Withdraw hears of every message that another than the bot wrote and somebody
	// deleted; of m it needs Key, ID, Scope, Bot, Place and At, when it was
	// written. After an error the adapter tells it again.
	Withdraw(ctx context.Context, m Message) error
}

// Command is a slash command, or a command written after a mention.
type Command struct {
	Name   string // one of Words, without slash or prefix: "model"
	Args   string // the rest, trimmed: "use corp-gateway"
	Scope  string
	Bot    string // lead bot of the app
	Place  Place
	Author Author
	// Inline is a command written after a mention: the answer is visible, and
	// no form can open.
	Inline bool
	// Turn is the inbox's turn of an Inline command, empty for others.
	Turn string
}

// Reply is what a command says back.
type Reply struct {
	Text    string // Markdown
	Public  bool   // it changed something for all: everyone in the place sees it
	Menu    *Menu
	Buttons []Button
	Form    *Form // open this form; only when the command was not Inline
}

// Form is a small dialog.
type Form struct {
	ID     string // comes back in Submission.Form; what follows a colon is what the form is about
	Title  string // at most 24 characters: Slack's limit for a modal's title
	Submit string // label of the submit button
	Fields []Field
}

// Field is one input of a form.
type Field struct {
	ID          string
	Label       string
	Placeholder string
	Hint        string
	Value       string // what stands there at first
	Optional    bool
	Secret      bool // typed unseen and never shown again, where the platform can
	Multiline   bool
	MaxLength   int // 0: the platform's own
}

// Submission is a filled form.
type Submission struct {
	Form   string
	Values map[string]string
	Scope  string
	Bot    string
	Place  Place
	Author Author
}

// Outcome is what became of a submission. With Errors the form stays open and
// shows each at its field (where forms cannot stay open, in the answer, with
// a button that opens the form again). Otherwise Then, if set,
// is called after the platform was told and gives the reply to show.
type Outcome struct {
	Errors map[string]string
	Then   func(ctx context.Context) Reply
}

// Doorkeeper is an Adapter whose platform brings people from places that nobody
// here trusts. It turns them away when they write; a message that was taken
// before is looked at again when its turn comes.
type Doorkeeper interface {
	// Admit says whether m may still be answered: nil, a *UserError with the
	// sentence to say instead, or any other error when that cannot be looked up
	// now, which is no.
	Admit(ctx context.Context, m Message) error
	// TurnAway says the sentence of Admit's error where m was written, if it was
	// not said there lately.
	TurnAway(ctx context.Context, m Message, cause error)
}
