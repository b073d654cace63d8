package language

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// sentence is a format in the code.
type sentence struct {
	at       token.Position
	format   string
	countOne string // its singular, where a number decides
}

// makers are the functions of chat that make sentences.
func makers() []string { return []string{"Say", "SayCount", "Tell"} }

// shown are the fields that people read, by the type that has them. What is put
// there as a literal is said in English to everybody.
func shown() map[string][]string {
	return map[string][]string{
		"Reply": {"Text"}, "Menu": {"Placeholder"}, "Button": {"Label"}, "Option": {"Label"},
		"Form": {"Title", "Submit"}, "Field": {"Label", "Hint"}, "Content": {"Markdown"},
	}
}

// walker collects the sentences of the code, and what is wrong with them.
type walker struct {
	files  *token.FileSet
	found  []sentence
	faults []string
}

// walk reads all code below root but what is there for tests.
func walk(root string) (*walker, error) {
	w := &walker{files: token.NewFileSet()}
	return w, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains([]string{"testdata", "fake", "chattest", "simulate"}, d.Name()) || strings.HasPrefix(d.Name(), ".") && name != root):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(w.files, name, nil, parser.SkipObjectResolution)
		if err == nil {
			w.file(file)
		}
		return err
	})
}

func (w *walker) file(f *ast.File) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if maker := inChat(f, n.Fun); slices.Contains(makers(), maker) {
				w.call(f, n, maker)
			}
		case *ast.CompositeLit:
			w.literal(n, inChat(f, n.Type), f.Name.Name == "chat")
		}
		return true
	})
}

// inChat is the name of what e means in package chat, "" where that is not there.
func inChat(f *ast.File, e ast.Expr) string {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok && x.Name == "chat" {
			return e.Sel.Name
		}
	case *ast.Ident:
		if f.Name.Name == "chat" {
			return e.Name
		}
	}
	return ""
}

func (w *walker) fault(n ast.Node, format string, args ...any) {
	w.faults = append(w.faults, w.files.Position(n.Pos()).String()+": "+fmt.Sprintf(format, args...))
}

func (w *walker) call(f *ast.File, n *ast.CallExpr, maker string) {
	at := 0
	if maker == "SayCount" {
		at = 1
	}
	var texts []string
	for i := at; i <= 2*at; i++ {
		text, ok := constant(n.Args[i])
		if !ok {
			if f.Name.Name != "chat" { // which makes them of what it is given
				w.fault(n, "the format of chat.%s is no constant", maker)
			}
			return
		}
		texts = append(texts, text)
	}
	s := sentence{at: w.files.Position(n.Pos()), format: texts[len(texts)-1]}
	if maker == "SayCount" {
		s.countOne = texts[0]
	}
	w.found = append(w.found, s)
}

// literal finds English where a sentence belongs; inside says that it is in
// package chat, which makes lines.
func (w *walker) literal(n *ast.CompositeLit, name string, inside bool) {
	if name == "Line" && len(n.Elts) > 0 && !inside {
		w.fault(n, "a Line is made by chat.Say")
	}
	for _, e := range n.Elts {
		pair, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		key, _ := pair.Key.(*ast.Ident)
		if key == nil || !slices.Contains(shown()[name], key.Name) {
			continue
		}
		if text, ok := constant(pair.Value); ok && !wordless(text) {
			w.fault(pair, "%q is said in English to everybody: make it by chat.Say", text)
		}
	}
}

// constant is the text of a string literal, or of several that are added.
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		left, ok := constant(e.X)
		right, also := constant(e.Y)
		return left + right, ok && also
	}
	return "", false
}

func TestEverySentenceIsInEveryLanguage(t *testing.T) {
	w, err := walk(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range w.faults {
		t.Error(fault)
	}
	if len(w.found) < 100 {
		t.Fatalf("only %d sentences were found", len(w.found))
	}
	for _, name := range names()[1:] {
		entries, err := read(name)
		if err != nil {
			t.Fatal(err)
		}
		used := map[string]bool{}
		for _, s := range w.found {
			used[s.format] = true
			if fault := entries.lacks(s, name); fault != "" {
				t.Errorf("%s: %s.yaml %s: %q", s.at, name, fault, s.format)
			}
		}
		for english := range maps.Keys(entries) {
			if !used[english] {
				t.Errorf("%s.yaml: no code says %q any more", name, english)
			}
		}
	}
}

// lacks says what the catalog of a language lacks for a sentence.
func (c entries) lacks(s sentence, name string) string {
	e, ok := c[s.format]
	switch {
	case !ok && wordless(s.format):
		return ""
	case !ok:
		return "has no sentence for this"
	}
	if s.countOne == "" && e.plural != nil {
		return "has plural forms for a sentence without a number"
	}
	if s.countOne != "" && !slices.Equal(slices.Sorted(maps.Keys(e.plural)), categories(name)) {
		return fmt.Sprintf("needs the forms %q of this", categories(name))
	}
	for _, text := range e.forms() {
		if !slices.Equal(places(text), places(s.format)) {
			return fmt.Sprintf("fills other places (%q)", text)
		}
	}
	return ""
}

// categories are the plural forms of a language: French says 0 and 1 in the
// singular, Korean knows one form.
func categories(name string) []string {
	if name == "fr" {
		return []string{"one", "other"}
	}
	return []string{"other"}
}

func TestTheCheckFindsWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct{ source, fault string }{
		"a format that is built": {`package p; var _ = chat.Say("a" + b)`, "is no constant"},
		"one that is counted":    {`package p; var _ = chat.SayCount(n, "%d x", others)`, "is no constant"},
		"a bare line":            {`package p; var _ = chat.Line{Format: "Hello"}`, "is made by chat.Say"},
		"English on a button":    {`package p; var _ = []any{chat.Button{Label: "Save it"}}`, "is said in English"},
	} {
		w := &walker{files: token.NewFileSet()}
		f, err := parser.ParseFile(w.files, "p.go", c.source, 0)
		if err != nil {
			t.Fatal(err)
		}
		if w.file(f); len(w.faults) != 1 || !strings.Contains(w.faults[0], c.fault) {
			t.Errorf("%s: %q", name, w.faults)
		}
	}
	catalog := entries{
		"%s has %d":  {text: "%[2]d für %[1]s"},
		"%s had %d":  {text: "%d für %s"},
		"Only %s":    {text: "Nur"},
		"%d answers": {plural: map[string]string{"other": "%d réponses"}},
		"Plain":      {plural: map[string]string{"one": "Un", "other": "Deux"}},
	}
	for format, want := range map[string]string{
		"%s has %d": "", "%s (%s)": "", "%s had %d": "fills other places", "Only %s": "fills other places",
		"Plain": "has plural forms", "New": "has no sentence",
	} {
		if got := catalog.lacks(sentence{format: format}, "fr"); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", format, got, want)
		}
	}
	if got := catalog.lacks(sentence{format: "%d answers", countOne: "%d answer"}, "fr"); !strings.Contains(got, "needs the forms") {
		t.Errorf("a singular is missing: %q", got)
	}
}
