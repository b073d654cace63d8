// Every verb except serve. Most talk to a running server over its admin API.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"parley/internal/regular"
	"parley/internal/secret"
)

// The exit codes of the operator's verbs.
const (
	exitOK          = 0
	exitFailed      = 1 // the server refused the request, or it failed
	exitUsage       = 2 // the command line is wrong
	exitUnreachable = 3 // the server does not answer
)

// operator is one call of a verb.
type operator struct {
	process
	flags *flag.FlagSet
	args  []string // without the flags
	json  bool
}

// operatorVerb is one verb.
type operatorVerb struct {
	name  string
	takes string // for the usage line
	does  string
	run   func(ctx context.Context, o *operator) error
	flags func(o *operator) // declares the verb's flags
	least int               // number of arguments
	most  int
}

// operate runs one of the operator's verbs and returns the exit code.
func operate(ctx context.Context, args []string, p process) int {
	at := slices.IndexFunc(args, func(a string) bool { return !strings.HasPrefix(a, "-") })
	if at < 0 {
		return p.fail(false, &operatorError{code: exitUsage, text: fmt.Sprintf("no verb in %q; parley help lists the verbs", args)})
	}
	noun := args[at]
	verbs, ok := operatorVerbs(p.platforms())[noun]
	if !ok {
		return p.fail(false, &operatorError{code: exitUsage, text: fmt.Sprintf("unknown verb %q; parley help lists the verbs", noun)})
	}
	verb, rest, err := pickVerb(noun, verbs, slices.Concat(args[:at], args[at+1:]))
	if err != nil {
		return p.fail(false, err)
	}
	if verb.run == nil {
		_, _ = io.WriteString(p.stdout, verbHelp(noun, verbs))
		return exitOK
	}
	o := &operator{process: p, flags: flag.NewFlagSet(verb.name, flag.ContinueOnError)}
	o.flags.SetOutput(io.Discard)
	o.flags.BoolVar(&o.json, "json", false, "")
	if verb.flags != nil {
		verb.flags(o)
	}
	if err := o.parse(noun, verb, rest); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			_, _ = io.WriteString(p.stdout, verbHelp(noun, []operatorVerb{verb}))
			return exitOK
		}
		return p.fail(o.json, err)
	}
	if err := verb.run(ctx, o); err != nil {
		return p.fail(o.json, err)
	}
	return exitOK
}

func operatorVerbs(table []platform) map[string][]operatorVerb {
	return map[string][]operatorVerb{
		"provider": providerVerbs(),
		"bot":      botVerbs(),
		"guild":    guildVerbs(table),
		"usage":    {usageVerb()},
		"store":    {repairVerb()},
		"key":      {{name: "generate", does: "prints a new entry for MASTER_KEYS", run: generateKey}},
		"manifest": {manifestVerb(table)},
		"open":     {{does: "prints an address that opens the playground once, within 10 minutes", run: openPages}},
		"check":    {{does: "checks the settings without starting anything", run: checkSettings}},
		"health":   {{does: "succeeds if the server is alive", run: checkHealth}},
		"version":  {{does: "prints the version", run: printVersion}},
	}
}

// pickVerb finds the verb in rest; flags may come before it.
func pickVerb(noun string, verbs []operatorVerb, rest []string) (operatorVerb, []string, error) {
	if len(verbs) == 1 && verbs[0].name == "" {
		if len(rest) == 1 && rest[0] == "help" {
			rest = []string{"--help"}
		}
		return verbs[0], rest, nil
	}
	at := slices.IndexFunc(rest, func(a string) bool { return !strings.HasPrefix(a, "-") })
	if at < 0 {
		if slices.ContainsFunc(rest, isHelp) {
			return operatorVerb{}, nil, nil
		}
		return operatorVerb{}, nil, &operatorError{code: exitUsage, text: fmt.Sprintf("%s takes %s", noun, verbNames(verbs))}
	}
	if rest[at] == "help" {
		return operatorVerb{}, nil, nil
	}
	i := slices.IndexFunc(verbs, func(v operatorVerb) bool { return v.name == rest[at] })
	if i < 0 {
		return operatorVerb{}, nil, &operatorError{code: exitUsage, text: fmt.Sprintf("%s takes %s, not %q", noun, verbNames(verbs), rest[at])}
	}
	return verbs[i], slices.Concat(rest[:at], rest[at+1:]), nil
}

func verbNames(verbs []operatorVerb) string {
	names := make([]string, len(verbs))
	for i, v := range verbs {
		names[i] = v.name
	}
	return strings.Join(names, ", ")
}

func verbHelp(noun string, verbs []operatorVerb) string {
	var rows [][]string
	for _, v := range verbs {
		rows = append(rows, []string{strings.Join(strings.Fields("parley "+noun+" "+v.name+" "+v.takes), " "), v.does})
	}
	var b strings.Builder
	writeTable(&b, rows)
	b.WriteString("\nEvery verb takes --json. \"parley help\" says which server the verbs talk to.\n")
	return b.String()
}

// parse takes flags and arguments in any order.
func (o *operator) parse(noun string, verb operatorVerb, rest []string) error {
	usage := func(text string) error {
		line := strings.Join(strings.Fields("parley "+noun+" "+verb.name+" "+verb.takes), " ")
		return &operatorError{code: exitUsage, text: text + "; usage: " + line}
	}
	for len(rest) > 0 {
		if rest[0] == "--" {
			o.args = append(o.args, rest[1:]...)
			break
		}
		if rest[0] == "-" || !strings.HasPrefix(rest[0], "-") {
			o.args, rest = append(o.args, rest[0]), rest[1:]
			continue
		}
		if err := o.flags.Parse(rest); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return err
			}
			return usage(err.Error())
		}
		rest = o.flags.Args()
	}
	switch {
	case len(o.args) < verb.least:
		return usage("an argument is missing")
	case len(o.args) > verb.most:
		return usage(fmt.Sprintf("unexpected argument %q", o.args[verb.most]))
	}
	return nil
}

// operatorError is why a verb failed: one line, and more if there are several
// problems.
type operatorError struct {
	code   int
	text   string
	more   []string
	status int             // HTTP status, 0 if no server answered
	server json.RawMessage // the server's response, for --json
	// stranger is set if PARLEY_URL names no server and this directory's does not
	// answer, or its token is unknown.
	stranger bool
}

func (e *operatorError) Error() string {
	return strings.Join(append([]string{e.text}, e.more...), "\n")
}

// fail prints why a verb failed to stderr and returns the exit code.
func (p process) fail(asJSON bool, err error) int {
	e, ok := errors.AsType[*operatorError](err)
	if !ok {
		e = &operatorError{code: exitFailed, text: err.Error()}
	}
	if e.text == "" { // already printed
		return e.code
	}
	if asJSON {
		if e.server == nil {
			e.server, _ = json.Marshal(map[string]any{"detail": e.text, "errors": e.more})
		}
		_, _ = fmt.Fprintln(p.stderr, compact(e.server))
		return e.code
	}
	for line := range strings.SplitSeq(e.Error(), "\n") {
		_, _ = fmt.Fprintln(p.stderr, "parley: "+line)
	}
	return e.code
}

// show prints v as JSON with --json, else what human writes.
func (o *operator) show(v any, human func(w io.Writer)) error {
	if !o.json {
		human(o.stdout)
		return nil
	}
	return printJSON(o.stdout, v)
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// read reads a file, or standard input if name is empty or "-".
func (o *operator) read(name string) ([]byte, error) {
	if name != "" && name != "-" {
		f, err := os.Open(name) // may be a pipe: <(command)
		if err != nil {
			return nil, &operatorError{code: exitUsage, text: err.Error()}
		}
		defer f.Close()
		data, err := regular.Read(f, name, maxProvidersFile)
		if err != nil {
			return nil, &operatorError{code: exitUsage, text: err.Error()}
		}
		return data, nil
	}
	if f, ok := o.stdin.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			_, _ = fmt.Fprintln(o.stderr, "parley: reading standard input; end it with Ctrl-D")
		}
	}
	return regular.Read(o.stdin, "standard input", maxProvidersFile)
}

func generateKey(_ context.Context, o *operator) error {
	key := secret.GenerateKey("key-" + strings.ToLower(randomName()))
	return o.show(map[string]string{"key": key}, func(w io.Writer) { _, _ = fmt.Fprintln(w, key) })
}
