// Parley is a chat-platform bot server: it answers mentions on chat platforms
// from any OpenAI-compatible endpoint. This is the only place where the parts are
// wired together.
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

// process is what a verb may use of the outside.
type process struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	exit           func(code int) // ends the process, whatever still runs; nil outside of main
	more           []platform     // beside those in the table; tests bring one
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
  parley open                          a fresh address of the playground, good once
  parley check                         says what is wrong with the settings, starts nothing
  parley key generate                  a fresh entry for MASTER_KEYS
  parley health                        exit 0 when the server is alive
  parley version

provider, bot, guild, usage, manifest, open and health speak to the server of
this folder: at HTTP_ADDR, with ADMIN_TOKEN or the token in DATA_DIR. PARLEY_URL
names another server, which gets the environment's own ADMIN_TOKEN and no other.
Every verb takes --json but serve, which prints nothing but its log
(LOG_FORMAT=json). "parley VERB --help" says more.
`

const serveText = `parley serve [--free-port]

Runs the server in the foreground until SIGTERM or SIGINT. Its settings are
environment variables, or lines in .env; .env.example lists them, and "parley
check" says what is wrong with them.

  --free-port   take the next free port when that of HTTP_ADDR is busy, as long
                as HTTP_ADDR is not set
`

// run carries out one verb and returns the exit code.
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
