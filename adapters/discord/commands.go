// Slash commands: registering them, and turning what a person typed into a
// chat.Command.

package discord

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/bwmarrin/discordgo"

	"parley/internal/chat"
)

// commandDef is an application command as Discord stores it. discordgo's type
// sends null for lists that a string option lacks.
type commandDef struct {
	Name        string                                 `json:"name"`
	Type        discordgo.ApplicationCommandType       `json:"type"`
	Description string                                 `json:"description"`
	Localized   map[string]string                      `json:"description_localizations,omitempty"`
	Options     []optionDef                            `json:"options,omitempty"`
	Contexts    []discordgo.InteractionContextType     `json:"contexts"`
	Installs    []discordgo.ApplicationIntegrationType `json:"integration_types"`
}

type optionDef struct {
	Type         discordgo.ApplicationCommandOptionType `json:"type"`
	Name         string                                 `json:"name"`
	Description  string                                 `json:"description"`
	Localized    map[string]string                      `json:"description_localizations,omitempty"`
	Required     bool                                   `json:"required,omitempty"`
	Autocomplete bool                                   `json:"autocomplete,omitempty"`
	MaxLength    int                                    `json:"max_length,omitempty"`
	Choices      []choiceDef                            `json:"choices,omitempty"`
	Options      []optionDef                            `json:"options,omitempty"`
}

type choiceDef struct {
	Name      string            `json:"name"`
	Localized map[string]string `json:"name_localizations,omitempty"`
	Value     string            `json:"value"`
}

// argumentLimit is the longest model name or id that can be typed.
const argumentLimit = 200

// unregistered reports whether a verb has no slash command; it works after a
// mention.
func unregistered(command, verb string) bool { return command == "provider" && verb == "edit" }

// commandDefs are the commands that every application registers, for servers and
// for direct messages with the bot.
func commandDefs(in chat.Languages) []commandDef {
	var out []commandDef
	for _, w := range chat.Words() {
		c := commandDef{
			Name: w.Name, Type: discordgo.ChatApplicationCommand, Description: w.About.String(), Localized: localized(in, w.About), Options: argument(in, w.Argument, false),
			Contexts: []discordgo.InteractionContextType{discordgo.InteractionContextGuild, discordgo.InteractionContextBotDM},
			Installs: []discordgo.ApplicationIntegrationType{discordgo.ApplicationIntegrationGuildInstall},
		}
		for _, v := range w.Verbs {
			if !unregistered(w.Name, v.Name) {
				c.Options = append(c.Options, optionDef{
					Type: discordgo.ApplicationCommandOptionSubCommand, Name: v.Name, Description: v.About.String(), Localized: localized(in, v.About), Options: argument(in, v.Argument, true),
				})
			}
		}
		out = append(out, c)
	}
	return out
}

// argument is the option for the value of a command or subcommand.
func argument(in chat.Languages, a chat.Argument, required bool) []optionDef {
	if a.Name == "" {
		return nil
	}
	o := optionDef{Type: discordgo.ApplicationCommandOptionString, Name: a.Name, Description: a.About.String(), Localized: localized(in, a.About), Required: required}
	for _, c := range a.Choices {
		o.Choices = append(o.Choices, choiceDef{c.About.String(), localized(in, c.About), c.Value})
	}
	if len(a.Choices) == 0 {
		o.Autocomplete, o.MaxLength = true, argumentLimit
	}
	return []optionDef{o}
}

// registerCommands registers the commands if Discord's list differs: the number
// of commands that can be created in a day is limited.
func (a *app) registerCommands(ctx context.Context) {
	user, id, err := a.identity.get(ctx)
	if err != nil {
		id = user // the same for most applications
	}
	path := endpoint(discordgo.EndpointApplicationGlobalCommands(id))
	want := commandDefs(a.ports.Languages)
	var have []commandDef
	_, err = a.rest.do(ctx, call{method: http.MethodGet, path: path + "?with_localizations=true", route: "GET commands", name: "commands", wait: true}, &have)
	if err == nil && sameCommands(have, want) {
		return
	}
	if err == nil || chat.Refused(err) { // reading may be forbidden and writing not
		_, err = a.rest.do(ctx, call{method: http.MethodPut, path: path, route: "PUT commands", name: "commands", body: want, wait: true}, nil)
	}
	if err != nil {
		if ctx.Err() == nil {
			a.log.ErrorContext(ctx, "slash commands not registered", slog.String("error", err.Error()))
			a.registered.Store(false) // try again with the next session
		}
		return
	}
	a.log.InfoContext(ctx, "slash commands registered", slog.Int("count", len(want)))
}

// sameCommands compares two lists of commands in any order: Discord returns them
// in its own.
func sameCommands(have, want []commandDef) bool {
	canonical := func(list []commandDef) string {
		sorted := slices.Clone(list)
		slices.SortFunc(sorted, func(a, b commandDef) int { return strings.Compare(a.Name, b.Name) })
		data, _ := json.Marshal(sorted)
		return string(data)
	}
	return canonical(have) == canonical(want)
}

// commandData is the data of a slash command or of its autocomplete.
type commandData struct {
	Name    string       `json:"name"`
	Options []optionData `json:"options"`
}

type optionData struct {
	Name    string                                 `json:"name"`
	Type    discordgo.ApplicationCommandOptionType `json:"type"`
	Value   any                                    `json:"value"`
	Options []optionData                           `json:"options"`
}

// args joins subcommand and values as someone would type them after a mention:
// "use lab".
func args(options []optionData) string {
	var words []string
	for _, o := range options {
		switch o.Type {
		case discordgo.ApplicationCommandOptionSubCommand, discordgo.ApplicationCommandOptionSubCommandGroup:
			words = append(words, o.Name, args(o.Options))
		default:
			if text, ok := o.Value.(string); ok {
				words = append(words, strings.TrimSpace(text))
			}
		}
	}
	return strings.TrimSpace(strings.Join(words, " "))
}

// typing is args while a person is still typing: a subcommand is followed by a
// space even before its value has begun.
func typing(options []optionData) string {
	if len(options) == 1 && options[0].Type == discordgo.ApplicationCommandOptionSubCommand {
		return options[0].Name + " " + args(options[0].Options)
	}
	return args(options)
}

// choices are the options of an autocomplete answer.
func choices(options []chat.Option) []map[string]string {
	out := []map[string]string{}
	for _, o := range fitting(options) {
		out = append(out, map[string]string{"name": o.Label, "value": o.Value})
	}
	return out
}
