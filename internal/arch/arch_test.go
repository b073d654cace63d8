// Package arch is tests only: of who imports whom, and of ARCHITECTURE.md.
package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// list asks the go command about every package of the module.
func list(t *testing.T) []Package {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []Package
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p Package
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func TestImportsRunDownwardsOnly(t *testing.T) {
	packages := list(t)
	if len(packages) < 10 {
		t.Fatalf("the go command lists only %d packages", len(packages))
	}
	for _, line := range Check(packages) {
		t.Error(line)
	}
}

// An allowance nobody uses lets in, unseen, what it was once meant to keep out.
func TestEveryAllowanceIsUsed(t *testing.T) {
	used := map[string]bool{}
	for _, p := range list(t) {
		name := own(p.ImportPath)
		for _, i := range p.Imports {
			used[name+" → "+own(i)] = true
			note(used, name, i, false)
		}
		for _, i := range slices.Concat(p.TestImports, p.XTestImports) {
			note(used, name, i, true)
		}
	}
	for name, allowed := range rooms {
		for _, below := range allowed {
			if below != anything && !used[name+" → "+below] {
				t.Errorf("%s may import %s and does not", name, below)
			}
		}
	}
	for library, importers := range libraries {
		if len(importers) == 0 {
			t.Errorf("nobody may import %s", library)
		}
		for _, i := range importers {
			if !used[i+" → "+library] {
				t.Errorf("%s may import %s and does not", i, library)
			}
		}
	}
}

// note marks the allowances of libraries under which name may import path.
func note(used map[string]bool, name, path string, test bool) {
	for library, importers := range libraries {
		if path != library && !strings.HasPrefix(path, library+"/") {
			continue
		}
		for _, i := range importers {
			who, forTest := strings.CutPrefix(i, "test:")
			if forTest == test && (who == name || strings.HasSuffix(who, "/") && strings.HasPrefix(name, who)) {
				used[i+" → "+library] = true
			}
		}
	}
}

// The lines of the table themselves must not form a circle: two rooms that may
// import each other have no up and down.
func TestTheTableHasNoCircle(t *testing.T) {
	var visit func(name string, above []string)
	visit = func(name string, above []string) {
		if slices.Contains(above, name) {
			t.Fatalf("circle: %s", strings.Join(append(above, name), " → "))
		}
		for _, below := range rooms[name] {
			if below == anything {
				continue
			}
			if _, ok := rooms[below]; !ok {
				t.Errorf("%s may import %s, which has no line", name, below)
			}
			visit(below, append(slices.Clone(above), name))
		}
	}
	for name := range rooms {
		visit(name, nil)
	}
}

func TestWhatBreaksARuleIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		p    Package
		want string // empty: allowed
	}{
		"upwards":                        {Package{ImportPath: "parley/internal/chat", Imports: []string{"parley/internal/relay"}}, "internal/chat may not import internal/relay"},
		"adapter to adapter":             {Package{ImportPath: "parley/adapters/slack", Imports: []string{"parley/adapters/discord"}}, "may not import adapters/discord"},
		"adapter to adapter in a test":   {Package{ImportPath: "parley/adapters/slack", XTestImports: []string{"parley/adapters/discord"}}, "platforms do not know each other"},
		"shared to an adapter":           {Package{ImportPath: "parley/adapters/internal/loose", Imports: []string{"parley/adapters/slack"}}, "adapters/internal/loose may not import adapters/slack"},
		"shared to one in a test":        {Package{ImportPath: "parley/adapters/internal/loose", TestImports: []string{"parley/adapters/slack"}}, "platforms do not know each other"},
		"shared outside adapters":        {Package{ImportPath: "parley/cmd/parley", Imports: []string{"parley/adapters/internal/loose"}}, "only adapters do"},
		"shared in a test of a platform": {Package{ImportPath: "parley/adapters/slack", TestImports: []string{"parley/adapters/internal/loose"}}, ""},
		"adapter to relay":               {Package{ImportPath: "parley/adapters/slack", Imports: []string{"parley/internal/relay"}}, "may not import internal/relay"},
		"adapter to Redis":               {Package{ImportPath: "parley/adapters/slack", Imports: []string{"github.com/redis/go-redis/v9"}}, "adapters/slack may not import github.com/redis/go-redis/v9"},
		"SDK elsewhere":                  {Package{ImportPath: "parley/internal/relay", Imports: []string{"github.com/slack-go/slack/socketmode"}}, "internal/relay may not import github.com/slack-go/slack/socketmode"},
		"SDK elsewhere in a test":        {Package{ImportPath: "parley/internal/relay", TestImports: []string{"github.com/bwmarrin/discordgo"}}, "may not import github.com/bwmarrin/discordgo"},
		"environment elsewhere":          {Package{ImportPath: "parley/internal/store", Imports: []string{"github.com/caarlos0/env/v11"}}, "may not import github.com/caarlos0/env/v11"},
		"fake in the server":             {Package{ImportPath: "parley/cmd/parley", Imports: []string{"parley/internal/fake/slack"}}, "internal/fake/slack, which is for tests"},
		"browser outside tests":          {Package{ImportPath: "parley/adapters/playground", Imports: []string{"github.com/chromedp/chromedp"}}, "may not import github.com/chromedp/chromedp"},
		"unknown package":                {Package{ImportPath: "parley/internal/util"}, "parley/internal/util is new: write its rule here"},
		"unknown library":                {Package{ImportPath: "parley/internal/relay", Imports: []string{"example.com/new/thing"}}, "a new library: write its rule here"},
		"fake in a test":                 {Package{ImportPath: "parley/cmd/parley", XTestImports: []string{"parley/internal/fake/slack"}}, ""},
		"SDK in its place":               {Package{ImportPath: "parley/adapters/slack", Imports: []string{"github.com/slack-go/slack/socketmode", "net/http"}}, ""},
		"secret for everyone":            {Package{ImportPath: "parley/adapters/slack", Imports: []string{"parley/internal/secret"}}, ""},
		"browser in a test of the page":  {Package{ImportPath: "parley/adapters/playground", TestImports: []string{"github.com/chromedp/chromedp"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(Check([]Package{c.p}), "\n")
			if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// ARCHITECTURE.md names every library in use, with its version, and every room.
func TestARCHITECTUREIsTrue(t *testing.T) {
	page, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{} // "0.35" by module
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v(\d+\.\d+)\S*$`).FindAllStringSubmatch(string(mod), -1) {
		versions[m[1]] = m[2]
	}
	major := regexp.MustCompile(`/v\d+$`)
	for _, p := range list(t) {
		if room := own(p.ImportPath); !strings.Contains(string(page), room) && !testOnly(room) && room != "deploy" && !strings.Contains(room, "stream/") && !strings.Contains(room, "registry/") {
			t.Errorf("the room %s is not in the table", room)
		}
		for _, i := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			for library, version := range versions {
				if i != library && !strings.HasPrefix(i, library+"/") {
					continue
				}
				name := path.Base(major.ReplaceAllString(library, ""))
				if strings.HasPrefix(library, "go.opentelemetry.io/") {
					name = "OpenTelemetry"
				}
				if !regexp.MustCompile(`(?m)^\|.*` + regexp.QuoteMeta(name) + `.* ` + regexp.QuoteMeta(version)).Match(page) {
					t.Errorf("%s %s is not in the table of libraries", library, version)
				}
				delete(versions, library)
			}
		}
	}
}

// What a panic carries may be a key or the words of a message: fault.Recovered
// alone may turn it into text.
func TestEveryRecoverGoesThroughFault(t *testing.T) {
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if n := bytes.Count(source, []byte("= recover()")) + bytes.Count(source, []byte("(recover())")); n != bytes.Count(source, []byte("recover()")) || n > bytes.Count(source, []byte("fault.Recovered(")) && !strings.HasSuffix(name, "/fault/fault.go") {
			t.Errorf("%s recovers without fault.Recovered", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
