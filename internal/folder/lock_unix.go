//go:build unix

package folder

import (
	"errors"
	"os"
	"syscall"
)

// lock takes a lock on f that the kernel releases when the process ends,
// however it ends. It returns false if another process holds it.
func lock(f *os.File, shared bool) (bool, error) {
	how := syscall.LOCK_EX
	if shared {
		how = syscall.LOCK_SH
	}
	err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
