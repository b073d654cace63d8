// The application commands of the contract, and how what a person typed becomes
// a chat.Command.

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
// would send null for lists that a string option does not have.
type commandDef struct {
	Name        string                                 `json:"name"`
	Type        discordgo.ApplicationCommandType       `json:"type"`
	Description string                                 `json:"description"`
	Options     []optionDef                            `json:"options,omitempty"`
	Contexts    []discordgo.InteractionContextType     `json:"contexts"`
	Installs    []discordgo.ApplicationIntegrationType `json:"integration_types"`
}

type optionDef struct {
	Type         discordgo.ApplicationCommandOptionType `json:"type"`
	Name         string                                 `json:"name"`
	Description  string                                 `json:"description"`
	Required     bool                                   `json:"required,omitempty"`
	Autocomplete bool                                   `json:"autocomplete,omitempty"`
	MaxLength    int                                    `json:"max_length,omitempty"`
	Choices      []choiceDef                            `json:"choices,omitempty"`
	Options      []optionDef                            `json:"options,omitempty"`
}

type choiceDef struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// argumentLimit is how long a typed model name or id may be.
const argumentLimit = 200

// unregistered are the verbs that Discord is not told of; they work when
// written after a mention.
func unregistered(command, verb string) bool { return command == "provider" && verb == "edit" }

// commandDefs are the commands every application registers: usable in servers
// and in direct messages with the bot.
func commandDefs() []commandDef {
	var out []commandDef
	for _, w := range chat.Words() {
		c := commandDef{
			Name: w.Name, Type: discordgo.ChatApplicationCommand, Description: w.About, Options: argument(w.Argument, false),
			Contexts: []discordgo.InteractionContextType{discordgo.InteractionContextGuild, discordgo.InteractionContextBotDM},
			Installs: []discordgo.ApplicationIntegrationType{discordgo.ApplicationIntegrationGuildInstall},
		}
		for _, v := range w.Verbs {
			if !unregistered(w.Name, v.Name) {
				c.Options = append(c.Options, optionDef{
					Type: discordgo.ApplicationCommandOptionSubCommand, Name: v.Name, Description: v.About, Options: argument(v.Argument, true),
				})
			}
		}
		out = append(out, c)
	}
	return out
}

// argument is the one option of a command or subcommand that takes a value.
func argument(a chat.Argument, required bool) []optionDef {
	if a.Name == "" {
		return nil
	}
	o := optionDef{Type: discordgo.ApplicationCommandOptionString, Name: a.Name, Description: a.About, Required: required}
	for _, c := range a.Choices {
		o.Choices = append(o.Choices, choiceDef{c.Label, c.Value})
	}
	if len(a.Choices) == 0 {
		o.Autocomplete, o.MaxLength = true, argumentLimit
	}
	return []optionDef{o}
}

// registerCommands makes Discord's list of commands ours, if it is not already:
// Discord limits how many commands may be made in a day.
func (a *app) registerCommands(ctx context.Context) {
	user, id, err := a.identity.get(ctx)
	if err != nil {
		id = user // which it is for most applications
	}
	path := endpoint(discordgo.EndpointApplicationGlobalCommands(id))
	want := commandDefs()
	var have []commandDef
	_, err = a.rest.do(ctx, call{method: http.MethodGet, path: path, route: "GET commands", name: "commands", wait: true}, &have)
	if err == nil && sameCommands(have, want) {
		return
	}
	if err == nil || chat.Refused(err) { // what cannot be read may still be written
		_, err = a.rest.do(ctx, call{method: http.MethodPut, path: path, route: "PUT commands", name: "commands", body: want, wait: true}, nil)
	}
	if err != nil {
		if ctx.Err() == nil {
			a.log.ErrorContext(ctx, "slash commands not registered", slog.String("error", err.Error()))
			a.registered.Store(false) // with the next session again
		}
		return
	}
	a.log.InfoContext(ctx, "slash commands registered", slog.Int("count", len(want)))
}

// sameCommands compares without regard to the order of commands, which is
// Discord's own.
func sameCommands(have, want []commandDef) bool {
	canonical := func(list []commandDef) string {
		sorted := slices.Clone(list)
		slices.SortFunc(sorted, func(a, b commandDef) int { return strings.Compare(a.Name, b.Name) })
		data, _ := json.Marshal(sorted)
		return string(data)
	}
	return canonical(have) == canonical(want)
}

// commandData is the data of a slash command or its autocomplete.
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

// args joins subcommand and values as they would be typed after a mention:
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

// typing is args of what is not written yet: a subcommand keeps the space behind
// it, also while nothing of its value stands there.
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
