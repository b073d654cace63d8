// Reading one file as far as it is whole, damaged or not.

package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"parley/internal/chat"
)

// salvaged is what is whole of one file.
type salvaged struct {
	finding  Finding
	payloads [][]byte
	ended    bool // a snapshot with its last record
}

// complete reports whether nothing of the file's content is lost.
func (s *salvaged) complete() bool { return s.finding.Lost == 0 && s.ended }

// salvage reads a file and reports on it. A journal that is the last may end in a write
// that a crash cut off.
func (m *mender) salvage(name string, last bool) (*salvaged, error) {
	data, err := os.ReadFile(filepath.Join(m.e.dir, name))
	if err != nil {
		return nil, fmt.Errorf("DATA_DIR: %w", err)
	}
	s := &salvaged{finding: Finding{File: name, Bytes: len(data)}}
	salt, mended, err := mendHeader(data)
	if errors.Is(err, errNewerFile) {
		return nil, fmt.Errorf("DATA_DIR: %s: %w", filepath.Join(m.e.dir, name), err)
	}
	if err != nil {
		s.finding.Lost, s.finding.Damaged, s.finding.Note = len(data), true, "its beginning is destroyed, and without it nothing can be read"
		if len(data) == 0 {
			s.finding.Note = "empty"
		}
	} else {
		s.frames(data[headerSize:], salt)
		s.judge(data, mended, last)
	}
	if s.finding.Damaged {
		m.damaged = append(m.damaged, name)
	}
	m.note(s.finding)
	return s, nil
}

// frames collects the frames that are whole.
func (s *salvaged) frames(data, salt []byte) {
	for at := 0; at < len(data); {
		if payload, size, ok := openFrame(data[at:], salt); ok {
			s.payloads = append(s.payloads, payload)
			at += size
			continue
		}
		skip := bytes.Index(data[at+1:], []byte(frameMagic))
		if skip < 0 {
			skip = len(data) - at - 1
		}
		s.finding.Lost += skip + 1
		at += skip + 1
	}
	s.finding.Writes = len(s.payloads)
	for _, payload := range s.payloads {
		_ = readRecords(payload, func([]string) {}, func(int64) {}, func() { s.ended = true })
	}
}

// judge says what is wrong, if anything is: what the start would say, and why.
func (s *salvaged) judge(data []byte, mended, last bool) {
	f := &s.finding
	_, err := readFrames(data, func([]byte) error { return nil })
	snapshot := f.File[0] == 's'
	switch {
	case mended:
		f.Damaged, f.Note = true, "one bit of its beginning was wrong and is put right"
	case err != nil:
		f.Damaged, f.Note = true, err.Error()
	case f.Lost > 0 && last:
		f.Note = "it ends in a write that a crash cut off, which was never confirmed"
	case f.Lost > 0 || snapshot && !s.ended:
		f.Damaged, f.Note = true, "its end is missing"
	}
	if f.Damaged && f.Lost > 0 {
		f.Note += "; " + chat.Count(f.Lost, "byte") + " cannot be read"
	}
}

// mendHeader returns the salt of a file whose header may have one wrong bit.
func mendHeader(data []byte) (salt []byte, mended bool, err error) {
	salt, sure, err := openHeader(data)
	if errors.Is(err, errNewerFile) || err == nil && (sure || len(data) == headerSize || anyFrame(data[headerSize:], salt)) {
		return salt, false, err
	}
	for bit := range 8 * min(len(data), headerSize) {
		header := slices.Clone(data[:min(len(data), headerSize)])
		header[bit/8] ^= 1 << (bit % 8)
		salt, sure, wrong := openHeader(header)
		if wrong != nil {
			continue
		}
		if _, _, ok := openFrame(data[headerSize:], salt); ok || sure {
			return salt, true, nil
		}
	}
	return salt, false, err
}
