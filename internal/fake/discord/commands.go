// Application commands: the bulk overwrite, and reading what a person typed
// against what is registered, as the client does.

package discord

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Option types used here.
const (
	optionSub    = 1
	optionString = 3
)

var commandName = regexp.MustCompile(`^[-_'\p{L}\p{N}]{1,32}$`)

func (s *Server) ownApp(w http.ResponseWriter, r *request) bool {
	if r.PathValue("app") != r.app.ID {
		refuse(w, http.StatusForbidden, 20012, "You are not authorized to perform this action on this application")
		return false
	}
	return true
}

func (s *Server) getCommands(w http.ResponseWriter, r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ownApp(w, r) {
		writeJSON(w, http.StatusOK, listed(r.app.commands, r.URL.Query().Get("with_localizations") == "true").([]any))
	}
}

// listed is a copy of commands, without the dictionaries of localizations unless
// they were asked for.
func listed(v any, localized bool) any {
	switch v := v.(type) {
	case []map[string]any:
		out := []any{}
		for _, one := range v {
			out = append(out, listed(one, localized))
		}
		return out
	case []any:
		out := []any{}
		for _, one := range v {
			out = append(out, listed(one, localized))
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for name, value := range v {
			if localized || !strings.HasSuffix(name, "_localizations") {
				out[name] = listed(value, localized)
			}
		}
		return out
	}
	return v
}

func (s *Server) putCommands(w http.ResponseWriter, r *request) {
	list, err := s.commandList(r)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ownApp(w, r) {
		return
	}
	version := s.snowflake()
	for _, c := range list {
		c["id"], c["application_id"], c["version"], c["nsfw"], c["default_member_permissions"] = s.snowflake(), r.app.ID, version, false, nil
		for name, value := range map[string]any{"type": float64(1), "description": "", "contexts": nil, "integration_types": []any{float64(0)}} {
			if _, set := c[name]; !set {
				c[name] = value
			}
		}
	}
	r.app.commands = list
	r.app.puts++
	s.change()
	writeJSON(w, http.StatusOK, list)
}

// commandList checks what the OpenAPI document does not hold: names, required
// descriptions, and that subcommands and values do not mix.
func (s *Server) commandList(r *request) ([]map[string]any, error) {
	value, err := s.payloadAny(r, "commands_put")
	if err != nil {
		return nil, err
	}
	items, _ := value.([]any)
	out := []map[string]any{}
	names := map[any]bool{}
	for i, item := range items {
		c, _ := item.(map[string]any)
		at := fmt.Sprint(i)
		if names[c["name"]] {
			return nil, &formError{at + ".name", "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique"}
		}
		names[c["name"]] = true
		if err := checkOptionName(c, at); err != nil {
			return nil, err
		}
		if err := checkOptions(c, at); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func checkOptionName(c map[string]any, at string) error {
	name, _ := c["name"].(string)
	if !commandName.MatchString(name) || strings.ToLower(name) != name {
		return &formError{at + ".name", "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid"}
	}
	if text, _ := c["description"].(string); text == "" {
		return &formError{at + ".description", "BASE_TYPE_REQUIRED", "This field is required"}
	}
	return nil
}

func checkOptions(c map[string]any, at string) error {
	options, _ := c["options"].([]any)
	subs, optional := 0, false
	for i, o := range options {
		option, _ := o.(map[string]any)
		here := fmt.Sprintf("%s.options.%d", at, i)
		if err := checkOptionName(option, here); err != nil {
			return err
		}
		if option["type"] == float64(optionSub) {
			subs++
			if err := checkOptions(option, here); err != nil {
				return err
			}
			continue
		}
		required, _ := option["required"].(bool)
		if required && optional {
			return &formError{here, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", "Required options must be placed before non-required options"}
		}
		optional = optional || !required
	}
	if subs > 0 && subs < len(options) {
		return &formError{at + ".options", "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "Sub-command and sub-command group option types are mutually exclusive to all other types"}
	}
	return nil
}

// Commands are the registered commands as a person would see them completed:
// "model [name]", "provider use <id>".
func (s *Server) Commands(app string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, c := range s.App(app).commands {
		name, _ := c["name"].(string)
		options, _ := c["options"].([]any)
		out = append(out, describe(name, options)...)
	}
	return out
}

func describe(name string, options []any) []string {
	var line strings.Builder
	line.WriteString(name)
	var subs []string
	for _, o := range options {
		option, _ := o.(map[string]any)
		inner, _ := option["name"].(string)
		if option["type"] == float64(optionSub) {
			nested, _ := option["options"].([]any)
			subs = append(subs, describe(name+" "+inner, nested)...)
		} else if required, _ := option["required"].(bool); required {
			line.WriteString(" <" + inner + ">")
		} else {
			line.WriteString(" [" + inner + "]")
		}
	}
	if subs != nil {
		return subs
	}
	return []string{line.String()}
}

// CommandWrites is how often the app's commands were overwritten.
func (s *Server) CommandWrites(app string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.App(app).puts
}

// typed reads "/provider use id:lab" against the registered commands. Partial
// input (autocomplete) may lack required options, and its last option is the
// focused one.
func (a *App) typed(text string, partial bool) (map[string]any, error) {
	words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(text), "/"))
	if len(words) == 0 {
		return nil, fmt.Errorf("nothing typed")
	}
	var command map[string]any
	for _, c := range a.commands {
		if c["name"] == words[0] {
			command = c
		}
	}
	if command == nil {
		return nil, fmt.Errorf("no command /%s is registered", words[0])
	}
	data := map[string]any{"id": command["id"], "name": command["name"], "type": 1}
	into, rest, path := data, words[1:], words[0]
	known, _ := command["options"].([]any)
	for len(rest) > 0 {
		sub := find(known, rest[0], true)
		if sub == nil {
			break
		}
		next := map[string]any{"name": rest[0], "type": optionSub, "options": []any{}}
		into["options"] = []any{next}
		path += " " + rest[0]
		into, rest = next, rest[1:]
		known, _ = sub["options"].([]any)
	}
	for _, o := range known {
		if option, _ := o.(map[string]any); option["type"] == float64(optionSub) {
			return nil, fmt.Errorf("/%s cannot be sent without a subcommand", path)
		}
	}
	options, err := values(known, rest, partial)
	if err != nil {
		return nil, fmt.Errorf("/%s: %w", path, err)
	}
	if len(options) > 0 {
		into["options"] = options
	}
	return data, nil
}

func find(options []any, name string, sub bool) map[string]any {
	for _, o := range options {
		option, _ := o.(map[string]any)
		if option["name"] == name && (option["type"] == float64(optionSub)) == sub {
			return option
		}
	}
	return nil
}

// values reads "name:value more words other:value".
func values(known []any, words []string, partial bool) ([]any, error) {
	var out []any
	var last map[string]any
	for _, word := range words {
		name, value, ok := strings.Cut(word, ":")
		if ok && find(known, name, false) != nil {
			last = map[string]any{"name": name, "type": optionString, "value": value}
			out = append(out, last)
			continue
		}
		if last == nil {
			return nil, fmt.Errorf("no option for %q", word)
		}
		last["value"] = strings.TrimSpace(fmt.Sprint(last["value"]) + " " + word)
	}
	if partial {
		if last == nil {
			return nil, fmt.Errorf("no option is being typed")
		}
		if auto, _ := find(known, fmt.Sprint(last["name"]), false)["autocomplete"].(bool); !auto {
			return nil, fmt.Errorf("option %v has no autocomplete", last["name"])
		}
		last["focused"] = true
		return out, nil
	}
	given := map[any]string{}
	for _, o := range out {
		option := o.(map[string]any)
		given[option["name"]] = fmt.Sprint(option["value"])
	}
	for _, o := range known {
		option, _ := o.(map[string]any)
		value, set := given[option["name"]]
		if required, _ := option["required"].(bool); required && !set {
			return nil, fmt.Errorf("option %v is required", option["name"])
		}
		if most, ok := option["max_length"].(float64); ok && set && float64(len([]rune(value))) > most {
			return nil, fmt.Errorf("option %v is too long", option["name"])
		}
	}
	if len(given) != len(out) {
		return nil, fmt.Errorf("an option stands twice: %v", slices.Collect(maps.Values(given)))
	}
	return out, nil
}
