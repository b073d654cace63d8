// Errors with two readers, and the platform's refusals.

package chat

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// UserError is an error with a Line for the person in the chat: one sentence
// that says what went wrong and what to do. Err is for the log.
type UserError struct {
	Line Line
	Err  error
}

func (e *UserError) Error() string {
	if e.Err == nil {
		return e.Line.String()
	}
	return e.Line.String() + ": " + e.Err.Error()
}

func (e *UserError) Unwrap() error { return e.Err }

// Tell makes an error for the person in the chat.
func Tell(format string, args ...any) error {
	return &UserError{Line: Say(format, args...)}
}

// NewRef makes a reference that people can quote and the log contains: "ref-"
// and 8 digits.
func NewRef() string {
	n, _ := rand.Int(rand.Reader, big.NewInt(100_000_000)) // never fails since Go 1.24
	return fmt.Sprintf("ref-%08d", n)
}

// Sorry is the sentence for an error that was not written for people.
func Sorry(ref string) Line {
	return Say("Something went wrong here; try again. If this keeps happening, send %s to your parley administrator.", ref)
}

// Explain returns what a person reads about err. For an error that was not
// written for people it makes a reference, which must be logged too; otherwise
// ref is empty.
func Explain(err error) (line Line, ref string) {
	if told, ok := errors.AsType[*UserError](err); ok {
		return told.Line, ""
	}
	ref = NewRef()
	return Sorry(ref), ref
}

// RateLimited is a platform's "slow down": HTTP 429, or Slack's 200 with
// "ratelimited".
type RateLimited struct {
	After  time.Duration // how long to wait, according to the platform
	Global bool          // every call of the bot is limited
	Shared bool          // Discord's scope "shared": caused by others
}

func (e *RateLimited) Error() string { return fmt.Sprintf("rate limited for %s", e.After) }

// Reason is why a platform permanently refused a call.
type Reason string

// The closed set of refusals.
const (
	Gone       Reason = "gone"        // the message was deleted
	NoAccess   Reason = "no_access"   // channel archived, bot removed, token or scope lacking
	TooLong    Reason = "too_long"    // the text does not fit one message
	EditClosed Reason = "edit_closed" // messages of that age may not be edited
	Blocked    Reason = "blocked"     // the place's own filter does not let these words through
	Invalid    Reason = "invalid"     // the request itself is wrong: a defect here
)

// Refusal is a permanent refusal by the platform; retrying does not help.
type Refusal struct {
	Reason Reason
	Err    error // the platform's own text
}

func (e *Refusal) Error() string { return fmt.Sprintf("refused (%s): %v", e.Reason, e.Err) }

func (e *Refusal) Unwrap() error { return e.Err }

// Refused reports whether err is a refusal for one of the given reasons, or
// for any reason if none is given.
func Refused(err error, reasons ...Reason) bool {
	r, ok := errors.AsType[*Refusal](err)
	if !ok {
		return false
	}
	return len(reasons) == 0 || slices.Contains(reasons, r.Reason)
}

// ErrUnstorable means that the inbox can never store a message, so delivering
// it again does not help.
var ErrUnstorable = errors.New("the message cannot be stored")

// ErrStopped is the cause of a context that ended because a person pressed
// Stop.
var ErrStopped = errors.New("stopped by a person")

// ErrWithdrawn is the cause of a context that ended because the person deleted
// the question: remove what was posted for it.
var ErrWithdrawn = errors.New("the question was deleted")
