// The core speaks of no platform: what it must know of one is in the one
// description that the platform's adapter exports.

package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// core are the packages, with those below them, that know no platform.
var core = []string{
	"bots", "internal/audit", "internal/chat", "internal/completion", "internal/config", "internal/console", "internal/conversation", "internal/inbox",
	"internal/probe", "internal/provider", "internal/registry", "internal/relay", "internal/stream", "internal/suggest", "internal/usage",
}

// sources calls each with every source file of ours, but tests.
func sources(t *testing.T, each func(name string, fset *token.FileSet, file *ast.File)) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		each(filepath.ToSlash(strings.TrimPrefix(path, "../../")), fset, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// platforms are the names of the folders of the adapters.
func platforms(t *testing.T) []string {
	t.Helper()
	folders, err := os.ReadDir("../../adapters")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range folders {
		if f.IsDir() && f.Name() != "internal" {
			names = append(names, f.Name())
		}
	}
	if len(names) < 3 {
		t.Fatalf("the platforms are %v", names)
	}
	return names
}

// variable is the name of an environment variable, which an operator sets
// whatever it is named after.
var variable = regexp.MustCompile(`\b[A-Z][A-Z_]*[A-Z]\b`)

// naming gives the string literals in a file that name one of the platforms.
func naming(file *ast.File, names []string) []*ast.BasicLit {
	var found []*ast.BasicLit
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		text := strings.ToLower(variable.ReplaceAllString(lit.Value, ""))
		if slices.ContainsFunc(names, func(name string) bool { return strings.Contains(text, name) }) {
			found = append(found, lit)
		}
		return true
	})
	return found
}

func TestTheCoreNamesNoPlatform(t *testing.T) {
	names := platforms(t)
	seen := map[string]bool{}
	sources(t, func(name string, fset *token.FileSet, file *ast.File) {
		at := slices.IndexFunc(core, func(p string) bool { return strings.HasPrefix(name, p+"/") })
		if at < 0 {
			return
		}
		seen[core[at]] = true
		for _, lit := range naming(file, names) {
			t.Errorf("%s:%d names a platform: %s", name, fset.Position(lit.Pos()).Line, lit.Value)
		}
	})
	for _, p := range core {
		if !seen[p] {
			t.Errorf("there is no package %s", p)
		}
	}
}

func TestANamedPlatformIsFound(t *testing.T) {
	for source, want := range map[string]int{
		`const a = "Slack"`: 1, "const a = `on slack:\nx`": 1, "type a struct { B string `json:\"slack\"` }": 1, "import _ \"x/slack\"": 1,
		`const a = "SLACK_TOKEN is set"`: 0, `const a = "slow"`: 0, "// on Slack\nconst a = 1": 0, `const slack = 1`: 0,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "a.go", "package a\n"+source, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(naming(file, []string{"slack"})); got != want {
			t.Errorf("%s: %d found, want %d", source, got, want)
		}
	}
}
