// Package chattest holds every platform's adapter to the promises that package
// chat makes in its name. An adapter's own tests run it over a stand-in for the
// platform; the suite knows no platform, only what people read there.
//
//	func TestTheAdapterKeepsItsPromises(t *testing.T) {
//		chattest.Run(t, chattest.Harness{Open: func(t *testing.T, p chattest.Ports) chattest.Stage {
//			far := startStandIn(t)
//			a := newAdapter(far.URL(), token, p.Ports, p.Log)
//			runUntilTheTestEnds(t, a)
//			return &stage{far, a}
//		}})
//	}
package chattest

import (
	"log/slog"
	"testing"
	"time"

	"parley/internal/chat"
)

// Harness says how a platform's adapter is put on a stage.
type Harness struct {
	// Open starts a stand-in for the platform with a bot on it, and an adapter
	// that runs until the test ends. The stand-in limits no rates but by Fail.
	Open func(t *testing.T, p Ports) Stage
	// Patience is how long to wait for what must happen; default a minute.
	Patience time.Duration
}

// Ports are what the adapter on the stage talks to. The suite looks into all of
// them.
type Ports struct {
	chat.Ports
	Log *slog.Logger // takes every level
}

// Stage is an adapter with a stand-in for its platform behind it, seen from the
// far side: what people there do, and what they read.
type Stage interface {
	// Adapter is the one that runs.
	Adapter() chat.Adapter
	// Another is an adapter with the same settings, as a second process has it.
	// It does not run.
	Another() chat.Adapter
	// Bot is the id of the bot that people ask.
	Bot() string
	// Secrets are the values of the adapter's settings that nobody may read.
	// There is at least one.
	Secrets() []string
	// Ask lets a person put a question to the bot, at p or, where p is zero, at a
	// place of the stage's choice where nothing was said before. Who is told that
	// it was not sent tries again a few times.
	Ask(p chat.Place, question string)
	// Say lets another person say something at p that is not for the bot.
	Say(p chat.Place, text string)
	// Posts are the bot's messages at p, and in the channel around it, as people
	// read them now: oldest first, removed ones not.
	Posts(p chat.Place) []Post
	// Delete lets somebody who may do so delete one of the bot's messages.
	Delete(p chat.Place, id chat.MessageID)
	// Press lets somebody press the button with this label below one of the bot's
	// messages. False: nothing can be pressed here.
	Press(p chat.Place, id chat.MessageID, label string) bool
	// Withdraw lets the person who asked delete the question. False: people cannot
	// delete what they wrote here.
	Withdraw(question chat.Message) bool
	// Fail arranges for a fault. False: it cannot happen on this platform, and
	// what is promised about it is not tested.
	Fail(f Fault) bool
}

// Post is one message as people read it.
type Post struct {
	ID       chat.MessageID
	Text     string
	Controls []string // labels of its buttons, Stop included
	Only     string   // the one person who sees it, if it is not for all
	Pings    []string // whom it has notified by what its text says
	File     string   // the name of a file that came with it
	Data     []byte   // the file's bytes
}

// Fault is what happens to the adapter's next call that reads or writes
// messages.
type Fault int

// The faults. Revoked holds from then on, the others for one call.
const (
	Limited  Fault = iota + 1 // the platform tells it to slow down
	Refused                   // the platform refuses it for good: a right is missing
	Down                      // it fails in passing, and nothing is done
	Lost                      // it is done, but the answer is lost on the way
	Hangs                     // nothing answers until the adapter gives up
	Telltale                  // it is refused in words that repeat all of Secrets
	Revoked                   // the bot's credentials are taken no more
)

func (f Fault) String() string {
	return [...]string{"none", "limited", "refused", "down", "lost", "hangs", "telltale", "revoked"}[f]
}

// promise is one thing that every adapter keeps.
type promise struct {
	name string
	keep func(s *stage)
}

// Run checks every promise, each on a stage of its own.
func Run(t *testing.T, h Harness) {
	for _, all := range [][]promise{aboutPosts(), aboutPlaces(), aboutFaults()} {
		for _, p := range all {
			t.Run(p.name, func(t *testing.T) { p.keep(open(t, h)) })
		}
	}
}
