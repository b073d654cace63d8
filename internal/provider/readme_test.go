package provider

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The README's table names every field a record may have and no other, with the
// default that leaving it out gives.
func TestREADMENamesEveryFieldWithItsDefaultAndNoOther(t *testing.T) {
	page := readme(t)
	_, section, found := strings.Cut(page, "\n## The fields of a provider\n")
	if !found {
		t.Fatal("no section The fields of a provider")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	meaning := map[string]string{} // by field
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Za-z.\\[\\]]+)` \\| (.*?) \\| (.*?) \\|$").FindAllStringSubmatch(section, -1) {
		field, shown := m[1], m[2]
		if _, twice := meaning[field]; twice {
			t.Errorf("%s stands there twice", field)
		}
		meaning[field] = m[3]
		if value, ok := strings.CutPrefix(shown, "`"); ok {
			checkDefault(t, field, strings.TrimSuffix(value, "`"))
		}
	}
	want := fieldsOf(reflect.TypeFor[Provider]())
	for _, f := range fieldsOf(reflect.TypeFor[Model]()) {
		want = append(want, "models[]."+f)
	}
	for _, f := range want {
		if meaning[f] == "" {
			t.Errorf("%s is not in README's table", f)
		}
	}
	for f := range meaning {
		if !slices.Contains(want, f) {
			t.Errorf("%s is in the table, but a record has no such field", f)
		}
	}
	for outer, inner := range map[string]reflect.Type{"pricing": reflect.TypeFor[Pricing](), "tls": reflect.TypeFor[TLS]()} {
		for _, f := range fieldsOf(inner) {
			if !strings.Contains(meaning[outer], "`"+f+"`") {
				t.Errorf("%s does not tell of its %s", outer, f)
			}
		}
	}
	if want := strconv.Itoa(int(DefaultSilence / time.Second)); !strings.HasSuffix(meaning["silenceTimeout"], " 0: "+want) {
		t.Errorf("a server may be silent for %s s: %s", want, meaning["silenceTimeout"])
	}
}

// fieldsOf is what a struct's fields are called in JSON.
func fieldsOf(s reflect.Type) []string {
	var names []string
	for f := range s.Fields() {
		if !f.IsExported() {
			continue
		}
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "-" {
			names = append(names, name)
		}
	}
	return names
}

// checkDefault compares a record that says a field's default with one that
// leaves it out.
func checkDefault(t *testing.T, field, value string) {
	t.Helper()
	const endpoint = `"endpoint": "https://host/v1/chat/completions"`
	value = strings.ReplaceAll(value, "ID", "lab")
	said, left := "{"+endpoint+`, "`+field+`": `+value+"}", "{"+endpoint+"}"
	if inner, ok := strings.CutPrefix(field, "models[]."); ok {
		said, left = "{"+endpoint+`, "models": [{"id": "m", "`+inner+`": `+value+"}]}", "{"+endpoint+`, "models": ["m"]}`
	}
	a, err := Decode("lab", strings.NewReader(said))
	if err != nil {
		t.Errorf("%s: %v", said, err)
		return
	}
	b, err := Decode("lab", strings.NewReader(left))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*Provider{&a, &b} { // empty and absent are one
		p.ExtraHeaders, p.AddParams = maps.Collect(maps.All(p.ExtraHeaders)), maps.Collect(maps.All(p.AddParams))
		p.DropParams, p.Endpoints = slices.Concat(p.DropParams), slices.Concat(p.Endpoints)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%s is not the default of %s:\n%+v\n%+v", value, field, a, b)
	}
}

// What the README says to type must be what a key makes usable.
func TestREADMENamesOpenAIsDefaultModel(t *testing.T) {
	openai, _ := PresetNamed("openai")
	for _, command := range []string{"/model openai/", "bin/parley bot set helper openai/"} {
		if page := readme(t); strings.Count(page, command+openai.Model) != strings.Count(page, command) || !strings.Contains(page, command) {
			t.Errorf("the README does not say %s%s", command, openai.Model)
		}
	}
}

func readme(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
