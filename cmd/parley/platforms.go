// The table of platforms, which feeds the loader of definitions, the wiring, the
// admin API, the manifest and the help.

package main

import (
	"parley/adapters/discord"
	"parley/adapters/playground"
	"parley/adapters/playground/board"
	"parley/adapters/slack"
	"parley/internal/chat"
)

// platform is one row: a platform's description, and the function that makes its
// adapter.
type platform struct {
	chat.Platform
	// connect makes the adapter, nil if the platform is not enabled.
	connect func(b *built, p parts) (chat.Adapter, error)
}

// platforms are all platforms, in the order in which they are shown, those of
// p.more last.
func (p process) platforms() []platform {
	return append([]platform{
		{slack.Platform(), connectSlack},
		{discord.Platform(), connectDiscord},
		{playground.Platform(), connectPlayground},
	}, p.more...)
}

// descriptions are the rows without their wiring.
func descriptions(table []platform) []chat.Platform {
	out := make([]chat.Platform, len(table))
	for i, row := range table {
		out[i] = row.Platform
	}
	return out
}

// ports are where adapters deliver messages and commands.
func (b *built) ports() chat.Ports {
	return chat.Ports{Inbox: b.inbox, Desk: b.relay, Languages: b.languages}
}

func connectSlack(b *built, p parts) (chat.Adapter, error) {
	o := slack.Options{Bots: b.bots, Ports: b.ports(), Log: b.log, Metrics: p.metrics}
	return slack.New(o.With(b.config.Platforms))
}

func connectDiscord(b *built, p parts) (chat.Adapter, error) {
	o := discord.Options{Bots: b.bots, Ports: b.ports(), Sessions: b.memo, Records: b.records, Log: b.log, Metrics: p.metrics}
	return discord.New(o.With(b.config.Platforms))
}

func connectPlayground(b *built, p parts) (chat.Adapter, error) {
	if !b.config.PlaygroundServed() {
		return nil, nil
	}
	return playground.New(playground.Options{
		Bots:      b.bots,
		Ports:     b.ports(),
		Board:     board.New(board.Options{Client: p.store.Client, Prefix: b.config.RedisPrefix, Ring: p.ring, Log: b.log}),
		Door:      b.guard.Door,
		Providers: b.listProviders, Discovered: b.local.offers, Using: b.using,
		Health:  b.elsewhere,
		Version: version(), Log: b.log,
	})
}
