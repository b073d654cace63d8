// The address of the server that runs in a directory.

package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// addressFile holds the address. It is locked while the server runs, so that
// the address of a killed server is not used.
const addressFile = "address"

// maxAddress is the most bytes to read of it.
const maxAddress = 1 << 10

// RunningError means that another server runs in the directory.
type RunningError struct {
	URL string // empty while it starts
}

func (e *RunningError) Error() string {
	if e.URL == "" {
		return "another parley is starting in this directory"
	}
	return "another parley runs in this directory, at " + e.URL
}

// Claim is a server's claim on its directory. A nil Claim claims nothing, and
// its methods do nothing.
type Claim struct{ f *os.File }

// NewClaim retries, because a verb that looks into the directory also holds
// the lock briefly.
const (
	claimTries = 20
	claimPause = 20 * time.Millisecond
)

// NewClaim claims dir, which must exist, until Close or the end of the
// process. The error is a *RunningError if another server has claimed it.
func NewClaim(dir string) (*Claim, error) {
	f, _, err := open(dir, addressFile, os.O_RDWR|os.O_CREATE)
	if errors.Is(err, fs.ErrExist) { // created by another process meanwhile
		f, _, err = open(dir, addressFile, os.O_RDWR)
	}
	if err != nil {
		return nil, fmt.Errorf("DATA_DIR: %s/%s cannot be used: %w", dir, addressFile, err)
	}
	for try := 1; ; try++ {
		ours, err := lock(f, false)
		if ours {
			err = f.Truncate(0)
		}
		if ours && err == nil {
			return &Claim{f: f}, nil
		}
		if err == nil && try < claimTries {
			time.Sleep(claimPause)
			continue
		}
		if err == nil {
			err = &RunningError{URL: read(f)}
		}
		_ = f.Close()
		return nil, err
	}
}

// Announce writes this server's address for the operator verbs.
func (c *Claim) Announce(url string) error {
	if c == nil {
		return nil
	}
	_, err := c.f.WriteAt([]byte(url+"\n"), 0)
	return err
}

// Close removes the address and releases the claim.
func (c *Claim) Close() error {
	if c == nil {
		return nil
	}
	return errors.Join(c.f.Truncate(0), c.f.Close())
}

// Running is the address of the server that runs in dir, empty if none does.
func Running(dir string) string {
	f, _, err := open(dir, addressFile, os.O_RDONLY)
	if err != nil {
		return ""
	}
	defer f.Close()
	if free, err := lock(f, true); free || err != nil {
		return ""
	}
	return read(f)
}

func read(f *os.File) string {
	data, err := io.ReadAll(io.NewSectionReader(f, 0, maxAddress))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
