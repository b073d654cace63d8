//go:build !unix

// Where there is no flock, a file held open is all that marks the folder.

package store

import (
	"fmt"
	"os"
	"path/filepath"
)

func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("DATA_DIR: %w; make %s a folder this user may write to", err, dir)
	}
	return f, nil
}
