// The key ring that seals what is stored: from MASTER_KEYS, or made on first
// use for the embedded store.

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"parley/internal/regular"
	"parley/internal/secret"
)

// keyFile is the generated key of the embedded store, inside DATA_DIR.
const keyFile = "master.key"

// maxKey is the most bytes that file may have.
const maxKey = 64 << 10

// Ring reads masterKeys (MASTER_KEYS). With the embedded store it may be empty:
// a key is then generated once and kept in dataDir, readable by the owner
// only. Keys given later are added in front of that one, so that what it
// sealed can still be opened. With a Redis of the operator's MASTER_KEYS is
// required, and the error prints a fresh line to paste.
func Ring(dataDir, masterKeys string, embedded bool) (*secret.Ring, error) {
	masterKeys = strings.TrimSpace(masterKeys)
	if masterKeys != "" {
		ring, err := secret.ParseRing(masterKeys)
		if err != nil {
			return nil, fmt.Errorf("MASTER_KEYS: %w; it is name:base64(32 bytes)[,older…], for example\nMASTER_KEYS=%s", err, secret.GenerateKey("k1"))
		}
		if !embedded {
			return ring, nil
		}
		kept, err := regular.ReadFile(filepath.Join(dataDir, keyFile), maxKey)
		if err != nil {
			return ring, nil
		}
		if both, err := secret.ParseRing(masterKeys + "," + strings.TrimSpace(string(kept))); err == nil {
			return both, nil
		}
		return ring, nil
	}
	if !embedded {
		return nil, fmt.Errorf("MASTER_KEYS is required with REDIS_URL: it seals API keys and messages in Redis. Every replica needs the same line, and it must be kept as long as the data. A fresh one:\nMASTER_KEYS=%s", secret.GenerateKey("k1"))
	}
	return generatedRing(dataDir)
}

func generatedRing(dataDir string) (*secret.Ring, error) {
	path := filepath.Join(dataDir, keyFile)
	line, err := regular.ReadFile(path, maxKey)
	if errors.Is(err, fs.ErrNotExist) {
		line, err = generateKey(dataDir, path)
	}
	if err != nil {
		return nil, fmt.Errorf("DATA_DIR: the key %s cannot be read or made: %w; make %s a folder this user may write to, or set MASTER_KEYS", path, err, dataDir)
	}
	ring, err := secret.ParseRing(strings.TrimSpace(string(line)))
	if err != nil {
		return nil, fmt.Errorf("DATA_DIR: %s is damaged: %w; restore it from a backup: without it what is stored cannot be opened", path, err)
	}
	return ring, nil
}

// generateKey writes a fresh key in full before it gets its name, so that a
// crash leaves either no key or a whole one; of two processes the first wins.
func generateKey(dataDir, path string) ([]byte, error) {
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return nil, err
	}
	tmp, err := os.CreateTemp(dataDir, keyFile+".*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(secret.GenerateKey("generated") + "\n")
	if err == nil {
		err = tmp.Sync()
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := syncDir(dataDir); err != nil {
		return nil, err
	}
	return regular.ReadFile(path, maxKey)
}
