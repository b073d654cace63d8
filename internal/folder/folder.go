// Package folder manages the files in DATA_DIR that a running server leaves
// for the operator verbs on the same machine: its generated admin token and
// its address.
package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// errOdd means that a name is not the plain file it should be.
var errOdd = errors.New("it is not a plain file")

// open opens a file in dir. It does not follow links or block on pipes: it
// opens only regular files in dir itself.
func open(dir, name string, flag int) (*os.File, fs.FileInfo, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	before, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && flag&os.O_CREATE != 0:
		flag |= os.O_EXCL // do not open what another process creates meanwhile
	case err != nil:
		return nil, nil, err
	case !before.Mode().IsRegular():
		return nil, nil, errOdd
	default:
		flag &^= os.O_CREATE
	}
	f, err := root.OpenFile(name, flag|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || before != nil && !os.SameFile(before, info)) {
		err = errOdd
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// create creates the directory if it is missing. It will hold secrets.
func create(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("DATA_DIR: %w; make %s a directory that this user can write to", err, dir)
	}
	return nil
}
