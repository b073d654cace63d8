// The verb parley guild …: the servers that a bot trusts.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

func guildVerbs(table []platform) []operatorVerb {
	guild := guildWord(table)
	return []operatorVerb{
		{name: "list", takes: "BOT", does: "lists the " + guild + "s a bot answers in", run: listGuilds, least: 1, most: 1},
		{name: "admit", takes: "BOT ID", does: "makes a bot trust a " + guild, run: admitGuild, least: 2, most: 2},
		{name: "remove", takes: "BOT ID", does: "makes a bot stop trusting a " + guild, run: removeGuild, least: 2, most: 2},
	}
}

// guildWord is the platform's term for a guild: "Discord server".
func guildWord(table []platform) string {
	for _, p := range table {
		if p.Trusts != "" {
			return p.Title + " " + p.Workspace
		}
	}
	return "guild"
}

// shownGuild is a guild as the API shows it.
type shownGuild struct {
	ID, Name, Source string
	Since            time.Time
}

func (g shownGuild) row() []string {
	since := "-"
	if !g.Since.IsZero() {
		since = g.Since.Format(time.DateOnly)
	}
	return []string{g.ID, orDash(g.Name), g.Source, since}
}

func guildPath(bot, guild string) string {
	return botPath(bot) + "/guilds/" + url.PathEscape(guild)
}

func listGuilds(ctx context.Context, o *operator) error {
	var raw json.RawMessage
	if err := o.call(ctx, http.MethodGet, botPath(o.args[0])+"/guilds", nil, &raw); err != nil {
		return err
	}
	var list struct{ Guilds []shownGuild }
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	return o.show(raw, func(w io.Writer) {
		if len(list.Guilds) == 0 {
			_, _ = fmt.Fprintln(w, "The bot trusts no "+guildWord(o.platforms())+"; add one with parley guild admit BOT ID.")
			return
		}
		rows := [][]string{{"ID", "NAME", "SOURCE", "SINCE"}}
		for _, g := range list.Guilds {
			rows = append(rows, g.row())
		}
		writeTable(w, rows)
	})
}

func admitGuild(ctx context.Context, o *operator) error {
	var raw json.RawMessage
	if err := o.call(ctx, http.MethodPut, guildPath(o.args[0], o.args[1]), nil, &raw); err != nil {
		return err
	}
	var g shownGuild
	if err := json.Unmarshal(raw, &g); err != nil {
		return err
	}
	return o.show(raw, func(w io.Writer) { writeTable(w, [][]string{g.row()}) })
}

func removeGuild(ctx context.Context, o *operator) error {
	if err := o.call(ctx, http.MethodDelete, guildPath(o.args[0], o.args[1]), nil, nil); err != nil {
		return err
	}
	return o.show(map[string]string{"removed": o.args[1]}, func(w io.Writer) {
		_, _ = fmt.Fprintf(w, "%s no longer answers in server %s.\n", o.args[0], o.args[1])
	})
}
