// Package bots defines bots: their definition files, the parameters they send
// to a model, and the rules for who may use them.
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
	MaxMessages int // messages one answer may fill; the rest becomes a file
	// Language is that of parley's own sentences: "fr"; empty: that of whoever reads
	// them.
	Language string
	Access   Access
	Default  bool // answers by default if several bots share one app
	// Sections holds the file's section for each platform, by name.
	Sections map[string]chat.Section
	File     string // the file it was read from, for messages to the operator
	Skipped  []Skipped
}

// Skipped is a platform section with empty tokens. The bot runs without that
// platform, and the log says so.
type Skipped struct {
	Platform  string
	Variables []string // to set, as the section names them; empty if it names none
}

// ModelRef names a model of a provider, written "provider/model". The model
// may contain slashes.
type ModelRef struct {
	Provider string `json:"provider"`
	Model    string `json:"model"`
}

func (r ModelRef) String() string { return r.Provider + "/" + r.Model }

// Params are the sampling parameters of a request. A nil parameter is not
// sent.
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

// Access is who may use a bot, and with which models. Users and groups add up;
// channels restricts. If all are absent, everyone in the workspace may. Deny
// overrides everything.
type Access struct {
	Users    []string
	Groups   []string
	Channels []string
	External bool // also people from other organisations
	Guests   bool // also guests of the workspace; true by default
	Deny     []DenyRule
	Models   []ModelRule
	Switch   string // "everyone" or "admins": who may switch a channel's model
	Admins   []string
}

// ModelRule says who may use the models that Match matches ("lab/legal-*"; *
// also matches "/"). The first matching rule decides.
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

// On reports whether the bot is on a platform.
func (b Bot) On(p chat.Platform) bool {
	return !p.HasApps() || !b.Sections[p.Name].App.IsZero()
}

// Profile is the bot for a platform's Manifest.
func (b Bot) Profile(p chat.Platform) chat.Profile {
	return chat.Profile{ID: b.ID, Name: b.Name, Description: b.Description, Section: b.Sections[p.Name]}
}
