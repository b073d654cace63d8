// The generated admin token.

package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"parley/internal/secret"
)

// tokenFile is the token's file in DATA_DIR.
const tokenFile = "admin-token"

// maxToken is the most bytes to read of it.
const maxToken = 4 << 10

// TokenPath is the path of the token in dir.
func TokenPath(dir string) string { return filepath.Join(dir, tokenFile) }

// Token reads the token in dir. Only the file's owner can read it; the error
// wraps fs.ErrNotExist if there is none.
func Token(dir string) (secret.Text, error) {
	f, _, err := open(dir, tokenFile, os.O_RDONLY)
	if err != nil {
		return secret.Text{}, tokenError(dir, err)
	}
	defer f.Close()
	return readToken(dir, f)
}

// KeepToken reads the token in dir, and generates one on first use. It makes
// the file private if others could read it, and reports that as tightened.
func KeepToken(dir string) (token secret.Text, tightened bool, err error) {
	if err := create(dir); err != nil {
		return secret.Text{}, false, err
	}
	f, info, err := open(dir, tokenFile, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		if err = generate(dir); err == nil {
			f, info, err = open(dir, tokenFile, os.O_RDONLY)
		}
	}
	if err != nil {
		return secret.Text{}, false, tokenError(dir, err)
	}
	defer f.Close()
	if info.Mode().Perm()&0o077 != 0 {
		if err := f.Chmod(0o600); err != nil {
			return secret.Text{}, false, tokenError(dir, fmt.Errorf("others can read it: %w", err))
		}
		tightened = true
	}
	token, err = readToken(dir, f)
	return token, tightened, err
}

// generate writes a new token completely before it gives it its name, so that
// a crash leaves either none or a whole one. Of two processes, the first wins.
func generate(dir string) error {
	f, err := os.CreateTemp(dir, tokenFile+".*") // mode 0600, never an existing file
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(secret.GenerateToken() + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	// A link never replaces a file.
	if err := os.Link(f.Name(), TokenPath(dir)); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func readToken(dir string, f io.Reader) (secret.Text, error) {
	data, err := io.ReadAll(io.LimitReader(f, maxToken))
	if err != nil {
		return secret.Text{}, tokenError(dir, err)
	}
	token := strings.TrimSpace(string(data))
	if len(token) < secret.MinToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return secret.Text{}, fmt.Errorf("DATA_DIR: %s has no token of at least %d characters; remove it, and the next start generates one", TokenPath(dir), secret.MinToken)
	}
	return secret.New(token), nil
}

func tokenError(dir string, err error) error {
	return fmt.Errorf("DATA_DIR: %s cannot be used: %w; remove it, make it readable for this user only, or set ADMIN_TOKEN", TokenPath(dir), err)
}
