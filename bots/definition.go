// The fields of a definition file and their allowed values.

package bots

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"parley/internal/chat"
)

// DefaultMaxMessages is how many messages one answer may fill if the
// definition does not say.
const DefaultMaxMessages = 30

// Values of Access.Switch.
const (
	SwitchEveryone = "everyone"
	SwitchAdmins   = "admins"
)

var (
	idGrammar     = regexp.MustCompile(`^[a-z0-9-]+$`)
	personGrammar = regexp.MustCompile(`^[A-Za-z0-9_.:-]+$`)
	efforts       = []string{"none", "minimal", "low", "medium", "high", "xhigh", "max"}
)

// definition is a Bot being read, with what the rules across bots need.
type definition struct {
	Bot
	lines    map[string]int     // of the top-level fields
	sections map[string]section // by platform
}

// bot reads the whole definition.
func (r *reader) bot(root *yaml.Node) definition {
	d := definition{Bot: Bot{MaxMessages: DefaultMaxMessages, Access: Access{Switch: SwitchEveryone, Guests: true}, Sections: map[string]chat.Section{}, File: r.file}, sections: map[string]section{}}
	b := &d.Bot
	known := fields{
		"id":          func(n *yaml.Node) { b.ID = r.id(n, "id") },
		"name":        func(n *yaml.Node) { b.Name = strings.TrimSpace(r.text(n, "name")) },
		"description": func(n *yaml.Node) { b.Description = strings.TrimSpace(r.text(n, "description")) },
		"provider":    func(n *yaml.Node) { b.Provider = r.id(n, "provider") },
		"model":       func(n *yaml.Node) { b.Model = r.model(n, "model") },
		"fallbacks": func(n *yaml.Node) {
			r.list(n, "fallbacks", func(n *yaml.Node, at string) { b.Fallbacks = append(b.Fallbacks, r.ref(n, at)) })
		},
		"system": func(n *yaml.Node) { b.System = r.text(n, "system") },
		"params": func(n *yaml.Node) { b.Params = r.params(n) },
		"max_messages": func(n *yaml.Node) {
			if v := r.integer(n, "max_messages", 1); v != nil {
				b.MaxMessages = *v
			}
		},
		"language": func(n *yaml.Node) { b.Language = r.language(n) },
		"access":   func(n *yaml.Node) { b.Access = r.access(n) },
		"default":  func(n *yaml.Node) { b.Default = r.boolean(n, "default") },
	}
	for _, p := range r.sections() {
		known[p.Name] = func(n *yaml.Node) { r.section(n, p, &d) }
	}
	d.lines = r.mapping(root, "", known)
	if root.Kind != yaml.MappingNode {
		return d
	}
	for _, name := range []string{"id", "provider", "model"} {
		if d.lines[name] == 0 {
			r.failAt(root.Line, "required field %q is missing", name)
		}
	}
	if b.Name == "" {
		b.Name = b.ID
	}
	return d
}

// language reads the language in which a bot's own sentences come; "auto", the
// reader's own, is empty.
func (r *reader) language(n *yaml.Node) string {
	v := r.text(n, "language")
	if !slices.Contains(languages(), v) {
		r.fail(n, "language must be one of %s%s", strings.Join(languages(), ", "), got(n))
	}
	if v == "auto" {
		return ""
	}
	return v
}

// languages are what a bot's language may be.
func languages() []string { return []string{"auto", "en", "fr", "ko"} }

// id reads a bot or provider id.
func (r *reader) id(n *yaml.Node, path string) string {
	before := len(r.problems)
	v := r.text(n, path)
	switch {
	case len(r.problems) > before:
	case strings.Contains(v, "${"):
		r.expandedElsewhere(n, path)
	case !idGrammar.MatchString(v):
		r.fail(n, "%s %q may contain only lowercase letters, digits and hyphens", path, clip(v))
	}
	return v
}

func (r *reader) model(n *yaml.Node, path string) string {
	before := len(r.problems)
	v := strings.TrimSpace(r.text(n, path))
	switch {
	case len(r.problems) > before:
	case strings.Contains(v, "${"):
		r.expandedElsewhere(n, path)
	case v == "":
		r.fail(n, "%s is empty", path)
	case strings.ContainsAny(v, "\r\n\t"):
		r.fail(n, "%s must be one line", path)
	}
	return v
}

func (r *reader) ref(n *yaml.Node, path string) ModelRef {
	v := r.model(n, path)
	ref, ok := ParseModelRef(v)
	if v != "" && !ok {
		r.fail(n, "%s %q must be provider/model, for example openai/gpt-4o", path, clip(v))
	}
	return ref
}

// ParseModelRef parses "provider/model"; everything after the first slash is
// the model. It returns false if a part is missing or the provider is not a
// valid id.
func ParseModelRef(s string) (ModelRef, bool) {
	provider, model, ok := strings.Cut(s, "/")
	if !ok || model == "" || !idGrammar.MatchString(provider) {
		return ModelRef{}, false
	}
	return ModelRef{Provider: provider, Model: model}, true
}

// params reads the sampling parameters. The ranges are OpenAI's; an endpoint
// with narrower ranges reports that itself.
func (r *reader) params(n *yaml.Node) Params {
	var p Params
	r.mapping(n, "params", fields{
		"temperature":       func(n *yaml.Node) { p.Temperature = r.number(n, "params.temperature", 0, 2) },
		"top_p":             func(n *yaml.Node) { p.TopP = r.number(n, "params.top_p", 0, 1) },
		"frequency_penalty": func(n *yaml.Node) { p.FrequencyPenalty = r.number(n, "params.frequency_penalty", -2, 2) },
		"presence_penalty":  func(n *yaml.Node) { p.PresencePenalty = r.number(n, "params.presence_penalty", -2, 2) },
		"max_tokens":        func(n *yaml.Node) { p.MaxTokens = r.integer(n, "params.max_tokens", 1) },
		"stop":              func(n *yaml.Node) { p.Stop = r.stop(n) },
		"response_format":   func(n *yaml.Node) { p.ResponseFormat = r.responseFormat(n) },
		"reasoning_effort": func(n *yaml.Node) {
			v := r.text(n, "params.reasoning_effort")
			if !slices.Contains(efforts, v) {
				r.fail(n, "params.reasoning_effort must be one of %s%s", strings.Join(efforts, ", "), got(n))
			}
			p.ReasoningEffort = &v
		},
	})
	return p
}

// stop also accepts a single string, like OpenAI's API.
func (r *reader) stop(n *yaml.Node) []string {
	var out []string
	one := func(n *yaml.Node, at string) {
		v := r.text(n, at)
		if n.Kind == yaml.ScalarNode && n.Value == "" {
			r.fail(n, "%s is empty", at)
		}
		out = append(out, v)
	}
	if n.Kind == yaml.ScalarNode {
		one(n, "params.stop")
		return out
	}
	r.list(n, "params.stop", one)
	return out
}

func (r *reader) responseFormat(n *yaml.Node) map[string]any {
	v := r.object(n, "params.response_format")
	if v == nil {
		return nil
	}
	if kind, ok := v["type"].(string); !ok || kind == "" {
		r.fail(n, "params.response_format needs a type, for example {type: json_object}")
	}
	return v
}

func (r *reader) access(n *yaml.Node) Access {
	a := Access{Switch: SwitchEveryone, Guests: true}
	seen := r.mapping(n, "access", fields{
		"users":    func(n *yaml.Node) { a.Users = r.ids(n, "access.users") },
		"groups":   func(n *yaml.Node) { a.Groups = r.ids(n, "access.groups") },
		"channels": func(n *yaml.Node) { a.Channels = r.ids(n, "access.channels") },
		"admins":   func(n *yaml.Node) { a.Admins = r.ids(n, "access.admins") },
		"external": func(n *yaml.Node) { a.External = r.boolean(n, "access.external") },
		"guests":   func(n *yaml.Node) { a.Guests = r.boolean(n, "access.guests") },
		"deny": func(n *yaml.Node) {
			r.list(n, "access.deny", func(n *yaml.Node, at string) { a.Deny = append(a.Deny, r.denyRule(n, at)) })
		},
		"switch": func(n *yaml.Node) {
			a.Switch = r.text(n, "access.switch")
			if a.Switch != SwitchEveryone && a.Switch != SwitchAdmins {
				r.fail(n, "access.switch must be %s or %s%s", SwitchEveryone, SwitchAdmins, got(n))
			}
		},
		"models": func(n *yaml.Node) {
			r.list(n, "access.models", func(n *yaml.Node, at string) { a.Models = append(a.Models, r.rule(n, at)) })
		},
	})
	// A list that is present but names nobody could mean everyone or no one.
	if line := max(seen["users"], seen["groups"]); line > 0 && len(a.Users)+len(a.Groups) == 0 {
		r.failAt(line, "access.users and access.groups are empty: leave both out to let everyone in")
	}
	if line := seen["channels"]; line > 0 && len(a.Channels) == 0 {
		r.failAt(line, "access.channels is empty: leave it out to allow every channel")
	}
	return a
}

func (r *reader) rule(n *yaml.Node, path string) ModelRule {
	var m ModelRule
	seen := r.mapping(n, path, fields{
		"match":  func(n *yaml.Node) { m.Match = r.model(n, path+".match") },
		"users":  func(n *yaml.Node) { m.Users = r.ids(n, path+".users") },
		"groups": func(n *yaml.Node) { m.Groups = r.ids(n, path+".groups") },
	})
	if n.Kind != yaml.MappingNode {
		return m
	}
	if seen["match"] == 0 {
		r.fail(n, "%s needs match, for example \"lab/legal-*\"", path)
	}
	if len(m.Users)+len(m.Groups) == 0 {
		r.fail(n, "%s names no user and no group, so nobody could use these models: add who may use them", path)
	}
	return m
}

func (r *reader) denyRule(n *yaml.Node, path string) DenyRule {
	var d DenyRule
	r.mapping(n, path, fields{
		"users":  func(n *yaml.Node) { d.Users = r.ids(n, path+".users") },
		"groups": func(n *yaml.Node) { d.Groups = r.ids(n, path+".groups") },
	})
	if n.Kind == yaml.MappingNode && len(d.Users)+len(d.Groups) == 0 {
		r.fail(n, "%s names no user and no group, so it denies nobody: add who may not use the bot, or remove the rule", path)
	}
	return d
}

// ids reads platform ids. YAML parses an unquoted id of digits as a number;
// that is allowed.
func (r *reader) ids(n *yaml.Node, path string) []string {
	var out []string
	r.list(n, path, func(n *yaml.Node, at string) {
		before := len(r.problems)
		v := r.text(n, at)
		if len(r.problems) == before && !personGrammar.MatchString(v) {
			r.fail(n, "%s %q is not an id (U024BE7LH, S0614TZR7, 80351110224678912); names and wildcards do not work here", at, clip(v))
		}
		out = append(out, v)
	})
	return out
}
