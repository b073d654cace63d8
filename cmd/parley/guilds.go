// The Discord servers that are trusted, for the admin API.

package main

import (
	"context"
	"errors"
	"fmt"

	"parley/adapters/discord"
	"parley/internal/chat"
	"parley/internal/console"
)

// guilds is the Discord adapter's list in the words of the API.
type guilds struct{ adapter *discord.Adapter }

var _ console.Guilds = guilds{}

func (g guilds) List(ctx context.Context, bot string) ([]console.Guild, error) {
	list, err := g.adapter.Guilds(ctx, bot)
	var out []console.Guild
	for _, one := range list {
		out = append(out, console.Guild(one))
	}
	return out, inConsole(err)
}

func (g guilds) Admit(ctx context.Context, by chat.Actor, bot, guild string) (bool, error) {
	created, err := g.adapter.AdmitGuild(ctx, by, bot, guild)
	return created, inConsole(err)
}

func (g guilds) Remove(ctx context.Context, by chat.Actor, bot, guild string) error {
	return inConsole(g.adapter.RemoveGuild(ctx, by, bot, guild))
}

func inConsole(err error) error {
	if named, ok := errors.AsType[*discord.NamedInFile](err); ok {
		return &console.NamedInFile{File: named.File}
	}
	switch {
	case errors.Is(err, discord.ErrNoApplication):
		return console.ErrNotOnDiscord
	case errors.Is(err, discord.ErrNotTrusted):
		return console.ErrNotTrusted
	case err != nil:
		return fmt.Errorf("discord servers: %w", err)
	}
	return nil
}
