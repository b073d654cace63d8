// What a platform wants answered within three seconds: commands, controls,
// autocomplete and forms. None of it waits for an answer being written.

package chat

import "context"

// Desk answers people immediately, in the process that received the request.
// Adapters call it; the relay implements it. What it says, in replies and in the
// Line of a *UserError, is in the language of the author.
type Desk interface {
	// Do runs a command. A *UserError is for the person who sent it.
	Do(ctx context.Context, c Command) (Reply, error)
	// Press runs the action of a button or a menu. Errors are like those of Do.
	Press(ctx context.Context, p Press) (Reply, error)
	// Complete offers values for the argument being typed; c.Args is the text so
	// far. It returns at most 25 options, best first.
	Complete(ctx context.Context, c Command) ([]Option, error)
	// Submit handles a filled form.
	Submit(ctx context.Context, s Submission) (Outcome, error)
	// Claim returns true to the first caller for a key, across all processes and
	// for at least an hour. A platform may deliver the same thing to several
	// processes, or twice to one; the adapter acts only if Claim returns true.
	Claim(ctx context.Context, key string) (bool, error)
	// Withdraw reports that someone deleted a message that the bot did not write.
	// It needs m's Key, ID, Scope, Bot, Place and At, the time it was written.
	// After an error the adapter calls it again.
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
	// Inline is set for a command written after a mention: its answer is visible
	// to others, and no form can open.
	Inline bool
	// Turn is the inbox's turn of an Inline command, empty otherwise.
	Turn string
}

// Reply is the response to a command.
type Reply struct {
	Text    string // Markdown
	Public  bool   // it changed something for everyone, so everyone in the place sees it
	Menu    *Menu
	Buttons []Button
	Form    *Form // open this form; only when the command was not Inline
}

// Form is a small dialog.
type Form struct {
	ID     string // returned in Submission.Form; after a colon comes what the form is about
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
	Value       string // the initial value
	Optional    bool
	Secret      bool // hidden while typed and never shown again, if the platform can
	Multiline   bool
	MaxLength   int // 0: the platform's own limit
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

// Outcome is the result of a submission. With Errors the form stays open and
// shows each at its field. Where forms cannot stay open, the reply shows them,
// with a button that opens the form again. Otherwise Then, if set, is called
// after the platform has its response, and returns the reply to show.
type Outcome struct {
	Errors map[string]string
	Then   func(ctx context.Context) Reply
}

// Doorkeeper is an Adapter of a platform where people from untrusted
// workspaces can reach a bot. It turns them away when they write; the relay
// checks accepted messages again before it answers them.
type Doorkeeper interface {
	// Admit returns nil if m may still be answered, a *UserError with the sentence
	// to say instead, or another error if that cannot be checked now, which also
	// means no.
	Admit(ctx context.Context, m Message) error
	// TurnAway says the sentence of Admit's error where m was written, unless it
	// was said there recently.
	TurnAway(ctx context.Context, m Message, cause error)
}
