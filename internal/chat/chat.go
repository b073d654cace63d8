// Package chat defines the platform-neutral types that all other packages
// share: what a person said and where, what a bot posts, and the interfaces
// between a platform adapter and the rest. It knows no platform.
package chat

import (
	"cmp"
	"context"
	"net/http"
	"time"
)

// MessageID is a platform's own id of a posted message. Only its adapter
// interprets it.
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

// Conversation is the key of the history that p belongs to: a thread, a whole
// direct message, or a channel.
func (p Place) Conversation() string {
	if p.Direct || p.Thread == "" {
		return p.Platform + "/" + p.Workspace + "/" + p.Channel
	}
	return p.Platform + "/" + p.Workspace + "/" + p.Channel + "/" + p.Thread
}

// InThread reports whether p is a thread with its own settings and history. A
// direct message is one conversation, threads included.
func (p Place) InThread() bool { return p.Thread != "" && !p.Direct }

// Author is the person who wrote a message or used a command.
type Author struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"` // display name where the event carries it
	// Language is the tag of what they read, as the platform writes it, where the
	// event carries that: "fr", "ko-KR"; or several, as browsers list them.
	Language string `json:"language,omitempty"`
}

// Member is what the platform knows about a person beyond the event, for the
// rules in a bot's access section.
type Member struct {
	Groups []string // ids of the user groups or roles they are in
	Admin  bool     // whether they administer the workspace
	// Insider is set for people of the workspace or its organisation, Guest for
	// guests among them, Gone for deactivated accounts. Only an Outsiders adapter
	// sets them.
	Insider, Guest, Gone bool
	// Language is the tag of what they read, as in Author, where the platform tells
	// it.
	Language string
	// Unsure is set if the platform does not say whether they are an insider.
	Unsure bool
	// Untold are groups in rules with members that the platform does not reveal.
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

// Message is something a person said to a bot. It is plain data, so it can be
// stored and handled by another process.
type Message struct {
	// Key is the same for every delivery and every kind of event of one human
	// message to one app. The inbox deduplicates by it.
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
	// Notes are what the adapter's own Responder needs to answer in any process.
	// Others ignore them.
	Notes map[string]string `json:"notes,omitempty"`
	// Parts are all that was said, in order, if that is more than Text followed by
	// Files. Those two must contain as much of it as they can, because an older
	// release reads nothing else. Use Said to read it.
	Parts []Part `json:"parts,omitempty"`
}

// Lane orders messages: those of one lane are answered one after the other. A
// thread or direct message is one lane. In a channel each person has a lane,
// so that people do not wait for each other.
func (m Message) Lane() string {
	if m.Place.Direct || m.Place.Thread != "" {
		return m.Place.Conversation()
	}
	return m.Place.Conversation() + "#" + m.Author.ID
}

// File is a person's attachment.
type File struct {
	ID   string `json:"id,omitempty"` // the platform's own, where it has one
	Name string `json:"name"`
	Type string `json:"type,omitempty"` // media type
	Size int64  `json:"size,omitempty"` // bytes
	URL  string `json:"url,omitempty"`
}

// Content is what a Responder turns into a platform message.
type Content struct {
	Markdown string // the whole text of this message; the adapter converts it
	// Key identifies the post: the same turn and part have the same key, in any
	// process. Post uses it to never post a message twice.
	Key string
	// Again means that a post with this Key may exist already, because the process
	// that tried it died: look before posting.
	Again bool
	// Stop, if set, shows a Stop button: ActionStop with this turn.
	Stop string
	// Final means that no further edit is planned.
	Final bool
	// After is, for a post, the previous message of the same answer, if any. A
	// platform that links messages replies to it.
	After MessageID
	// Menu and Buttons are controls below the text, for a command answered after a
	// mention.
	Menu    *Menu
	Buttons []Button
	// Only, if set, is the id of the person the message is for. If the platform
	// can, it shows the message to nobody else; otherwise it is an ordinary reply
	// that pings nobody. Such a message cannot be edited.
	Only string
}

// Receipt is the platform's response to a successful call.
type Receipt struct {
	ID   MessageID
	Rate Rate
	// Differs means that, according to the platform's response, the message has
	// other text than the call sent, probably from an earlier attempt.
	Differs bool
}

// Rate is what a platform said about the limit that a call used, zero if
// nothing.
type Rate struct {
	Known     bool
	Bucket    string        // the platform's own name of the bucket
	Limit     int           // calls per window
	Remaining int           // calls left in this window
	Reset     time.Duration // until the window ends
}

// Responder writes the answer to one message. Its methods honor ctx and return
// *RateLimited or *Refusal where those apply; any other error may be retried.
type Responder interface {
	// Post creates the next message of the answer. Called again with the same
	// Content.Key and Again set, it returns the existing message.
	Post(ctx context.Context, c Content) (Receipt, error)
	// Edit replaces the whole content of a posted message.
	Edit(ctx context.Context, id MessageID, c Content) (Receipt, error)
	// Upload posts a file where the answer is, with a short comment.
	Upload(ctx context.Context, name string, data []byte, comment string) (Receipt, error)
	// Thinking shows that an answer is being prepared. It blocks until ctx ends or
	// the indicator can no longer be shown. ctx ends once the first words are
	// posted. The end of the turn waits for Thinking to return, so removing the
	// indicator must be quick or continue in the background. It returns no error,
	// because an indicator is not worth one.
	Thinking(ctx context.Context)
	// Limits are the limits of this place. It is cheap and makes no call.
	Limits() Limits
}

// Remover is a Responder that can remove a message or a file of its answer:
// one from an earlier attempt that the final answer does not need, or all of
// them if the question was deleted.
type Remover interface {
	// Remove removes what Post or Upload returned id for; a file with the message
	// that shows it. Removing something that is gone is not an error.
	Remove(ctx context.Context, id MessageID) (Receipt, error)
	// Find looks for a post or an upload with an unknown id, because the process
	// that made it died before it could record the id. It never posts. It returns
	// "" if there is none, or if the platform does not let the bot look.
	Find(ctx context.Context, s Sought) (MessageID, error)
}

// Sought is what Find looks for.
type Sought struct {
	Key   string    // of the post, as in Content
	After MessageID // as in Content
	File  string    // name of an uploaded file to find instead of a post
	Not   MessageID // not this file, although it has the name
}

// Elsewhere is a Responder that can reach the person who asked if the place of
// the question takes no message, probably in a direct message. It may be
// called again for the same question after an error.
type Elsewhere interface {
	TellElsewhere(ctx context.Context, text string) error
}

// Streamer is a Responder on a platform that can stream an answer itself: a
// message that is started, appended to, and ended. It is used if Limits.Native
// is set. After a *Refusal, the message grows by edits. ErrStopped means that
// a person stopped the stream, which has ended with its current text.
type Streamer interface {
	// Start posts the next message of the answer and leaves it open. It does not
	// look for an earlier post.
	Start(ctx context.Context, c Content) (Receipt, error)
	// Append extends a message with the text sent to text, which begins with sent.
	Append(ctx context.Context, id MessageID, sent, text string) (Receipt, error)
	// End turns an open message with the text sent into an ordinary one with
	// c.Markdown, which begins with sent, and c's controls. Without Markdown the
	// text stays as it is.
	End(ctx context.Context, id MessageID, sent string, c Content) (Receipt, error)
}

// Limits is what a platform allows at one place, as data.
type Limits struct {
	// Size is the maximum size of one message.
	Size int
	// Measure is the size of Markdown after the adapter has rendered it, in the
	// platform's own unit. Nil counts code points.
	Measure func(markdown string) int
	// Edits, Posts and Global are the budgets that an edit, a post and every call
	// use. A zero Budget has no limit.
	Edits, Posts, Global Budget
	// Native means that the platform can stream an answer itself; see Streamer.
	Native bool
	// Starts, Appends and Ends are the budgets of a Streamer's calls.
	Starts, Appends, Ends Budget
}

// Budget is a rate limit of a platform, as assumed until the platform says
// otherwise. Budgets with the same Key are the same limit.
type Budget struct {
	Key    string
	Calls  int // calls per Window; 0 means no limit
	Window time.Duration
	Burst  int // calls that may be made at once; 0 means Calls
	// Sliding allows at most Calls in any Window, like Discord's buckets;
	// otherwise the budget refills steadily, like Slack's tiers.
	Sliding bool
}

// Adapter is one platform: its events in, its posts and edits out.
type Adapter interface {
	// Platform describes the platform.
	Platform() Platform
	// Handler serves the platform's signed HTTP requests, or is nil. Patterns are
	// rooted at "/" + Platform().Name + "/".
	Handler() http.Handler
	// Run keeps the platform's connections open until ctx ends, and supervises
	// them itself: one bot that cannot connect never ends the others.
	Run(ctx context.Context) error
	// Responder answers m; it works in any process.
	Responder(m Message) (Responder, error)
	// Member looks up what access rules need to know about a person. It may call
	// the platform, and caches for minutes.
	Member(ctx context.Context, bot string, p Place, a Author) (Member, error)
	// History returns up to n messages of m's place from before m and, unless
	// after is empty, from after that message, oldest first, including the bot's
	// own and other apps' messages. With an error, it returns what was read before
	// it.
	History(ctx context.Context, m Message, after MessageID, n int) ([]Message, error)
	// Health lists the bots on this adapter, and whether each is connected.
	Health() []Health
}

// Outsiders is an Adapter of a platform where people from other organisations,
// and guests, can write to a bot. Its Member says who belongs to the
// workspace; on other platforms everyone does.
type Outsiders interface {
	Adapter
	// Outsiders is a marker; it does nothing.
	Outsiders()
}

// Linguist is an Adapter of a platform whose events do not say which language
// people read.
type Linguist interface {
	Adapter
	// Language is the tag of what a person reads, as in Author: what is known of
	// them now, and empty where nothing is. It does not wait, but may find out for
	// the next time.
	Language(ctx context.Context, bot string, a Author) string
}

// Health is the state of one bot on one platform.
type Health struct {
	Bot      string `json:"bot"`
	Platform string `json:"platform"`
	OK       bool   `json:"ok"`
	Reason   string `json:"reason,omitempty"` // for a person, when not OK; holds no secret
}

// Ports are where an adapter delivers what people say and do.
type Ports struct {
	Inbox Inbox
	Desk  Desk
	// Languages are those of what an adapter says itself. Nil: English.
	Languages Languages
}

// Speaker writes in the first language of some tags that is not empty: a bot's
// own, then the reader's.
func (p Ports) Speaker(tags ...string) Speaker {
	if p.Languages == nil {
		return English{}
	}
	return p.Languages.Speaker(cmp.Or(tags...))
}

// Inbox takes messages that must not be lost.
type Inbox interface {
	// Put stores m, unless it is stored already, or is a Thread message, not
	// Joined, in a thread that the bot is not part of. Nil means that the adapter
	// may acknowledge it to the platform.
	Put(ctx context.Context, m Message) error
}
