// Reading definitions from a folder, and the rules that concern several bots.

package bots

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"parley/internal/secret"
)

//go:embed definitions/*.yaml
var definitions embed.FS

// maxFile is the most one definition may measure, in bytes.
const maxFile = 1 << 20

// Builtin holds the definitions that are built into the binary.
func Builtin() fs.FS {
	sub, err := fs.Sub(definitions, "definitions")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return sub
}

// LoadDir loads the definitions of a folder on disk, BOTS_DIR.
func LoadDir(dir string, getenv func(string) string) ([]Bot, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("BOTS_DIR: %w", err)
	}
	defer root.Close()
	loaded, err := Load(root.FS(), getenv)
	if errors.Is(err, ErrNone) {
		return nil, fmt.Errorf("BOTS_DIR %s: %w", dir, err)
	}
	return loaded, err
}

// ErrNone says that a folder holds no definition.
var ErrNone = errors.New("no bot definition (*.yaml) in the folder")

// Load reads every *.yaml and *.yml at the top of fsys and returns the bots
// sorted by id. getenv gives the values of ${NAME}. The error is ErrNone, an
// *InvalidError with every problem of every file, or that of reading; none
// holds a secret.
func Load(fsys fs.FS, getenv func(string) string) ([]Bot, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("read bot definitions: %w", err)
	}
	var read []definition
	var problems []Problem
	found := false
	for _, e := range entries {
		if !isDefinition(fsys, e) {
			continue
		}
		found = true
		d, bad := loadFile(fsys, e.Name(), getenv)
		problems = append(problems, bad...)
		read = append(read, d)
	}
	if !found {
		return nil, ErrNone
	}
	problems = append(problems, together(read)...)
	if err := invalid(problems); err != nil {
		return nil, err
	}
	out := make([]Bot, len(read))
	for i, d := range read {
		out[i] = d.Bot
	}
	slices.SortFunc(out, func(a, b Bot) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// isDefinition tells definitions from what else lies in the folder: hidden
// files (a mounted ConfigMap has some), folders, notes.
func isDefinition(fsys fs.FS, e fs.DirEntry) bool {
	ext := strings.ToLower(path.Ext(e.Name()))
	if strings.HasPrefix(e.Name(), ".") || (ext != ".yaml" && ext != ".yml") || e.IsDir() {
		return false
	}
	info, err := fs.Stat(fsys, e.Name())
	return err != nil || !info.IsDir()
}

func loadFile(fsys fs.FS, name string, getenv func(string) string) (definition, []Problem) {
	r := &reader{file: name, getenv: getenv}
	switch info, err := fs.Stat(fsys, name); {
	case err != nil: // said below
	case !info.Mode().IsRegular():
		r.failAt(0, "is not a regular file")
		return definition{Bot: Bot{File: name}}, r.problems
	case info.Size() > maxFile:
		r.failAt(0, "the file has %d bytes; the most is %d", info.Size(), maxFile)
		return definition{Bot: Bot{File: name}}, r.problems
	}
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		r.failAt(0, "cannot be read: %v", err)
		return definition{Bot: Bot{File: name}}, r.problems
	}
	root := r.document(data)
	if root == nil {
		return definition{Bot: Bot{File: name}}, r.problems
	}
	d := r.bot(root)
	stem := strings.TrimSuffix(name, path.Ext(name))
	if idGrammar.MatchString(d.ID) && d.ID != stem {
		r.failAt(d.lines["id"], "id %q must be the file's name: rename the file to %s.yaml or the bot to %s", d.ID, d.ID, stem)
	}
	return d, r.problems
}

// together checks what concerns several bots: ids, and apps they share.
func together(all []definition) []Problem {
	var out []Problem
	report := func(d definition, line int, format string, args ...any) {
		out = append(out, Problem{File: d.File, Line: line, Text: fmt.Sprintf(format, args...)})
	}
	for i, b := range all {
		for _, a := range all[:i] {
			if b.ID != "" && a.ID == b.ID {
				report(b, b.lines["id"], "id %q is already used by %s", b.ID, a.File)
			}
			slack := sameApp(a.slackToken, b.slackToken)
			if a.Default && b.Default && (slack || sameApp(a.discordText, b.discordText)) {
				report(b, b.lines["default"], "default: true is also set in %s, and both share one app: only one bot can answer first", a.File)
			}
			if !slack {
				continue
			}
			line := b.slackLines["bot_token"]
			if a.Slack.AppToken != b.Slack.AppToken {
				report(b, line, "slack.bot_token is the one of %s, but slack.app_token is not: bots of one app name the same tokens", a.File)
			}
			if a.Slack.SigningSecret != b.Slack.SigningSecret {
				report(b, line, "slack.bot_token is the one of %s, but slack.signing_secret is not: bots of one app name the same tokens", a.File)
			}
			if a.Slack.CommandPrefix != b.Slack.CommandPrefix {
				report(b, cmp.Or(b.slackLines["command_prefix"], line), "slack.command_prefix differs from the one in %s, and both share one app", a.File)
			}
		}
	}
	return out
}

// sameApp compares what was written too, so that a clash shows before the
// variables are set.
func sameApp(a, b raw) bool {
	if a.value == "" && b.value == "" {
		return a.source != "" && a.source == b.source
	}
	return a.value == b.value
}

// Apps groups the bots of a platform by the app whose tokens they name. In each
// group the bot that answers first comes first: the one with Default, else the
// first by id. On a platform that takes no tokens, the playground, all bots are
// of one app.
func Apps(platform string, all []Bot) [][]Bot {
	var out [][]Bot
	at := map[secret.Text]int{}
	for _, b := range all {
		token, needed := b.token(platform)
		if needed && token.IsZero() {
			continue
		}
		i, ok := at[token]
		if !ok {
			i = len(out)
			at[token] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], b)
	}
	for _, group := range out {
		slices.SortFunc(group, leadFirst)
	}
	return out
}

// token is what names b's app on a platform, and whether one is needed there.
// Some people copy the word along that Discord's is sent with.
func (b *Bot) token(platform string) (token secret.Text, needed bool) {
	switch platform {
	case "slack":
		return b.Slack.BotToken, true
	case "discord":
		return secret.New(strings.TrimPrefix(b.Discord.Token.Reveal(), "Bot ")), true
	}
	return secret.Text{}, false
}

// OwnDirect reports whether every bot has direct messages of its own on a
// platform. Where bots live in apps, those of one app share them.
func OwnDirect(platform string) bool {
	_, needed := new(Bot).token(platform)
	return !needed
}

func leadFirst(a, b Bot) int {
	if a.Default != b.Default {
		if a.Default {
			return -1
		}
		return 1
	}
	return cmp.Compare(a.ID, b.ID)
}
