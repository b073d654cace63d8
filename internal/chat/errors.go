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

// UserError is an error whose Line was written for the person in the chat: one
// sentence that says what went wrong and what to do. Err is for the log.
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

// NewRef makes what a person can quote and the log has too: "ref-" and 8 digits.
func NewRef() string {
	n, _ := rand.Int(rand.Reader, big.NewInt(100_000_000)) // never fails since Go 1.24
	return fmt.Sprintf("ref-%08d", n)
}

// Sorry is what a person reads of an error that was not written for them.
func Sorry(ref string) Line {
	return Say("Something went wrong here; try again. If this keeps happening, send %s to your parley administrator.", ref)
}

// Explain gives what a person reads of err. For an error that was not written
// for them it makes a reference, which the log must have too; else ref is empty.
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
	After  time.Duration // how long the platform asks to wait
	Global bool          // every call of the bot is limited
	Shared bool          // Discord's scope "shared": others caused it
}

func (e *RateLimited) Error() string { return fmt.Sprintf("rate limited for %s", e.After) }

// Reason is why a platform refused a call for good.
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

// Refusal is a permanent no from the platform; trying again does not help.
type Refusal struct {
	Reason Reason
	Err    error // the platform's words
}

func (e *Refusal) Error() string { return fmt.Sprintf("refused (%s): %v", e.Reason, e.Err) }

func (e *Refusal) Unwrap() error { return e.Err }

// Refused reports whether err is a refusal for one of the given reasons, or
// for any when none is given.
func Refused(err error, reasons ...Reason) bool {
	r, ok := errors.AsType[*Refusal](err)
	if !ok {
		return false
	}
	return len(reasons) == 0 || slices.Contains(reasons, r.Reason)
}

// ErrUnstorable says that an inbox can never store a message: to deliver it
// again would not help.
var ErrUnstorable = errors.New("the message cannot be stored")

// ErrStopped is the cause of a context that ended because a person pressed
// Stop.
var ErrStopped = errors.New("stopped by a person")

// ErrWithdrawn is the cause of a context that ended because the person deleted
// the question: what was posted for it is taken back.
var ErrWithdrawn = errors.New("the question was deleted")
