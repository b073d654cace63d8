// The Discord servers a bot trusts over HTTP.

package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"parley/internal/chat"
)

// Guild is a Discord server that is trusted.
type Guild struct {
	ID     string    `json:"id"`
	Name   string    `json:"name,omitempty"` // where it is known
	Source string    `json:"source"`         // file, first-start or admitted
	Since  time.Time `json:"since,omitzero"`
}

// Guilds lists and changes which Discord servers a bot's application trusts.
// Errors wrap those below where they fit.
type Guilds interface {
	List(ctx context.Context, bot string) ([]Guild, error)
	Admit(ctx context.Context, by chat.Actor, bot, guild string) (created bool, err error)
	Remove(ctx context.Context, by chat.Actor, bot, guild string) error
}

// Why a guild cannot be shown or changed.
var (
	ErrNotOnDiscord = errors.New("the bot is not on Discord")
	ErrNotTrusted   = errors.New("the server is not trusted")
)

// NamedInFile says that a guild is trusted because a bot's file names it.
type NamedInFile struct{ File string }

func (e *NamedInFile) Error() string { return "the server is named in " + e.File }

var guildID = regexp.MustCompile(`^[0-9]{5,20}$`)

// listGuilds answers GET /api/v1/bots/{id}/guilds.
func (c *console) listGuilds(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	list, err := c.guilds(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, map[string]any{"guilds": append([]Guild{}, list...)}, nil
}

func (c *console) guilds(r *http.Request) ([]Guild, error) {
	b, err := c.bot(r)
	if err != nil {
		return nil, err
	}
	if c.Guilds == nil {
		return nil, c.guildProblem(r, b.ID, ErrNotOnDiscord)
	}
	list, err := c.Guilds.List(r.Context(), b.ID)
	return list, c.guildProblem(r, b.ID, err)
}

// getGuild answers GET /api/v1/bots/{id}/guilds/{guild}.
func (c *console) getGuild(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	list, err := c.guilds(r)
	if err != nil {
		return 0, nil, err
	}
	for _, g := range list {
		if g.ID == r.PathValue("guild") {
			return http.StatusOK, g, nil
		}
	}
	return 0, nil, c.guildProblem(r, r.PathValue("id"), ErrNotTrusted)
}

// putGuild answers PUT /api/v1/bots/{id}/guilds/{guild}. It takes no body.
func (c *console) putGuild(w http.ResponseWriter, r *http.Request) (int, any, error) {
	b, err := c.bot(r)
	if err != nil {
		return 0, nil, err
	}
	if !guildID.MatchString(r.PathValue("guild")) {
		return 0, nil, invalid("", FieldError{"guild", fmt.Sprintf("%q is not the id of a Discord server, such as 80351110224678912.", shorten(r.PathValue("guild")))})
	}
	if c.Guilds == nil {
		return 0, nil, c.guildProblem(r, b.ID, ErrNotOnDiscord)
	}
	created, err := c.Guilds.Admit(r.Context(), c.actor(r), b.ID, r.PathValue("guild"))
	if err != nil {
		return 0, nil, c.guildProblem(r, b.ID, err)
	}
	status, body, err := c.getGuild(w, r)
	if err == nil && created {
		status = http.StatusCreated
	}
	return status, body, err
}

// removeGuild answers DELETE /api/v1/bots/{id}/guilds/{guild}.
func (c *console) removeGuild(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	b, err := c.bot(r)
	if err != nil {
		return 0, nil, err
	}
	if c.Guilds == nil {
		return 0, nil, c.guildProblem(r, b.ID, ErrNotOnDiscord)
	}
	if err := c.Guilds.Remove(r.Context(), c.actor(r), b.ID, r.PathValue("guild")); err != nil {
		return 0, nil, c.guildProblem(r, b.ID, err)
	}
	return http.StatusNoContent, nil, nil
}

// guildProblem is what the caller learns of err; nil of nil.
func (c *console) guildProblem(r *http.Request, bot string, err error) error {
	named, inFile := errors.AsType[*NamedInFile](err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNotOnDiscord):
		return notFound(fmt.Sprintf("Bot %q is not on Discord, so there are no servers to admit; its file needs discord.token.", shorten(bot)))
	case errors.Is(err, ErrNotTrusted):
		return notFound(fmt.Sprintf("Bot %q does not trust a server %q.", shorten(bot), shorten(r.PathValue("guild"))))
	case inFile:
		return &Problem{Type: kindConflict, Title: "Conflict", Status: http.StatusConflict,
			Detail: fmt.Sprintf("The server is named in discord.guilds of %s; take it out there and restart.", named.File)}
	}
	c.Log.ErrorContext(r.Context(), "admin request failed", "method", r.Method, "path", r.Pattern, "error", err)
	return &Problem{Type: kindUnavailable, Title: "Unavailable", Status: http.StatusServiceUnavailable,
		Detail: "Discord or the store cannot be reached just now, so nothing was changed that was not confirmed; try again."}
}
