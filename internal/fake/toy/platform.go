// Package toy is a chat platform in memory with its adapter, as small as one can
// be: a third platform, which shows that the rest of parley knows none. Tests
// only.
package toy

import (
	"fmt"
	"strconv"
	"strings"

	"parley/internal/chat"
)

// name is the word in chat.Place.Platform.
const name = "toy"

// What the descriptions name.
const (
	tokenSetting  = "token"
	secretSetting = "hook_secret"
	sizeVariable  = "TOY_SIZE"
)

// Platform describes the toy.
func Platform() chat.Platform {
	return chat.Platform{
		Name: name, Title: "Toy", Workspace: "box", Manifest: manifest,
		Settings: []chat.Setting{
			{Name: tokenSetting, Secret: true, App: true, Example: "toy-…", Check: func(v string) string {
				if !strings.HasPrefix(v, "toy-") {
					return "is not a token: that begins with toy-"
				}
				return ""
			}},
			{Name: secretSetting, Secret: true, Shared: true, Signed: true},
		},
		Variables: []chat.Variable{{Name: sizeVariable, Default: "500", Want: "a number of characters", Example: "500", Check: func(v string) bool {
			n, err := strconv.Atoi(v)
			return err == nil && n >= 100
		}}},
	}
}

func manifest(b chat.Profile, base string) (chat.Manifest, error) {
	text := fmt.Sprintf("Make a toy named %s.", b.Name)
	if base != "" {
		text += fmt.Sprintf(" Its commands go to %s/%s/%s/commands.", base, name, b.ID)
	}
	return chat.Manifest{Text: text, JSON: fmt.Appendf(nil, `{"name":%q}`, b.Name)}, nil
}
