//go:build unix

// One process per DATA_DIR: a lock the kernel gives back when the process ends,
// however it ends.

package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("DATA_DIR: %w; make %s a folder this user may write to", err, dir)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	_ = f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("DATA_DIR: another parley is using %s; stop it, give this one another DATA_DIR, or set REDIS_URL to run several", dir)
	}
	return nil, fmt.Errorf("DATA_DIR: %s cannot be locked: %w; use a local disk", path, err)
}
