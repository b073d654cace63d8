// How large a function and a struct may be.

package arch

import (
	"fmt"
	"go/ast"
	"go/parser"

	"go/token"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

const (
	mostLines  = 60 // of a function, from its first line to its last
	mostFields = 20 // of a struct, outside of the configuration and wire formats
)

// tooLarge are those that are too large at present. Whoever mends one deletes
// its line; none may be added.
var tooLarge = []string{
	"internal/fake/discord: Server",
	"internal/fake/discord: Server.messageJSON",
	"internal/fake/discord: message",
	"internal/fake/openai: Profile",
	"internal/fake/openai: Reply",
	"internal/fake/slack: Message",
	"internal/fake/slack: Server",
	"internal/fake/slack: Server.SubmitView",
	"internal/fake/slack: Server.serveMethod",
	"internal/fake/slack: Start",
	"internal/fake/slack: checker.block",
}

func TestFunctionsAndStructsAreSmall(t *testing.T) {
	found := map[string]string{}
	sources(t, func(name string, fset *token.FileSet, file *ast.File) {
		maps.Copy(found, large(path.Dir(name), fset, file))
	})
	for _, what := range slices.Sorted(maps.Keys(found)) {
		if !slices.Contains(tooLarge, what) {
			t.Errorf("%s has %s", what, found[what])
		}
	}
	for _, what := range tooLarge {
		if found[what] == "" {
			t.Errorf("%s is small, or gone: delete its line", what)
		}
	}
}

// large are the functions and structs in a file of a package that are too large,
// as "package: name", with how large they are.
func large(room string, fset *token.FileSet, file *ast.File) map[string]string {
	out := map[string]string{}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			if lines := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1; lines > mostLines {
				out[room+": "+full(f)] = fmt.Sprintf("%d lines; the most is %d", lines, mostLines)
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		s, ok := spec.Type.(*ast.StructType)
		if ok && s.Fields.NumFields() > mostFields && room != "internal/config" && !wire(s) {
			out[room+": "+spec.Name.Name] = fmt.Sprintf("%d fields; the most is %d", s.Fields.NumFields(), mostFields)
		}
		return true
	})
	return out
}

// full is a function's name, a method's with its receiver.
func full(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	of := f.Recv.List[0].Type
	for {
		switch t := of.(type) {
		case *ast.StarExpr:
			of = t.X
		case *ast.IndexExpr:
			of = t.X
		case *ast.Ident:
			return t.Name + "." + f.Name.Name
		default:
			return f.Name.Name
		}
	}
}

// wire reports whether a struct is the form of what is read or written: each of
// its fields says how it is called there.
func wire(s *ast.StructType) bool {
	return !slices.ContainsFunc(s.Fields.List, func(f *ast.Field) bool {
		return f.Tag == nil || !strings.Contains(f.Tag.Value, `json:"`) && !strings.Contains(f.Tag.Value, `yaml:"`)
	})
}

func TestWhatIsTooLargeIsFound(t *testing.T) {
	long := strings.Repeat("_ = 1\n", mostLines-1)
	wide := strings.Repeat("A, B int\n", mostFields/2)
	tagged := strings.ReplaceAll(wide, "int", "int `json:\"a\"`")
	for name, c := range map[string]struct{ room, source, want string }{
		"a long function":      {"x", "func f() {\n" + long + "}", "x: f"},
		"a long method":        {"x", "func (t *T[V]) f() {\n" + long + "}", "x: T.f"},
		"a function that fits": {"x", "// a comment\n// of two lines\nfunc f() {\n" + strings.TrimPrefix(long, "_ = 1\n") + "}", ""},
		"a wide struct":        {"x", "type t struct {\n" + wide + "c }", "x: t"},
		"a wide local struct":  {"x", "func f() { type t struct {\n" + wide + "c } }", "x: t"},
		"a struct that fits":   {"x", "type t struct {\n" + wide + "}", ""},
		"a form on the wire":   {"x", "type t struct {\n" + tagged + "c `json:\"c\"` }", ""},
		"partly on the wire":   {"x", "type t struct {\n" + tagged + "c }", "x: t"},
		"the configuration":    {"internal/config", "type t struct {\n" + wide + "c }", ""},
	} {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "a.go", "package a\n"+c.source, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(slices.Collect(maps.Keys(large(c.room, fset, file))), " "); got != c.want {
			t.Errorf("%s: found %q, want %q", name, got, c.want)
		}
	}
}
