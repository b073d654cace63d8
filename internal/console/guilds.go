// The guilds that a bot trusts, over HTTP.

package console

import (
	"errors"
	"fmt"
	"net/http"

	"parley/internal/chat"
)

// listGuilds answers GET /api/v1/bots/{id}/guilds.
func (c *console) listGuilds(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	list, err := c.guilds(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, map[string]any{"guilds": append([]chat.Guild{}, list...)}, nil
}

func (c *console) guilds(r *http.Request) ([]chat.Guild, error) {
	b, err := c.bot(r)
	if err != nil {
		return nil, err
	}
	if c.Guilds == nil {
		return nil, noGuilds()
	}
	list, err := c.Guilds.Guilds(r.Context(), b.ID)
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
	return 0, nil, c.guildProblem(r, r.PathValue("id"), chat.ErrNotTrusted)
}

// putGuild answers PUT /api/v1/bots/{id}/guilds/{guild}. It takes no body.
func (c *console) putGuild(w http.ResponseWriter, r *http.Request) (int, any, error) {
	b, err := c.bot(r)
	if err != nil {
		return 0, nil, err
	}
	if c.Guilds == nil {
		return 0, nil, noGuilds()
	}
	platform := c.Guilds.Platform()
	if setting, ok := platform.Setting(platform.Trusts); ok && setting.Check != nil {
		if wrong := setting.Check(r.PathValue("guild")); wrong != "" {
			return 0, nil, invalid("", FieldError{"guild", fmt.Sprintf("%q %s.", shorten(r.PathValue("guild")), wrong)})
		}
	}
	created, err := c.Guilds.AdmitGuild(r.Context(), c.actor(r), b.ID, r.PathValue("guild"))
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
		return 0, nil, noGuilds()
	}
	if err := c.Guilds.RemoveGuild(r.Context(), c.actor(r), b.ID, r.PathValue("guild")); err != nil {
		return 0, nil, c.guildProblem(r, b.ID, err)
	}
	return http.StatusNoContent, nil, nil
}

func noGuilds() error {
	return notFound("No enabled platform has trusted servers.")
}

// guildProblem turns err into what the caller may see, and nil into nil.
func (c *console) guildProblem(r *http.Request, bot string, err error) error {
	p := c.Guilds.Platform()
	named, inFile := errors.AsType[*chat.NamedInFile](err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, chat.ErrNoApp):
		return notFound(fmt.Sprintf("Bot %q is not on %s, so it has no %ss to admit; its file needs %s.%s.", shorten(bot), p.Title, p.Workspace, p.Name, p.App().Name))
	case errors.Is(err, chat.ErrNotTrusted):
		return notFound(fmt.Sprintf("Bot %q does not trust a %s %q.", shorten(bot), p.Workspace, shorten(r.PathValue("guild"))))
	case inFile:
		return &Problem{Type: kindConflict, Title: "Conflict", Status: http.StatusConflict,
			Detail: fmt.Sprintf("The %s is named in %s.%s of %s; remove it there and restart.", p.Workspace, p.Name, p.Trusts, named.File)}
	}
	c.Log.ErrorContext(r.Context(), "admin request failed", "method", r.Method, "path", r.Pattern, "error", err)
	return &Problem{Type: kindUnavailable, Title: "Unavailable", Status: http.StatusServiceUnavailable,
		Detail: p.Title + " or the store is unavailable; only confirmed changes were made. Try again."}
}
