// The address of the server that runs in a folder.

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

// addressFile holds the address, and is locked for as long as the server runs:
// what a killed one left is not believed.
const addressFile = "address"

// maxAddress is the most bytes of it that are read.
const maxAddress = 1 << 10

// RunningError says that another server runs in the folder.
type RunningError struct {
	URL string // empty: it is starting
}

func (e *RunningError) Error() string {
	if e.URL == "" {
		return "another parley is starting in this folder"
	}
	return "another parley runs in this folder, at " + e.URL
}

// Claim is this server's hold on its folder. A nil Claim holds none, and does
// nothing.
type Claim struct{ f *os.File }

// claimTries and claimPause: a verb that looks into the folder holds a lock for
// a moment, too.
const (
	claimTries = 20
	claimPause = 20 * time.Millisecond
)

// NewClaim marks dir, which must exist, as this server's until Close or the end
// of the process. The error is a *RunningError where another server holds it.
func NewClaim(dir string) (*Claim, error) {
	f, _, err := open(dir, addressFile, os.O_RDWR|os.O_CREATE)
	if errors.Is(err, fs.ErrExist) { // made meanwhile by another
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

// Announce tells the verbs where this server answers.
func (c *Claim) Announce(url string) error {
	if c == nil {
		return nil
	}
	_, err := c.f.WriteAt([]byte(url+"\n"), 0)
	return err
}

// Close takes the address back.
func (c *Claim) Close() error {
	if c == nil {
		return nil
	}
	return errors.Join(c.f.Truncate(0), c.f.Close())
}

// Running is the address of the server that runs in dir, empty where none does.
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
