// Package folder is what a running server leaves in DATA_DIR for the operator
// verbs on the same machine: the admin token it made, and its address.
package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// errOdd says that a name in the folder is not the plain file it should be.
var errOdd = errors.New("it is not a plain file")

// open opens a file of the folder. It follows no link and waits for no pipe:
// what is opened is a regular file that lies in the folder itself.
func open(dir, name string, flag int) (*os.File, fs.FileInfo, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	before, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && flag&os.O_CREATE != 0:
		flag |= os.O_EXCL // what appears meanwhile is not ours
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

// create makes the folder, which holds secrets, where it is missing.
func create(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("DATA_DIR: %w; make %s a folder this user may write to", err, dir)
	}
	return nil
}
