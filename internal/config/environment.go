// Where values come from: the process environment, and the .env file.

package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"

	"github.com/joho/godotenv"

	"parley/internal/regular"
)

// maxDotenv is the most bytes a .env file may have.
const maxDotenv = 1 << 20

// Environment is a snapshot of the variables.
type Environment struct {
	values map[string]string
	file   map[string]string // those from .env
}

// ReadEnvironment takes environ in the form of os.Environ and adds variables
// from the file dotenv, which need not exist. An empty variable in environ
// counts as set: it hides the file's value.
func ReadEnvironment(environ []string, dotenv string) (Environment, error) {
	e := Environment{values: map[string]string{}, file: map[string]string{}}
	var problem error
	if data, err := regular.ReadFile(dotenv, maxDotenv); err == nil {
		values, err := parseDotenv(string(data))
		if err != nil {
			problem = &InvalidError{Problems: []Problem{{Variable: dotenv, Text: err.Error()}}}
		}
		e.values, e.file = values, maps.Clone(values)
	} else if !errors.Is(err, fs.ErrNotExist) {
		problem = &InvalidError{Problems: []Problem{{Variable: dotenv, Text: fmt.Sprintf("exists but cannot be read: %v", err)}}}
	}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok && name != "" {
			e.values[name] = value
			delete(e.file, name)
		}
	}
	return e, problem
}

// Get returns a variable's value, empty if it is not set.
func (e Environment) Get(name string) string { return e.values[name] }

// FromFile reports whether a variable's value comes from .env.
func (e Environment) FromFile(name string) bool {
	_, ok := e.file[name]
	return ok
}

// parseDotenv never returns the library's own error: it quotes the file, which
// contains secrets.
func parseDotenv(text string) (map[string]string, error) {
	values, err := godotenv.Unmarshal(text)
	if err == nil {
		return values, nil
	}
	// The error is on the line after the longest prefix of lines that parses.
	lines, good := strings.SplitAfter(text, "\n"), 0
	for i := range lines {
		if _, err := godotenv.Unmarshal(strings.Join(lines[:i+1], "")); err == nil {
			good = i + 1
		}
	}
	return map[string]string{}, fmt.Errorf("line %d is not NAME=value, or a quote on it is not closed", good+1)
}
