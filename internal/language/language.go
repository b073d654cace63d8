// Package language writes parley's own sentences in its readers' languages. The
// English of a sentence stands in the code and names it in the catalogs, one file
// for each language: fr.yaml, ko.yaml.
package language

import (
	"embed"
	"fmt"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"

	"parley/internal/chat"
)

//go:embed *.yaml
var files embed.FS

// names are the tags of the languages there are, English first; each other has its
// file.
func names() []string { return []string{"en", "fr", "ko"} }

// Languages are the languages there are. Its zero value knows English only.
type Languages struct {
	matcher  language.Matcher
	speakers []chat.Speaker // as the matcher numbers them
}

// New reads the catalogs.
func New() (*Languages, error) {
	l := &Languages{}
	var tags []language.Tag
	for _, name := range names() {
		tag, speaker := language.Make(name), chat.Speaker(chat.English{})
		if tag != language.English {
			c, err := read(name)
			if err != nil {
				return nil, err
			}
			if speaker, err = newSpeaker(tag, c); err != nil {
				return nil, fmt.Errorf("%s.yaml: %w", name, err)
			}
		}
		tags, l.speakers = append(tags, tag), append(l.speakers, speaker)
	}
	l.matcher = language.NewMatcher(tags)
	return l, nil
}

// Tags are the tags of the languages there are, English first.
func (l *Languages) Tags() []string { return names() }

// Speaker writes in the language that fits a tag, or the first of several as a
// browser's Accept-Language lists them; English for what is no tag or not known.
func (l *Languages) Speaker(tag string) chat.Speaker {
	if l.matcher == nil || tag == "" {
		return chat.English{}
	}
	wanted, _, err := language.ParseAcceptLanguage(strings.ReplaceAll(tag, "_", "-"))
	if err != nil {
		return chat.English{}
	}
	_, i, confidence := l.matcher.Match(wanted...)
	if confidence == language.No {
		return chat.English{}
	}
	return l.speakers[i]
}

// entry is one sentence of a catalog, or its plural forms.
type entry struct {
	text   string
	plural map[string]string // by the category of the number: "one", "other"
}

// UnmarshalYAML reads a text, or a map of plural forms.
func (e *entry) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.MappingNode {
		return n.Decode(&e.plural)
	}
	return n.Decode(&e.text)
}

// forms are all texts of e.
func (e entry) forms() []string {
	if e.plural == nil {
		return []string{e.text}
	}
	var out []string
	for _, text := range e.plural {
		out = append(out, text)
	}
	return out
}

// entries are the catalog of a language, by the English of its sentences.
type entries map[string]entry

// read reads the catalog of a language.
func read(name string) (entries, error) {
	data, err := files.ReadFile(path.Clean(name + ".yaml"))
	if err != nil {
		return nil, err
	}
	var c entries
	if err := yaml.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("%s.yaml: %w", name, err)
	}
	return c, nil
}

// speaker writes in one language.
type speaker struct {
	entries entries
	printer *message.Printer
}

func newSpeaker(tag language.Tag, c entries) (chat.Speaker, error) {
	b := catalog.NewBuilder(catalog.Fallback(tag))
	for english, e := range c {
		if err := b.Set(tag, english, e.message()); err != nil {
			return nil, fmt.Errorf("%q: %w", english, err)
		}
	}
	return &speaker{c, message.NewPrinter(tag, message.Catalog(b))}, nil
}

// message is e as the catalog takes it.
func (e entry) message() catalog.Message {
	if e.plural == nil {
		return catalog.String(e.text)
	}
	var cases []any
	for category, text := range e.plural {
		if category != "other" {
			cases = append(cases, category, text)
		}
	}
	return plural.Selectf(1, "%d", append(cases, "other", e.plural["other"])...)
}

// Say writes l and the lines in it. A sentence that the catalog does not have is
// in English, with all that is in it.
func (s *speaker) Say(l chat.Line) string {
	if _, ok := s.entries[l.Format]; !ok && !wordless(l.Format) {
		return l.String()
	}
	args := make([]any, len(l.Args))
	for i, arg := range l.Args {
		if args[i] = arg; isLine(arg) {
			args[i] = s.Say(arg.(chat.Line))
		}
	}
	return s.printer.Sprintf(l.Format, args...)
}

func isLine(arg any) bool {
	_, ok := arg.(chat.Line)
	return ok
}
