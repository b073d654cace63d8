// Checking request bodies against Discord's published OpenAPI document, of
// which testdata/openapi.json holds the parts that are needed here.

package discord

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

//go:embed testdata/openapi.json
var openAPI []byte

// schemas is the parsed document: request bodies by name, shared types by
// their name in the document.
type schemas struct {
	Bodies  map[string]map[string]any `json:"bodies"`
	Schemas map[string]map[string]any `json:"schemas"`
}

func loadSchemas() (*schemas, error) {
	s := &schemas{}
	if err := json.Unmarshal(openAPI, s); err != nil {
		return nil, fmt.Errorf("embedded OpenAPI document: %w", err)
	}
	return s, nil
}

// check validates a decoded JSON value against the named request body. Unknown
// fields are refused too: Discord ignores them, so they are always a mistake.
func (s *schemas) check(body string, value any) error {
	schema, ok := s.Bodies[body]
	if !ok {
		return fmt.Errorf("no schema for %q", body)
	}
	return s.validate(schema, value, body)
}

func (s *schemas) resolve(schema map[string]any) map[string]any {
	for {
		ref, ok := schema["$ref"].(string)
		if !ok {
			return schema
		}
		schema = s.Schemas[ref[strings.LastIndexByte(ref, '/')+1:]]
	}
}

func (s *schemas) validate(schema map[string]any, v any, at string) error {
	schema = s.resolve(schema)
	if err := checkType(schema["type"], v, at); err != nil {
		return err
	}
	for _, key := range []string{"oneOf", "anyOf"} {
		if options, ok := schema[key].([]any); ok {
			if err := s.anyOf(options, v, at); err != nil {
				return err
			}
		}
	}
	if all, ok := schema["allOf"].([]any); ok {
		for _, one := range all {
			if err := s.validate(one.(map[string]any), v, at); err != nil {
				return err
			}
		}
	}
	if allowed, ok := schema["enum"].([]any); ok && v != nil && !slices.Contains(allowed, v) {
		return fmt.Errorf("%s: %v is not one of %v", at, v, allowed)
	}
	if constant, ok := schema["const"]; ok && v != constant {
		return fmt.Errorf("%s: %v is not %v", at, v, constant)
	}
	switch value := v.(type) {
	case string:
		return checkString(schema, value, at)
	case float64:
		return checkNumber(schema, value, at)
	case []any:
		return s.checkArray(schema, value, at)
	case map[string]any:
		return s.checkObject(schema, value, at)
	}
	return nil
}

// anyOf wants one fitting option; the error is the one of the option that came
// furthest, which is the longest path.
func (s *schemas) anyOf(options []any, v any, at string) error {
	var best error
	for _, option := range options {
		err := s.validate(option.(map[string]any), v, at)
		if err == nil {
			return nil
		}
		if best == nil || len(err.Error()) > len(best.Error()) {
			best = err
		}
	}
	return best
}

func checkType(want, v any, at string) error {
	var names []string
	switch t := want.(type) {
	case nil:
		return nil
	case string:
		names = []string{t}
	case []any:
		for _, name := range t {
			names = append(names, name.(string))
		}
	}
	got := "null"
	switch value := v.(type) {
	case string:
		got = "string"
	case bool:
		got = "boolean"
	case float64:
		got = "number"
		if value == math.Trunc(value) {
			got = "integer"
		}
	case []any:
		got = "array"
	case map[string]any:
		got = "object"
	}
	if slices.Contains(names, got) || got == "integer" && slices.Contains(names, "number") {
		return nil
	}
	return fmt.Errorf("%s: is %s, must be %s", at, got, strings.Join(names, " or "))
}

func checkString(schema map[string]any, v, at string) error {
	n := float64(utf8.RuneCountInString(v))
	if most, ok := schema["maxLength"].(float64); ok && n > most {
		return fmt.Errorf("%s: %v characters, at most %v are allowed", at, n, most)
	}
	if least, ok := schema["minLength"].(float64); ok && n < least {
		return fmt.Errorf("%s: %v characters, at least %v are required", at, n, least)
	}
	if pattern, ok := schema["pattern"].(string); ok {
		// Patterns of the document that RE2 does not know (look-ahead) are left out.
		if re, err := regexp.Compile(pattern); err == nil && !re.MatchString(v) {
			return fmt.Errorf("%s: does not match %s", at, pattern)
		}
	}
	return nil
}

func checkNumber(schema map[string]any, v float64, at string) error {
	if most, ok := schema["maximum"].(float64); ok && v > most {
		return fmt.Errorf("%s: %v is above %v", at, v, most)
	}
	if least, ok := schema["minimum"].(float64); ok && v < least {
		return fmt.Errorf("%s: %v is below %v", at, v, least)
	}
	return nil
}

func (s *schemas) checkArray(schema map[string]any, v []any, at string) error {
	n := float64(len(v))
	if most, ok := schema["maxItems"].(float64); ok && n > most {
		return fmt.Errorf("%s: %v items, at most %v are allowed", at, n, most)
	}
	if least, ok := schema["minItems"].(float64); ok && n < least {
		return fmt.Errorf("%s: %v items, at least %v are required", at, n, least)
	}
	if unique, _ := schema["uniqueItems"].(bool); unique {
		seen := map[string]bool{}
		for _, item := range v {
			key := fmt.Sprint(item)
			if seen[key] {
				return fmt.Errorf("%s: %v stands there twice", at, item)
			}
			seen[key] = true
		}
	}
	if items, ok := schema["items"].(map[string]any); ok {
		for i, item := range v {
			if err := s.validate(items, item, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *schemas) checkObject(schema map[string]any, v map[string]any, at string) error {
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			return fmt.Errorf("%s.%s: is required", at, name)
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	additional, _ := schema["additionalProperties"].(map[string]any)
	if properties == nil && additional == nil {
		return nil
	}
	for name, value := range v {
		sub, ok := properties[name].(map[string]any)
		if !ok {
			if additional == nil {
				return fmt.Errorf("%s.%s: no such field", at, name)
			}
			sub = additional
		}
		if err := s.validate(sub, value, at+"."+name); err != nil {
			return err
		}
	}
	return nil
}
