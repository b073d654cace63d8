// Parley is a bot server for chat platforms: it answers mentions with the output
// of any OpenAI-compatible endpoint. This is the only package that wires the parts
// together.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"parley/internal/chat"
)

func main() {
	ctx := untilSignal(context.Background(), os.Stderr, os.Exit)
	os.Exit(run(ctx, os.Args[1:], process{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(), exit: os.Exit,
	}))
}

// process is a verb's access to the outside world.
type process struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	exit           func(code int) // ends the process, even if work is running; nil except in main
	more           []platform     // in addition to the table, for tests
}

// usageText is what "parley help" prints.
func usageText(table []platform) string {
	var titles []string
	for _, p := range table {
		if !p.Pages {
			titles = append(titles, p.Title)
		}
	}
	return strings.NewReplacer(
		"PLATFORMS", chat.Listed(titles, "and"), "GUILD", guildWord(table), "MANIFESTS", strings.Join(manifestNames(table), "|"),
	).Replace(usageForm)
}

const usageForm = `parley answers mentions in PLATFORMS from any OpenAI-compatible endpoint.

  parley [serve] [--free-port]         run the server in the foreground
  parley provider list|show|put|remove|test|import|export
  parley bot list|show|set
  parley guild list|admit|remove BOT [ID]
                                       the GUILDs a bot answers in
  parley usage                         tokens and cost
  parley manifest MANIFESTS [--bot ID] [--url PUBLIC-ADDRESS]
  parley open                          print an address that opens the playground once
  parley check                         check the settings without starting anything
  parley store repair [--yes]          say what is damaged in DATA_DIR, and repair it
  parley key generate                  print a new entry for MASTER_KEYS
  parley health                        exit 0 if the server is alive
  parley version

provider, bot, guild, usage, manifest, open and health talk to the server of this
directory: at HTTP_ADDR, with ADMIN_TOKEN or the token in DATA_DIR. Set PARLEY_URL
to talk to another server; it gets only the ADMIN_TOKEN of the environment.
Every verb except serve takes --json; serve prints only its log (LOG_FORMAT=json).
For more, run "parley VERB --help".
`

const serveText = `parley serve [--free-port]

Runs the server in the foreground until SIGTERM or SIGINT. Its settings are
environment variables, or lines in .env; .env.example lists them, and "parley
check" checks them.

  --free-port   if the default port is in use, take the next free one; has no
                effect if HTTP_ADDR is set
`

// run runs one verb and returns the exit code.
func run(ctx context.Context, args []string, p process) int {
	verb := "serve"
	if len(args) > 0 {
		verb = args[0]
	}
	switch {
	case verb == "help" && len(args) > 1:
		return run(ctx, append(slices.Clone(args[1:]), "--help"), p)
	case verb == "help" || isHelp(verb):
		_, _ = io.WriteString(p.stdout, usageText(p.platforms()))
		return exitOK
	case verb == "serve" && slices.ContainsFunc(args[1:], func(a string) bool { return a == "help" || isHelp(a) }):
		_, _ = io.WriteString(p.stdout, serveText)
		return exitOK
	case len(args) == 0 || verb == "--free-port":
		return serve(ctx, args, p)
	case verb == "serve":
		return serve(ctx, args[1:], p)
	case verb == "--version":
		args = slices.Concat([]string{"version"}, args[1:])
	}
	return operate(ctx, args, p)
}

func isHelp(arg string) bool { return slices.Contains([]string{"-h", "-help", "--help"}, arg) }

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && info.Main.Version == "(devel)" {
			return "devel " + s.Value[:min(12, len(s.Value))]
		}
	}
	return info.Main.Version
}

// complain prints one line per problem and returns the exit code of a start
// that failed.
func complain(w io.Writer, problems ...error) int {
	for _, p := range problems {
		_, _ = fmt.Fprintln(w, "parley:", p)
	}
	return 1
}
