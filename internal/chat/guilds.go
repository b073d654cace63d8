// The workspaces that a bot trusts, on platforms where anybody can take it to
// one of theirs.

package chat

import (
	"context"
	"errors"
	"time"
)

// The sources of trust in a guild.
const (
	FromFile       = "file"        // a bot's file names it
	FromFirstStart = "first-start" // the bot was in it when it first started
	FromOperator   = "admitted"    // an operator admitted it
)

// Guild is a workspace that a bot's app trusts, by the word that the admin API
// has for it.
type Guild struct {
	ID     string    `json:"id"`
	Name   string    `json:"name,omitempty"` // where it is known
	Source string    `json:"source"`         // FromFile, FromFirstStart or FromOperator
	Since  time.Time `json:"since,omitzero"`
}

// Why a guild cannot be listed, admitted or removed.
var (
	ErrNoApp      = errors.New("the bot has no app on the platform")
	ErrNotTrusted = errors.New("the server is not trusted")
)

// NamedInFile says that a guild stays trusted as long as a bot's file names it.
type NamedInFile struct{ File string }

func (e *NamedInFile) Error() string { return "the server is named in " + e.File }

// Truster is an Adapter whose platform has Trusts: it answers only in guilds
// that are trusted, and keeps the list of them.
type Truster interface {
	// Platform describes the platform.
	Platform() Platform
	// Guilds lists what the bot's app trusts. This and the others fail with
	// ErrNoApp where the bot has none.
	Guilds(ctx context.Context, bot string) ([]Guild, error)
	// AdmitGuild trusts a guild from now on, in every process; created says that
	// it was not trusted before.
	AdmitGuild(ctx context.Context, by Actor, bot, guild string) (created bool, err error)
	// RemoveGuild ends the trust in a guild. A *NamedInFile says that a bot's file
	// must be changed for that; ErrNotTrusted, that there was none.
	RemoveGuild(ctx context.Context, by Actor, bot, guild string) error
}
