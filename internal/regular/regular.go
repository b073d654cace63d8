// Package regular reads files that a setting or a record names. They may turn
// out to be a pipe, a device or endless, and must not block the caller.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// ErrNotRegular means that a name is neither a regular file nor a link to one.
var ErrNotRegular = errors.New("not a regular file")

// LargeError means that a file is larger than allowed.
type LargeError struct{ Most int64 }

func (e *LargeError) Error() string {
	if e.Most >= 1<<20 && e.Most%(1<<20) == 0 {
		return fmt.Sprintf("larger than %d MiB", e.Most>>20)
	}
	return fmt.Sprintf("larger than %d KiB", e.Most>>10)
}

// Open opens a regular file for reading and follows links to one. It does not
// block on a pipe without a writer, and does not open a device. It checks the
// opened file, so replacing the name meanwhile has no effect. A filesystem
// that hangs still blocks: call it where waiting is harmless.
func Open(name string) (*os.File, fs.FileInfo, error) {
	info, err := os.Stat(name) // opening a device may have effects
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

// ReadFile is os.ReadFile for regular files of at most most bytes. The error
// is a *fs.PathError that wraps ErrNotRegular or a *LargeError, or is the
// system's own.
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

// Read reads the rest of r, like ReadFile. Errors contain name.
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
