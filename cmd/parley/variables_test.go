// What is written of the environment's variables, against what the code reads.

package main

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"parley/bots"
	"parley/internal/config"
)

// variables are those of the structs and of the platforms, with their defaults,
// and those that the built-in bot definitions name.
func variables(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, s := range []reflect.Type{reflect.TypeFor[config.Config](), reflect.TypeFor[config.Operator]()} {
		for f := range s.Fields() {
			if name := f.Tag.Get("env"); name != "-" {
				out[name] = f.Tag.Get("envDefault")
			}
		}
	}
	for _, p := range (process{}).platforms() {
		for _, v := range p.Variables {
			out[v.Name] = v.Default
		}
	}
	_, err := bots.Load(bots.Builtin(), descriptions(process{}.platforms()), func(name string) string {
		out[name] += ""
		return ""
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEnvExampleNamesEveryVariableWithItsDefaultAndNoOther(t *testing.T) {
	data, err := os.ReadFile("../../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	comment := false
	for line := range strings.SplitSeq(string(data), "\n") {
		if strings.HasPrefix(line, "#") {
			comment = true
			continue
		}
		if name, value, ok := strings.Cut(line, "="); ok {
			if _, twice := got[name]; twice {
				t.Errorf("%s stands there twice", name)
			}
			got[name] = value
		} else if line != "" {
			t.Errorf("odd line %q", line)
		}
	}
	if !comment {
		t.Error("no comments")
	}
	want := variables(t)
	want["HTTP_ADDR"] = "" // given, it would keep another port from being taken
	for name, value := range want {
		if v, ok := got[name]; !ok {
			t.Errorf("%s is not in .env.example", name)
		} else if v != value {
			t.Errorf("%s is %q in .env.example, its default is %q", name, v, value)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("%s is in .env.example, but nothing reads it", name)
	}
	e, err := config.ReadEnvironment(nil, "../../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	table := descriptions(process{}.platforms())
	copied, err := config.Load(e, table...)
	empty, _ := config.Load(config.Environment{}, table...)
	if err != nil || !reflect.DeepEqual(copied, empty) {
		t.Errorf("a copy of .env.example changes something: %v\n%+v\n%+v", err, copied, empty)
	}
}

func TestREADMENamesEveryVariableWithItsDefaultAndNoOther(t *testing.T) {
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, settings, found := strings.Cut(string(data), "\n## Settings\n")
	settings, _, _ = strings.Cut(settings, "\n## ")
	if !found {
		t.Fatal("no section Settings")
	}
	row := regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| (.*?) ?\\| .* ?\\|$")
	computed := map[string]bool{"PROVIDER_NETWORKS": true, "OLLAMA_HOST": true} // the default depends
	want := variables(t)
	for _, m := range row.FindAllStringSubmatch(settings, -1) {
		name, shown := m[1], strings.Trim(strings.TrimSpace(m[2]), "`")
		value, ok := want[name]
		if !ok {
			t.Errorf("%s is in the table, but nothing reads it (or it stands there twice)", name)
		} else if shown != value && !computed[name] {
			t.Errorf("%s has the default %q in the table and %q in the code", name, shown, value)
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("%s is not in README's table", name)
	}
}
