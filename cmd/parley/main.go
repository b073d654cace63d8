// Parley is a chat-platform bot server: it answers mentions in Slack and
// Discord from any OpenAI-compatible endpoint. This is the only place where the
// parts are wired together.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"parley/internal/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], process{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(),
	})
	stop()
	os.Exit(code)
}

// process is what a verb may use of the outside.
type process struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
}

const usageText = `parley answers mentions in Slack and Discord from any OpenAI-compatible endpoint.

  parley [serve] [--free-port]         run the server in the foreground
  parley provider list|show|put|remove|test|import|export
  parley bot list|show|set
  parley usage                         tokens and cost
  parley manifest slack|discord --bot ID
  parley key generate                  a fresh entry for MASTER_KEYS
  parley health                        exit 0 when the server on HTTP_ADDR is alive
  parley version

provider, bot and usage speak to a running server: PARLEY_URL (default
http://127.0.0.1:7070) and ADMIN_TOKEN. Every verb takes --json.
The settings of serve are environment variables; .env.example lists them.
`

// run carries out one verb and returns the exit code.
func run(ctx context.Context, args []string, p process) int {
	verb := "serve"
	if len(args) > 0 {
		verb = args[0]
	}
	if slices.Contains([]string{"help", "-h", "--help"}, verb) {
		_, _ = io.WriteString(p.stdout, usageText)
		return 0
	}
	switch verb {
	case "serve", "--free-port":
		if verb == "serve" && len(args) > 0 {
			args = args[1:]
		}
		return serve(ctx, args, p)
	case "manifest":
		return manifest(args[1:], p)
	case "health":
		return checkHealth(ctx, p)
	case "version", "--version":
		return printVersion(args[1:], p)
	}
	env, err := config.ReadEnvironment(p.environ, ".env")
	if err != nil {
		return complain(p.stderr, err)
	}
	return operate(ctx, args, operatorEnv{stdin: p.stdin, stdout: p.stdout, stderr: p.stderr, getenv: env.Get})
}

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
