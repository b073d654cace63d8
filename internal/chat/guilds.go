// The workspaces that a bot trusts, on platforms where anyone can add a bot to
// their workspace.

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

// Guild is a workspace that a bot's app trusts. The name is the admin API's.
type Guild struct {
	ID     string    `json:"id"`
	Name   string    `json:"name,omitempty"` // where it is known
	Source string    `json:"source"`         // FromFile, FromFirstStart or FromOperator
	Since  time.Time `json:"since,omitzero"`
}

// Reasons why a guild cannot be listed, admitted or removed.
var (
	ErrNoApp      = errors.New("the bot has no app on the platform")
	ErrNotTrusted = errors.New("the server is not trusted")
)

// NamedInFile means that a bot's file lists a guild, so it stays trusted.
type NamedInFile struct{ File string }

func (e *NamedInFile) Error() string { return "the server is named in " + e.File }

// Truster is an Adapter of a platform with Trusts: it answers only in trusted
// guilds, and keeps the list of them.
type Truster interface {
	// Platform describes the platform.
	Platform() Platform
	// Guilds lists the guilds that the bot's app trusts. All methods fail with
	// ErrNoApp if the bot has no app.
	Guilds(ctx context.Context, bot string) ([]Guild, error)
	// AdmitGuild makes every process trust a guild; created is set if it was not
	// trusted before.
	AdmitGuild(ctx context.Context, by Actor, bot, guild string) (created bool, err error)
	// RemoveGuild makes every process stop trusting a guild. The error is a
	// *NamedInFile if a bot's file lists it, and ErrNotTrusted if it is not
	// trusted.
	RemoveGuild(ctx context.Context, by Actor, bot, guild string) error
}
