// The rules of who may import whom, in one table that a test compares with what
// stands. A new package or library gets its line here first.

package arch

import (
	"fmt"
	"slices"
	"strings"
)

// module is this module's path.
const module = "parley"

// Package is what the go command knows of one package's imports.
type Package struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// everyone may import these: they hold words and small tools.
var everyone = []string{"internal/secret", "internal/suggest", "internal/fault", "internal/regular"}

// rooms says which of our packages each package may import beside those for
// everyone. Imports run downwards only: what stands on the right of a line never
// has that line's package on its own right.
var rooms = map[string][]string{
	// Words and rules: the standard library, and a YAML reader for bots.
	"internal/chat":    {},
	"internal/suggest": {},
	"internal/secret":  {},
	"internal/fault":   {},
	"internal/regular": {},
	"bots":             {"internal/chat"},

	// Tools that know nothing of the rest.
	"internal/telemetry":       {},
	"internal/config":          {"internal/chat"},
	"internal/audit":           {"internal/chat"},
	"internal/store":           {"internal/audit", "internal/chat"},
	"internal/stream/markdown": {},
	"internal/demo":            {},
	"internal/language":        {"internal/chat"},
	"internal/door":            {},
	"internal/folder":          {},

	// The rooms of the work.
	"internal/provider":          {"internal/chat"},
	"internal/completion":        {"bots", "internal/chat", "internal/provider", "internal/telemetry"},
	"internal/probe":             {"bots", "internal/completion", "internal/provider"},
	"internal/registry":          {"internal/audit", "internal/chat", "internal/provider"},
	"internal/registry/importer": {"internal/provider"},
	"internal/inbox":             {"internal/chat", "internal/telemetry"},
	"internal/conversation":      {"internal/chat", "internal/completion", "internal/inbox"},
	"internal/usage":             {"internal/inbox", "internal/provider"},
	"internal/stream":            {"internal/chat", "internal/stream/markdown", "internal/telemetry"},
	"internal/console":           {"bots", "internal/chat", "internal/door", "internal/provider", "internal/registry"},
	"internal/relay": {
		"bots", "internal/chat", "internal/completion", "internal/conversation", "internal/inbox",
		"internal/provider", "internal/registry", "internal/stream", "internal/telemetry", "internal/usage",
	},

	// What platforms share: one idea each, for every adapter and for nobody else.
	"adapters/internal/background": {},
	"adapters/internal/kept":       {},
	"adapters/internal/loose":      {},
	"adapters/internal/prompt":     {},
	"adapters/internal/redact":     {},
	"adapters/internal/retry":      {},
	"adapters/internal/webhook":    {},

	// The platforms: neutral words and what platforms share, never each other, the
	// relay or Redis. The playground has no platform that keeps its messages: its
	// board does, and knows nothing of the adapter, nor the adapter of it.
	"adapters/slack":            {"bots", "internal/chat", "internal/telemetry"},
	"adapters/discord":          {"bots", "internal/chat", "internal/telemetry"},
	"adapters/playground":       {"bots", "internal/chat", "internal/door", "internal/telemetry"},
	"adapters/playground/board": {},

	// Test servers, on the wire and so without our words.
	"internal/fake/slack":      {},
	"internal/fake/discord":    {},
	"internal/fake/openai":     {},
	"internal/fake/toy":        {"bots", "internal/chat"}, // a platform in memory, with its adapter
	"internal/audit/audittest": {"internal/audit"},
	"internal/store/storetest": {"internal/store"},
	"internal/inbox/inboxtest": {"internal/chat", "internal/inbox", "internal/store", "internal/store/storetest"},
	"internal/door/doortest":   {"internal/door"},
	"internal/chat/chattest":   {"internal/chat"},

	// Rules and measurements.
	"internal/stream/simulate": {"internal/chat", "internal/stream"},
	"internal/arch":            {},
	"internal/bench":           {anything},
	"deploy":                   {},

	// The only place where things are wired.
	"cmd/parley": {anything},
}

// anything stands for every package that is not for tests only.
const anything = "*"

// forTests may be imported by tests, by each other and by the benchmarks.
var forTests = []string{"internal/fake/", "internal/audit/audittest", "internal/store/storetest", "internal/inbox/inboxtest", "internal/door/doortest", "internal/chat/chattest"}

// libraries says who may import which module that is not ours; a path ending in
// a slash stands for all below it. A library that only tests use has its
// importers after "test:".
var libraries = map[string][]string{
	"github.com/slack-go/slack":           {"adapters/slack"},
	"github.com/bwmarrin/discordgo":       {"adapters/discord"},
	"github.com/cenkalti/backoff/v5":      {"adapters/internal/retry"},
	"github.com/gorilla/websocket":        {"adapters/discord", "adapters/slack", "internal/fake/slack", "internal/fake/discord"},
	"github.com/redis/go-redis/v9":        {"internal/audit", "internal/audit/audittest", "internal/store", "internal/store/storetest", "internal/inbox", "internal/inbox/inboxtest", "internal/registry", "internal/conversation", "internal/usage", "adapters/playground/board", "test:internal/", "test:cmd/"},
	"github.com/alicebob/miniredis/v2":    {"internal/store", "test:internal/", "test:cmd/"},
	"github.com/caarlos0/env/v11":         {"internal/config"},
	"github.com/jellydator/ttlcache/v3":   {"adapters/internal/kept"},
	"github.com/joho/godotenv":            {"internal/config"},
	"go.yaml.in/yaml/v3":                  {"bots", "internal/language", "internal/provider", "internal/registry/importer", "test:deploy"},
	"github.com/prometheus/client_golang": {"internal/telemetry"},
	"go.opentelemetry.io/otel":            {"internal/telemetry", "internal/relay"},
	"github.com/yuin/goldmark":            {"adapters/playground", "test:internal/stream/markdown"},
	"github.com/yuin/gopher-lua":          {"internal/store"},
	"github.com/sony/gobreaker/v2":        {"internal/completion"},
	"github.com/rivo/uniseg":              {"internal/stream/markdown"},
	"golang.org/x/net":                    {"internal/provider"},
	"golang.org/x/text":                   {"internal/language"},
	"github.com/mattn/go-runewidth":       {"adapters/", "cmd/"},
	"github.com/chromedp/chromedp":        {"test:adapters/playground"},
	"github.com/chromedp/cdproto":         {"test:adapters/playground"},
}

// Check returns one line for every import that breaks a rule, and for every
// package and library without one.
func Check(packages []Package) []string {
	var broken []string
	for _, p := range packages {
		name := own(p.ImportPath)
		allowed, known := rooms[name]
		if !known {
			broken = append(broken, fmt.Sprintf("%s is new: write its rule here, in internal/arch/rules_test.go (rooms)", p.ImportPath))
			continue
		}
		for _, i := range p.Imports {
			broken = append(broken, checkImport(name, i, allowed)...)
		}
		for _, i := range slices.Concat(p.TestImports, p.XTestImports) {
			broken = append(broken, checkTestImport(name, i)...)
		}
	}
	slices.Sort(broken)
	return slices.Compact(broken)
}

func checkImport(name, path string, allowed []string) []string {
	if !foreign(path) {
		return nil
	}
	if !ours(path) {
		return checkLibrary(name, path, false)
	}
	target := own(path)
	if shared(target) {
		if strings.HasPrefix(name, "adapters/") {
			return nil
		}
		return []string{fmt.Sprintf("%s may not import %s: only adapters do", name, target)}
	}
	if testOnly(target) {
		if testOnly(name) || name == "internal/bench" {
			return nil
		}
		return []string{fmt.Sprintf("%s imports %s, which is for tests", name, target)}
	}
	if slices.Contains(allowed, target) || slices.Contains(everyone, target) || slices.Contains(allowed, anything) {
		return nil
	}
	return []string{fmt.Sprintf("%s may not import %s: imports run downwards only", name, target)}
}

// checkTestImport lets a test reach for any of our packages, except that a
// platform does not know another and words know nobody.
func checkTestImport(name, path string) []string {
	if !foreign(path) {
		return nil
	}
	if !ours(path) {
		return checkLibrary(name, path, true)
	}
	target := own(path)
	if strings.HasPrefix(name, "adapters/") && strings.HasPrefix(target, "adapters/") && name != target && !shared(target) {
		return []string{fmt.Sprintf("a test of %s imports %s: platforms do not know each other", name, target)}
	}
	return nil
}

func checkLibrary(name, path string, test bool) []string {
	for library, importers := range libraries {
		if path != library && !strings.HasPrefix(path, library+"/") {
			continue
		}
		for _, i := range importers {
			i, forTest := strings.CutPrefix(i, "test:")
			if (!forTest || test) && (i == name || (strings.HasSuffix(i, "/") && strings.HasPrefix(name, i))) {
				return nil
			}
		}
		return []string{fmt.Sprintf("%s may not import %s", name, path)}
	}
	return []string{fmt.Sprintf("%s imports %s, a new library: write its rule here, in internal/arch/rules_test.go (libraries)", name, path)}
}

func own(path string) string { return strings.TrimPrefix(path, module+"/") }

func ours(path string) bool { return path == module || strings.HasPrefix(path, module+"/") }

// foreign reports whether path is not of the standard library.
func foreign(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return ours(path) || strings.Contains(first, ".")
}

// shared reports whether a package holds what platforms share.
func shared(name string) bool { return strings.HasPrefix(name, "adapters/internal/") }

func testOnly(name string) bool {
	return slices.ContainsFunc(forTests, func(p string) bool { return strings.HasPrefix(name, p) })
}
