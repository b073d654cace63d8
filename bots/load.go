// Reading definitions from a directory.

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

	"parley/internal/chat"
)

//go:embed definitions/*.yaml
var definitions embed.FS

// maxFile is the most bytes a definition may have.
const maxFile = 1 << 20

// Builtin holds the built-in definitions.
func Builtin() fs.FS {
	sub, err := fs.Sub(definitions, "definitions")
	if err != nil {
		panic(err) // the directory is embedded above
	}
	return sub
}

// LoadDir loads the definitions in a directory on disk, BOTS_DIR.
func LoadDir(dir string, platforms []chat.Platform, getenv func(string) string) ([]Bot, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("BOTS_DIR: %w", err)
	}
	defer root.Close()
	loaded, err := Load(root.FS(), platforms, getenv)
	if errors.Is(err, ErrNone) {
		return nil, fmt.Errorf("BOTS_DIR %s: %w", dir, err)
	}
	return loaded, err
}

// ErrNone means that a directory has no definition.
var ErrNone = errors.New("no bot definition (*.yaml) in the folder")

// Load reads every *.yaml and *.yml at the top of fsys and returns the bots,
// sorted by id. Each of the platforms may have a section in them; getenv
// returns the values for ${NAME}. The error is ErrNone, an *InvalidError with
// all problems of all files, or a read error; none contains a secret.
func Load(fsys fs.FS, platforms []chat.Platform, getenv func(string) string) ([]Bot, error) {
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
		r := &reader{file: e.Name(), platforms: platforms, getenv: getenv}
		d := r.load(fsys)
		problems = append(problems, r.problems...)
		read = append(read, d)
	}
	if !found {
		return nil, ErrNone
	}
	problems = append(problems, together(read, platforms)...)
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

// isDefinition tells definitions from other files in the directory: hidden
// files (a mounted ConfigMap has some), subdirectories, notes.
func isDefinition(fsys fs.FS, e fs.DirEntry) bool {
	ext := strings.ToLower(path.Ext(e.Name()))
	if strings.HasPrefix(e.Name(), ".") || (ext != ".yaml" && ext != ".yml") || e.IsDir() {
		return false
	}
	info, err := fs.Stat(fsys, e.Name())
	return err != nil || !info.IsDir()
}

// load reads the file and reports its problems in r.problems.
func (r *reader) load(fsys fs.FS) definition {
	none := definition{Bot: Bot{File: r.file}}
	switch info, err := fs.Stat(fsys, r.file); {
	case err != nil: // reported below
	case !info.Mode().IsRegular():
		r.failAt(0, "is not a regular file")
		return none
	case info.Size() > maxFile:
		r.failAt(0, "the file has %d bytes; the most is %d", info.Size(), maxFile)
		return none
	}
	data, err := fs.ReadFile(fsys, r.file)
	if err != nil {
		r.failAt(0, "cannot be read: %v", err)
		return none
	}
	root := r.document(data)
	if root == nil {
		return none
	}
	d := r.bot(root)
	stem := strings.TrimSuffix(r.file, path.Ext(r.file))
	if idGrammar.MatchString(d.ID) && d.ID != stem {
		r.failAt(d.lines["id"], "id %q does not match the file name: rename the file to %s.yaml or the bot to %s", d.ID, d.ID, stem)
	}
	return d
}
