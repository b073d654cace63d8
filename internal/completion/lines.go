// Lines of a response body, however its bytes are cut.

package completion

import (
	"bytes"
	"errors"
	"io"
)

// MaxLine is the most bytes one line of a stream may have.
const MaxLine = 4 << 20

const (
	firstBuffer = 2 << 10  // an idle stream holds no more than this
	keepBuffer  = 64 << 10 // larger buffers are given back after the line that needed them
)

// errLineTooLong says that a line exceeds MaxLine.
var errLineTooLong = errors.New("a line of more than 4 MiB")

// lines cuts a stream at LF, CR LF or CR. A last line without an end is a line.
type lines struct {
	r       io.Reader
	buf     []byte
	start   int // of the next line in buf
	scanned int // buf[start:scanned] holds no line end
	end     int // of what was read
	skipLF  bool
	first   bool
	err     error
}

func newLines(r io.Reader) *lines {
	return &lines{r: r, buf: make([]byte, firstBuffer), first: true}
}

// next returns the next line without its end. It is valid until the next call.
// After the last line the error is the reader's: io.EOF for a clean end.
func (l *lines) next() ([]byte, error) {
	for {
		if l.skipLF && l.start < l.end {
			l.skipLF = false
			if l.buf[l.start] == '\n' {
				l.start++
			}
			l.scanned = max(l.scanned, l.start)
		}
		if i := l.lineEnd(); i >= 0 {
			line := l.buf[l.start:i]
			l.skipLF = l.buf[i] == '\r'
			l.start, l.scanned = i+1, i+1
			return l.checked(line)
		}
		if l.err != nil {
			if l.start < l.end {
				line := l.buf[l.start:l.end]
				l.start = l.end
				return l.checked(line)
			}
			return nil, l.err
		}
		if l.end-l.start > MaxLine {
			l.err = errLineTooLong
			l.start = l.end
			return nil, l.err
		}
		l.fill()
	}
}

func (l *lines) checked(line []byte) ([]byte, error) {
	if len(line) > MaxLine {
		l.err = errLineTooLong
		l.start = l.end
		return nil, l.err
	}
	if l.first {
		l.first = false
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	return line, nil
}

// lineEnd finds the end of the line that begins at start, or returns -1.
func (l *lines) lineEnd() int {
	rest := l.buf[l.scanned:l.end]
	i := bytes.IndexByte(rest, '\n')
	if i >= 0 {
		rest = rest[:i]
	}
	if cr := bytes.IndexByte(rest, '\r'); cr >= 0 {
		return l.scanned + cr
	}
	if i >= 0 {
		return l.scanned + i
	}
	l.scanned = l.end
	return -1
}

// fill reads more, making room first.
func (l *lines) fill() {
	switch {
	case l.start == l.end:
		l.start, l.end, l.scanned = 0, 0, 0
		if len(l.buf) > keepBuffer {
			l.buf = make([]byte, firstBuffer)
		}
	case l.start > 0 && l.end == len(l.buf):
		l.end = copy(l.buf, l.buf[l.start:l.end])
		l.scanned -= l.start
		l.start = 0
	}
	if l.end == len(l.buf) {
		bigger := make([]byte, 2*len(l.buf))
		copy(bigger, l.buf[:l.end])
		l.buf = bigger
	}
	n, err := l.r.Read(l.buf[l.end:])
	l.end += n
	if err != nil {
		l.err = err
	}
}
