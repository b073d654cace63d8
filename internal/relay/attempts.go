// How often a turn is tried again, and after which errors.

package relay

import (
	"errors"

	"parley/bots"
	"parley/internal/chat"
)

const (
	// maxAttempts is how often a turn is tried, restarts of the process included,
	// before it is given up and the person is told: something about it brings the
	// process down.
	maxAttempts = 10
	// patientAttempts is how often a turn is tried after errors that were not
	// written for the person, before they are told that something went wrong.
	patientAttempts = 5
	// lookupAttempts is how often the platform is asked who a person is, before
	// they are told that it did not say.
	lookupAttempts = 3
)

// tryAgain reports whether a question is to be planned again after err, in a later
// attempt: the store is away, most likely, or the platform did not say who asks.
func tryAgain(err error, attempt int) bool {
	return !forPerson(err) && attempt < patientAttempts || errors.Is(err, errUnknown) && attempt < lookupsOf(err)
}

// lookupsOf is how many attempts a failed look-up is worth: a rate limit says that
// an answer will come.
func lookupsOf(err error) int {
	if _, limited := errors.AsType[*chat.RateLimited](err); limited {
		return maxAttempts
	}
	return lookupAttempts
}

// forPerson reports whether an error was written for the person in the chat.
func forPerson(err error) bool {
	if _, ok := errors.AsType[*bots.Refusal](err); ok {
		return true
	}
	_, ok := errors.AsType[*chat.UserError](err)
	return ok
}
