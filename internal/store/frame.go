// The journal's bytes on the disk.
//
//	file   = "PARLEYJ1" salt[16] frame…
//	frame  = "\xf5PJ\n" length[4] crc32c[4] payload[length]
//	record = 'c' count (length bytes)…   one write command with its arguments
//	       | 't' unix-milliseconds       the store's clock from here on
//	       | 'e'                         the snapshot is complete
//
// One frame is one group commit, written and fsynced before the next begins.
// So a crash can only spoil the last frame of a file, and a bad frame with a
// good one after it is damage that no crash explains. The checksum covers the
// file's random salt: bytes of an older file in a recycled block, or a frame
// inside someone's data, are never taken for a frame of this file. Without the salt
// no frame can be read, so its last four bytes are a checksum of what is before them.
// Earlier releases wrote sixteen random bytes, and read these as such.

package store

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

const (
	fileMagic   = "PARLEYJ1"
	frameMagic  = "\xf5PJ\n"
	saltSize    = 16
	headerSize  = len(fileMagic) + saltSize
	summed      = headerSize - 4 // bytes of a header that its checksum covers
	frameHeader = len(frameMagic) + 8
)

const (
	recordCommand = 'c'
	recordClock   = 't'
	recordEnd     = 'e'
)

func newFileHeader() (header, salt []byte) {
	header = make([]byte, headerSize)
	copy(header, fileMagic)
	_, _ = rand.Read(header[len(fileMagic):summed]) // never fails since Go 1.24
	binary.LittleEndian.PutUint32(header[summed:], headerSum(header))
	return header, header[len(fileMagic):]
}

func headerSum(header []byte) uint32 {
	return crc32.Checksum(header[:summed], crc32.MakeTable(crc32.Castagnoli))
}

// openHeader returns the salt of a file. It is sure of it where the header's checksum
// is right; else the header is damaged, or an earlier release wrote it.
func openHeader(data []byte) (salt []byte, sure bool, err error) {
	if len(data) < headerSize {
		return nil, false, damage{0}
	}
	if string(data[:len(fileMagic)]) == fileMagic {
		return data[len(fileMagic):headerSize], binary.LittleEndian.Uint32(data[summed:]) == headerSum(data), nil
	}
	if newer(data) {
		return nil, false, errNewerFile
	}
	return nil, false, damage{0}
}

// newer reports whether a header's number is above this format's, and not because of
// a bit that flipped in this one's.
func newer(data []byte) bool {
	digit := len(fileMagic) - 1
	if string(data[:digit]) != fileMagic[:digit] || data[digit] <= fileMagic[digit] || data[digit] > '9' {
		return false
	}
	own := append([]byte(fileMagic), data[len(fileMagic):headerSize]...)
	return binary.LittleEndian.Uint32(data[summed:]) != headerSum(own)
}

func frameSum(salt, length, payload []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, salt)
	sum = crc32.Update(sum, table, length)
	return crc32.Update(sum, table, payload)
}

// sealFrame fills in the header of a frame whose payload starts at
// buf[frameHeader:].
func sealFrame(buf, salt []byte) {
	copy(buf, frameMagic)
	length := buf[len(frameMagic) : len(frameMagic)+4]
	binary.LittleEndian.PutUint32(length, uint32(len(buf)-frameHeader))
	binary.LittleEndian.PutUint32(buf[len(frameMagic)+4:], frameSum(salt, length, buf[frameHeader:]))
}

// openFrame returns the payload of the frame at the start of data and the
// frame's whole size, or ok == false.
func openFrame(data, salt []byte) (payload []byte, size int, ok bool) {
	if len(data) < frameHeader || string(data[:len(frameMagic)]) != frameMagic {
		return nil, 0, false
	}
	length := data[len(frameMagic) : len(frameMagic)+4]
	n := int64(binary.LittleEndian.Uint32(length))
	if n > int64(len(data)-frameHeader) {
		return nil, 0, false
	}
	payload = data[frameHeader : frameHeader+int(n)]
	if binary.LittleEndian.Uint32(data[len(frameMagic)+4:]) != frameSum(salt, length, payload) {
		return nil, 0, false
	}
	return payload, frameHeader + int(n), true
}

// damage says that a file is bad in a way no crash explains.
type damage struct{ offset int }

func (d damage) Error() string { return fmt.Sprintf("damaged at byte %d", d.offset) }

// errNewerFile says that a later version of the format wrote a file.
var errNewerFile = errors.New("it was written by a newer parley, in a format this one does not know: start that one again")

// readFrames calls each with every payload of a file in order. It returns how
// many bytes are good; fewer than len(data) means a torn tail. A bad frame that no
// crash explains gives a damage error, as does a file without a whole header: a
// file gets its name once that is on the disk.
func readFrames(data []byte, each func(payload []byte) error) (good int, err error) {
	salt, sure, err := openHeader(data)
	if err != nil {
		return 0, err
	}
	for good = headerSize; good < len(data); {
		payload, size, ok := openFrame(data[good:], salt)
		if !ok {
			unread := good == headerSize && !sure // the salt may be wrong, and then no frame is read
			if unread || !torn(data[good:]) || anyFrame(data[good+1:], salt) {
				return good, damage{good}
			}
			return good, nil
		}
		if err := each(payload); err != nil {
			return good, err
		}
		good += size
	}
	return good, nil
}

// torn reports whether rest, which does not begin with a good frame, may be one write
// that a crash cut off: not longer than that one said it would be.
func torn(rest []byte) bool {
	if len(rest) < frameHeader {
		return true
	}
	length := binary.LittleEndian.Uint32(rest[len(frameMagic):])
	return string(rest[:len(frameMagic)]) == frameMagic && int64(len(rest)) <= int64(frameHeader)+int64(length)
}

func anyFrame(data, salt []byte) bool {
	for {
		i := bytes.Index(data, []byte(frameMagic))
		if i < 0 {
			return false
		}
		if _, _, ok := openFrame(data[i:], salt); ok {
			return true
		}
		data = data[i+1:]
	}
}

func appendCommand(buf []byte, args []string) []byte {
	buf = append(buf, recordCommand)
	buf = binary.AppendUvarint(buf, uint64(len(args)))
	for _, a := range args {
		buf = binary.AppendUvarint(buf, uint64(len(a)))
		buf = append(buf, a...)
	}
	return buf
}

func appendClock(buf []byte, ms int64) []byte {
	return binary.AppendUvarint(append(buf, recordClock), uint64(ms))
}

var errRecord = errors.New("a record cannot be read")

// readRecords calls command, clock and end for what a payload holds, in order.
func readRecords(p []byte, command func(args []string), clock func(ms int64), end func()) error {
	number := func() (uint64, bool) {
		n, size := binary.Uvarint(p)
		if size <= 0 {
			return 0, false
		}
		p = p[size:]
		return n, true
	}
	for len(p) > 0 {
		kind := p[0]
		p = p[1:]
		switch kind {
		case recordEnd:
			end()
		case recordClock:
			ms, ok := number()
			if !ok {
				return errRecord
			}
			clock(int64(ms))
		case recordCommand:
			count, ok := number()
			if !ok || count == 0 || count > uint64(len(p)) {
				return errRecord
			}
			args := make([]string, count)
			for i := range args {
				n, ok := number()
				if !ok || n > uint64(len(p)) {
					return errRecord
				}
				args[i] = string(p[:n])
				p = p[n:]
			}
			command(args)
		default:
			return errRecord
		}
	}
	return nil
}
