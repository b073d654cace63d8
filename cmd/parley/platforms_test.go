// Every platform's description, as the rest of the program relies on it.

package main

import (
	"slices"
	"testing"
)

func TestTheDescriptionsAreSound(t *testing.T) {
	variables := map[string]bool{}
	for _, p := range (process{}).platforms() {
		if p.Name == "" || p.Title == "" || p.connect == nil {
			t.Errorf("platform %q has no name, title or wiring", p.Name)
		}
		for _, v := range p.Variables {
			if variables[v.Name] {
				t.Errorf("%s is read twice", v.Name)
			}
			variables[v.Name] = true
			if v.Check != nil && !v.Check(v.Default) || v.Words != nil && !slices.Contains(v.Words, v.Default) {
				t.Errorf("%s does not take its own default %q", v.Name, v.Default)
			}
		}
		settings, apps := map[string]bool{}, 0
		for _, s := range p.Settings {
			if settings[s.Name] || s.Name == "" {
				t.Errorf("%s has %q twice, or without a name", p.Name, s.Name)
			}
			settings[s.Name] = true
			if s.App {
				apps++
			}
			if s.App && (s.List || s.Shared) || s.List && (s.Receives != "" || s.Signed || s.Shared) {
				t.Errorf("%s.%s is more than the loader understands", p.Name, s.Name)
			}
		}
		if apps > 1 {
			t.Errorf("%s has %d settings that name the app", p.Name, apps)
		}
		if trusted, ok := p.Setting(p.Trusts); p.Trusts != "" && (!ok || !trusted.List) {
			t.Errorf("%s.%s is no list of what is trusted", p.Name, p.Trusts)
		}
	}
}
