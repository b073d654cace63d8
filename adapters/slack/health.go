// Whether an app's calls can work at all.

package slack

import (
	"fmt"
	"log/slog"
	"sync"
)

// condition is why no call to Slack can work.
type condition struct {
	bot string
	log *slog.Logger

	mu      sync.Mutex
	problem string // "" when well
	lost    bool   // problem came from a refused call
}

// set records why the app is not connected; "" that it is.
func (c *condition) set(problem string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problem, c.lost = problem, false
}

func (c *condition) get() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.problem
}

// notice keeps the app's health true while it works: a call that is refused
// for the token's sake makes it ill, one that succeeds makes it well.
func (c *condition) notice(word string) {
	switch word {
	case "":
	case "invalid_auth", "account_inactive", "token_revoked", "token_expired", "not_authed":
	default:
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case word == "" && c.lost:
		c.problem, c.lost = "", false
	case word != "" && c.problem == "":
		c.problem, c.lost = c.refusedToken(word), true
		c.log.Error("Slack no longer takes the bot token", "reason", word)
	}
}

func (c *condition) refusedToken(why string) string {
	return fmt.Sprintf("Slack refuses the bot token (%s): check slack.bot_token of bot %s", why, c.bot)
}
