// Package regular reads files that somebody named in a setting or a record: they
// may turn out to be a pipe, a device or endless, and must not hold anybody up.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// ErrNotRegular says that a name is not that of a regular file, or of a link to
// one.
var ErrNotRegular = errors.New("not a regular file")

// LargeError says that a file has more bytes than it may.
type LargeError struct{ Most int64 }

func (e *LargeError) Error() string {
	if e.Most >= 1<<20 && e.Most%(1<<20) == 0 {
		return fmt.Sprintf("larger than %d MiB", e.Most>>20)
	}
	return fmt.Sprintf("larger than %d KiB", e.Most>>10)
}

// Open opens a regular file for reading; links to one are followed. A pipe
// without a writer does not block it, and a device is not opened. What was
// checked is the opened file, whatever becomes of the name meanwhile. A
// filesystem that hangs still blocks: call it where waiting does no harm.
func Open(name string) (*os.File, fs.FileInfo, error) {
	info, err := os.Stat(name) // opening a device may already do something
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}
	}
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err = f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// ReadFile is os.ReadFile for regular files of at most most bytes. The error is
// a *fs.PathError that wraps ErrNotRegular, a *LargeError or the system's own.
func ReadFile(name string, most int64) ([]byte, error) {
	f, info, err := Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size() > most {
		return nil, &fs.PathError{Op: "read", Path: name, Err: &LargeError{most}}
	}
	return Read(f, name, most)
}

// Read reads what is left of r, which name stands for, as ReadFile does.
func Read(r io.Reader, name string, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(data)) > most {
		err = &fs.PathError{Op: "read", Path: name, Err: &LargeError{most}}
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}
