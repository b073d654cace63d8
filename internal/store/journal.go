// The journal's files: appending by group commit, starting a new file.

package store

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// batch is one group commit: everything appended while the one before it was
// on its way to the disk.
type batch struct {
	buf  []byte // frameHeader bytes of room, then records
	done chan struct{}
	err  error // set before done is closed
}

// journal appends records to one file. The caller serialises append; commits
// run in a goroutine of the journal's own.
type journal struct {
	mu      sync.Mutex
	wake    *sync.Cond
	file    *os.File
	salt    []byte
	open    *batch // being filled; nil when nothing waits
	writing *batch // on its way to the disk
	closed  bool
	failed  error // the first write that went wrong; nothing is taken after it
	size    int64
	stopped chan struct{}
}

var errJournalClosed = errors.New("the store is closed")

// createJournal makes a new empty file that is on the disk, name included,
// when it returns. It gets its name once its header is on the disk: a journal that
// is shorter was damaged.
func createJournal(path string) (*journal, error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil, cmp.Or(err, fmt.Errorf("%s: %w", path, fs.ErrExist))
	}
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	header, salt := newFileHeader()
	_, err = f.Write(header)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(tmp)
		return nil, err
	}
	j := &journal{file: f, salt: salt, size: int64(len(header)), stopped: make(chan struct{})}
	j.wake = sync.NewCond(&j.mu)
	go j.commit()
	return j, nil
}

// openJournal continues a journal that the start has read to its end; a write that a
// crash cut off is removed.
func openJournal(path string) (*journal, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	good, err := readFrames(data, func([]byte) error { return nil })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	if good < len(data) {
		if err := errors.Join(f.Truncate(int64(good)), f.Sync()); err != nil {
			_ = f.Close()
			return nil, err
		}
	}
	j := &journal{file: f, salt: data[len(fileMagic):headerSize], size: int64(good), stopped: make(chan struct{})}
	j.wake = sync.NewCond(&j.mu)
	go j.commit()
	return j, nil
}

// append adds records to the batch being filled and returns it; the records
// are on the disk once batch.done is closed and batch.err is nil.
func (j *journal) append(records []byte) (*batch, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failed != nil {
		return nil, j.failed
	}
	if j.closed {
		return nil, errJournalClosed
	}
	if j.open == nil {
		j.open = &batch{buf: make([]byte, frameHeader, frameHeader+len(records)+512), done: make(chan struct{})}
		j.wake.Signal()
	}
	j.open.buf = append(j.open.buf, records...)
	return j.open, nil
}

// commit writes batch after batch until the journal is closed.
func (j *journal) commit() {
	defer close(j.stopped)
	for {
		j.mu.Lock()
		for j.open == nil && !j.closed {
			j.wake.Wait()
		}
		b := j.open
		if b == nil {
			j.mu.Unlock()
			return
		}
		j.open, j.writing = nil, b
		err := j.failed
		j.mu.Unlock()

		if err == nil {
			sealFrame(b.buf, j.salt)
			_, err = j.file.Write(b.buf)
			if err == nil {
				err = j.file.Sync()
			}
		}
		j.mu.Lock()
		if err != nil && j.failed == nil {
			j.failed = err
		}
		j.size += int64(len(b.buf))
		j.writing = nil
		j.mu.Unlock()
		b.err = err
		close(b.done)
	}
}

// pending is the batch that everything appended so far is waiting for, if any.
func (j *journal) pending() *batch {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.open != nil {
		return j.open
	}
	return j.writing
}

// err is what stopped the journal, if anything did.
func (j *journal) err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failed
}

// bytes is the size of the file so far.
func (j *journal) bytes() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.size
}

// close commits what waits and closes the file.
func (j *journal) close() error {
	j.mu.Lock()
	j.closed = true
	j.wake.Signal()
	j.mu.Unlock()
	<-j.stopped
	err := j.file.Close()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failed == nil {
		j.failed = err // what goes on using it must learn that it takes nothing more
	}
	return j.failed
}

// syncDir makes names created, renamed or removed in dir last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// writeWhole writes a file under a temporary name and gives it its own name
// once all of it is on the disk.
func writeWhole(path string, chunks [][]byte) (err error) {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp)
		}
	}()
	for _, c := range chunks {
		if _, err = f.Write(c); err != nil {
			_ = f.Close()
			return err
		}
	}
	if err = f.Sync(); err != nil {
		_ = f.Close()
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(tmp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func journalName(n int) string  { return fmt.Sprintf("journal-%08d", n) }
func snapshotName(n int) string { return fmt.Sprintf("snapshot-%08d", n) }
