// Package bots says what a bot is: its definition, the parameters it sends to a
// model, and the rules for who may use it.
package bots

import (
	"parley/internal/chat"
)

// Bot is one definition file, validated.
type Bot struct {
	ID          string
	Name        string
	Description string
	Provider    string // default provider id
	Model       string // default model of that provider
	Fallbacks   []ModelRef
	System      string
	Params      Params
	MaxMessages int // messages one answer may fill before the rest becomes a file
	Access      Access
	Default     bool // answers first where several bots share one app
	// Sections are what the file says of each platform, by the platform's name.
	Sections map[string]chat.Section
	File     string // where it was read from, for messages to the operator
	Skipped  []Skipped
}

// Skipped is a platform section that is there but whose tokens are all empty:
// the bot runs without that platform, and the operator is told in one line.
type Skipped struct {
	Platform  string
	Variables []string // to set, as the section names them; empty where it names none
}

// ModelRef names a model of a provider, written "provider/model"; the model may
// hold slashes of its own.
type ModelRef struct {
	Provider string `json:"provider"`
	Model    string `json:"model"`
}

func (r ModelRef) String() string { return r.Provider + "/" + r.Model }

// Params are the sampling parameters of a request; what is nil is not sent.
type Params struct {
	Temperature      *float64       `json:"temperature,omitzero" yaml:"temperature"`
	TopP             *float64       `json:"top_p,omitzero" yaml:"top_p"`
	FrequencyPenalty *float64       `json:"frequency_penalty,omitzero" yaml:"frequency_penalty"`
	PresencePenalty  *float64       `json:"presence_penalty,omitzero" yaml:"presence_penalty"`
	MaxTokens        *int           `json:"max_tokens,omitzero" yaml:"max_tokens"`
	Stop             []string       `json:"stop,omitempty" yaml:"stop"`
	ResponseFormat   map[string]any `json:"response_format,omitempty" yaml:"response_format"`
	ReasoningEffort  *string        `json:"reasoning_effort,omitzero" yaml:"reasoning_effort"`
}

// Access is who may use a bot, and with which models. Users and groups add up,
// channels narrows; all absent means everyone in the workspace. Deny wins over
// all of it.
type Access struct {
	Users    []string
	Groups   []string
	Channels []string
	External bool // people of other organisations too
	Guests   bool // guests of the workspace too; true when the file does not say
	Deny     []DenyRule
	Models   []ModelRule
	Switch   string // "everyone" or "admins": who may switch a channel's model
	Admins   []string
}

// ModelRule says who may use the models that Match fits ("lab/legal-*"; * also
// matches "/"). The first rule that fits decides.
type ModelRule struct {
	Match  string
	Users  []string
	Groups []string
}

// DenyRule names people who may not use the bot at all.
type DenyRule struct {
	Users  []string
	Groups []string
}

// On reports whether the bot can be met on a platform.
func (b Bot) On(p chat.Platform) bool {
	return !p.HasApps() || !b.Sections[p.Name].App.IsZero()
}

// Profile is the bot as a platform's Manifest needs it.
func (b Bot) Profile(p chat.Platform) chat.Profile {
	return chat.Profile{ID: b.ID, Name: b.Name, Description: b.Description, Section: b.Sections[p.Name]}
}
