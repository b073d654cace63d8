// Package chat holds the neutral words every other package shares: what a
// person said and where, what a bot posts, and the small interfaces between a
// platform adapter and the rest. It knows no platform and imports nothing but the
// standard library, how near two words are, and the type of secrets.
package chat

import (
	"context"
	"net/http"
	"time"
)

// MessageID is a platform's own id of one posted message. It is opaque to
// everyone but its adapter.
type MessageID string

// Place is where something was said.
type Place struct {
	Platform  string `json:"platform"`            // Platform.Name
	Workspace string `json:"workspace,omitempty"` // a team, a server; may be empty in a direct message
	Channel   string `json:"channel"`             // channel or direct-message channel; of a thread the one around it
	Thread    string `json:"thread,omitempty"`    // the thread, where there is one
	Direct    bool   `json:"direct,omitempty"`    // a direct message with the bot
	Owner     string `json:"owner,omitempty"`     // who opened the thread, where the platform says so
}

// Conversation is the key of the history that p belongs to: a thread, or the
// whole of a direct message, or a channel.
func (p Place) Conversation() string {
	if p.Direct || p.Thread == "" {
		return p.Platform + "/" + p.Workspace + "/" + p.Channel
	}
	return p.Platform + "/" + p.Workspace + "/" + p.Channel + "/" + p.Thread
}

// InThread reports whether p is a thread with settings and history of its own.
// A direct message is one conversation, threads included.
func (p Place) InThread() bool { return p.Thread != "" && !p.Direct }

// Author is the person who wrote a message or used a command.
type Author struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"` // display name where the event carries it
}

// Member is what the platform knows of a person beyond the event, for the
// rules in a bot's access section.
type Member struct {
	Groups []string // ids of the user groups or roles they are in
	Admin  bool     // whether they administer the workspace
	// Insider says that the person belongs to the workspace or its organisation,
	// Guest that they do so as a guest, Gone that their account is deactivated.
	// Only an Outsiders adapter sets them.
	Insider, Guest, Gone bool
	// Unsure says that the platform refuses to tell whether they are an insider.
	Unsure bool
	// Untold are groups that rules name and whose members the platform refuses to
	// tell.
	Untold []string
}

// Trigger says why a message is for a bot.
type Trigger string

// The reasons a message is for a bot.
const (
	Mention Trigger = "mention" // the bot is named in it
	Direct  Trigger = "direct"  // a direct message
	Answer  Trigger = "reply"   // a reply to one of the bot's messages
	Thread  Trigger = "thread"  // in a thread; for the bot only if it takes part there already
)

// Message is something a person said to a bot. It is plain data and survives
// being stored and taken up by another process.
type Message struct {
	// Key is the same for every delivery and every kind of event that stands
	// for this one human message to this one app; the inbox deduplicates by it.
	Key string    `json:"key"`
	ID  MessageID `json:"id"`
	// Scope is the unit of rate limits, and so of ownership: an app in one
	// workspace, or in all. It begins with the platform's name.
	Scope   string    `json:"scope"`
	Bot     string    `json:"bot"` // lead bot of the app that received it; a binding may give the place to another bot of the app
	Place   Place     `json:"place"`
	Author  Author    `json:"author"`
	Trigger Trigger   `json:"trigger"`
	Text    string    `json:"text"`             // Markdown as the person meant it: the bot's own mention removed, platform markup translated
	Joined  bool      `json:"joined,omitempty"` // of a Thread message: the bot began the thread, so it takes part there
	Files   []File    `json:"files,omitempty"`
	ReplyTo MessageID `json:"reply_to,omitempty"` // the message this one answers
	At      time.Time `json:"at"`
	FromBot bool      `json:"from_bot,omitempty"` // in History only: written by this app
	// Notes is for the adapter's own Responder: what it needs to answer in any
	// process, meaningless to others.
	Notes map[string]string `json:"notes,omitempty"`
	// Parts are all that was said, in order, where that is more than Text and then
	// Files. Those two must hold it as well as they can: an older release reads
	// nothing else. Read it with Said.
	Parts []Part `json:"parts,omitempty"`
}

// Lane is what m waits behind: messages of one lane are answered one after the
// other. A thread or direct message is one lane; in a plain channel each person
// has a lane, so that people do not wait for each other.
func (m Message) Lane() string {
	if m.Place.Direct || m.Place.Thread != "" {
		return m.Place.Conversation()
	}
	return m.Place.Conversation() + "#" + m.Author.ID
}

// File is an attachment a person sent along.
type File struct {
	ID   string `json:"id,omitempty"` // the platform's own, where it has one
	Name string `json:"name"`
	Type string `json:"type,omitempty"` // media type
	Size int64  `json:"size,omitempty"` // bytes
	URL  string `json:"url,omitempty"`
}

// Content is what a Responder makes a platform message of.
type Content struct {
	Markdown string // the whole text of this message; the adapter translates it
	// Key names the post: the same turn and part give the same key, in any
	// process. Post uses it so that a message is never posted twice.
	Key string
	// Again says that a post with this Key may have happened already (the
	// process that tried died): look before posting.
	Again bool
	// Stop, when set, shows a Stop button: ActionStop with this turn.
	Stop string
	// Final says that no edit is planned after this one.
	Final bool
	// After, for a post, is the message of the same answer that it continues,
	// where there is one: a platform that links messages replies to it.
	After MessageID
	// Menu and Buttons are controls below the text: a command answered after a
	// mention brings them.
	Menu    *Menu
	Buttons []Button
	// Only, when set, is the id of the person the message is for. Where the
	// platform can, nobody else sees it; elsewhere it is
	// an ordinary reply that pings nobody. Such a message cannot be edited.
	Only string
}

// Receipt is what the platform said when a call succeeded.
type Receipt struct {
	ID   MessageID
	Rate Rate
	// Differs says that the message holds another text than the call sent, as
	// the platform's own reply shows: an earlier attempt's, most likely.
	Differs bool
}

// Rate is a platform's word on the limit a call drew on; zero where it says
// nothing.
type Rate struct {
	Known     bool
	Bucket    string        // the platform's own name of the bucket
	Limit     int           // calls per window
	Remaining int           // calls left in this window
	Reset     time.Duration // until the window ends
}

// Responder writes the answer to one message. Its methods honour ctx and
// return *RateLimited or *Refusal where those fit; any other error may be
// retried.
type Responder interface {
	// Post creates the next message of the answer. Used again with the same
	// Content.Key and Again set, it returns the message that is already there.
	Post(ctx context.Context, c Content) (Receipt, error)
	// Edit replaces the whole content of a posted message.
	Edit(ctx context.Context, id MessageID, c Content) (Receipt, error)
	// Upload adds a file to the place of the answer, with a short comment.
	Upload(ctx context.Context, name string, data []byte, comment string) (Receipt, error)
	// Thinking shows that an answer is being prepared. It blocks until ctx ends,
	// or as long as a sign can be shown. Its context ends once the first words
	// stand, and the end of the turn waits for it to return, so taking the sign
	// away takes a moment at most or goes on by itself. It never fails: an
	// indicator is not worth an error.
	Thinking(ctx context.Context)
	// Limits says what this place can take. It is cheap and does no call.
	Limits() Limits
}

// Remover is a Responder that can take back a message of its answer or a file:
// one that an earlier attempt posted and the final answer does not need, or all
// of them when the question was deleted.
type Remover interface {
	// Remove takes back what Post or Upload gave id to, a file with the message
	// that shows it. What is gone already is no error.
	Remove(ctx context.Context, id MessageID) (Receipt, error)
	// Find looks for a post or an upload whose id nobody knows, because the
	// process that made it died before it could write the id down. It never
	// posts. Empty: there is none, or the platform does not let the bot look.
	Find(ctx context.Context, s Sought) (MessageID, error)
}

// Sought is what Find looks for.
type Sought struct {
	Key   string    // of the post, as in Content
	After MessageID // as in Content
	File  string    // the name of an uploaded file, which is sought instead of a post
	Not   MessageID // a file of that name which is not meant
}

// Elsewhere is a Responder that can reach the one who asked where the place of
// their question takes no message: in a direct message, most likely. It may be
// called again for the same question after an error.
type Elsewhere interface {
	TellElsewhere(ctx context.Context, text string) error
}

// Streamer is a Responder whose platform can stream an answer by itself: a
// message that is started, grows by what is appended, and is ended. It is used
// where Limits.Native says so. Any *Refusal means that this message grows by
// edits from then on; ErrStopped, that a person stopped the stream, which has
// ended with the text it holds.
type Streamer interface {
	// Start posts the next message of the answer and leaves it open. It never
	// looks for an earlier post.
	Start(ctx context.Context, c Content) (Receipt, error)
	// Append lets a message that holds sent hold text, which begins with sent.
	Append(ctx context.Context, id MessageID, sent, text string) (Receipt, error)
	// End makes an ordinary message of an open one that holds sent: it then
	// holds c.Markdown, which begins with sent, and the controls of c. With no
	// Markdown the text stays as it is.
	End(ctx context.Context, id MessageID, sent string, c Content) (Receipt, error)
}

// Limits is what a platform allows at one place, as data.
type Limits struct {
	// Size is the most one message may measure.
	Size int
	// Measure is the size of Markdown once the adapter has rendered it, in the
	// platform's own unit. Nil counts code points.
	Measure func(markdown string) int
	// Edits, Posts and Global are the budgets that an edit, a post and every
	// call draw on. A zero Budget does not limit.
	Edits, Posts, Global Budget
	// Native says that the platform can stream an answer by itself; see Streamer.
	Native bool
	// Starts, Appends and Ends are the budgets of a Streamer's calls.
	Starts, Appends, Ends Budget
}

// Budget is one of a platform's rate limits as believed before the platform
// has said otherwise. Budgets with the same Key are the same limit.
type Budget struct {
	Key    string
	Calls  int // calls per Window; 0 means no limit
	Window time.Duration
	Burst  int // calls that may be made at once; 0 means Calls
	// Sliding says that at most Calls may fall in any Window (Discord's
	// buckets); otherwise the budget refills steadily (Slack's tiers).
	Sliding bool
}

// Adapter is one platform: its events in, its posts and edits out.
type Adapter interface {
	// Platform describes the platform.
	Platform() Platform
	// Handler serves the platform's signed HTTP requests, or nil. Patterns are
	// rooted at "/" + Platform().Name + "/".
	Handler() http.Handler
	// Run holds the platform's connections until ctx ends and supervises them
	// itself: one bot that cannot connect never ends the others.
	Run(ctx context.Context) error
	// Responder is the pen for answering m; it works in any process.
	Responder(m Message) (Responder, error)
	// Member looks up what access rules need of a person. It may call the
	// platform and caches for minutes.
	Member(ctx context.Context, bot string, p Place, a Author) (Member, error)
	// History returns the last n messages of m's place that came before m and,
	// unless after is empty, later than the message after: oldest first, the
	// bot's own and those of other apps too. An error comes with what was read
	// before it.
	History(ctx context.Context, m Message, after MessageID, n int) ([]Message, error)
	// Health lists the bots this adapter serves and whether each is connected.
	Health() []Health
}

// Outsiders is an Adapter of a platform where people of other organisations, and
// guests, can write to a bot. Its Member says who belongs to the workspace;
// elsewhere everybody does.
type Outsiders interface {
	Adapter
	// Outsiders does nothing: it marks the adapter.
	Outsiders()
}

// Health is the state of one bot on one platform.
type Health struct {
	Bot      string `json:"bot"`
	Platform string `json:"platform"`
	OK       bool   `json:"ok"`
	Reason   string `json:"reason,omitempty"` // for a person, when not OK; holds no secret
}

// Ports are what an adapter is given to hand on what people say and do.
type Ports struct {
	Inbox Inbox
	Desk  Desk
}

// Inbox takes messages that must not be lost.
type Inbox interface {
	// Put stores m unless it was stored before or is a Thread message, not
	// Joined, in a thread where the bot takes no part. Nil means: safe, tell the platform.
	Put(ctx context.Context, m Message) error
}
