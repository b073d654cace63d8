// Bodies that arrive compressed although parley asked for plain ones.

package completion

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxUnpacked is the most bytes one compressed body may become: an answer of
// MaxAnswer that a server sends again with every word is smaller.
const maxUnpacked = 256 << 20

// CodedError says that the body is in a coding parley does not read.
type CodedError struct{ Coding string }

func (e *CodedError) Error() string { return "the answer is compressed (" + e.Coding + ")" }

// errDamaged says that a compressed body cannot be unpacked.
var errDamaged = errors.New("the compressed answer is damaged")

// unpacked is body as it was before the codings of its Content-Encoding header.
// It reads no more of body than it needs for the next bytes. The error of an
// unknown coding is an *Error that wraps a *CodedError.
func unpacked(body io.Reader, encoding string) (io.Reader, error) {
	codings := strings.Split(strings.ToLower(encoding), ",")
	for i := len(codings) - 1; i >= 0; i-- {
		switch coding := strings.TrimSpace(codings[i]); coding {
		case "", "identity", "none":
		case "gzip", "x-gzip", "deflate":
			body = &unpacker{in: bufio.NewReader(body), gzip: coding != "deflate", left: maxUnpacked}
		default:
			return nil, &Error{Kind: KindProtocol, Err: &CodedError{strings.ToValidUTF8(coding[:min(len(coding), 20)], "?")}}
		}
	}
	return body, nil
}

// unpacker reads gzip, or deflate with or without zlib's frame. What only
// claims to be compressed is passed on as it is.
type unpacker struct {
	in   *bufio.Reader
	gzip bool
	left int
	out  io.Reader // nil before the first byte, and between two members
	any  bool      // a member was read
}

func (u *unpacker) Read(p []byte) (int, error) {
	for {
		if u.out == nil {
			if err := u.open(); err != nil {
				return 0, err
			}
		}
		n, err := u.out.Read(p)
		if u.left -= n; u.left < 0 {
			return 0, &Error{Kind: KindProtocol, Err: fmt.Errorf("the answer is larger than %d MiB unpacked", maxUnpacked>>20)}
		}
		if _, member := u.out.(*gzip.Reader); member && errors.Is(err, io.EOF) {
			u.out, err = nil, nil // another may follow
		}
		if n > 0 || err != nil {
			return n, damage(err)
		}
		if len(p) == 0 {
			return 0, nil
		}
	}
}

// open looks at the first bytes of a body or of a further member of gzip.
func (u *unpacker) open() error {
	head, err := u.in.Peek(2)
	if len(head) == 0 {
		return err
	}
	packed := len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b
	switch {
	case u.gzip && packed:
		z, err := gzip.NewReader(u.in)
		if err != nil {
			return damage(err)
		}
		z.Multistream(false)
		u.out, u.any = z, true
	case u.any: // padding behind the last member
		return io.EOF
	case u.gzip || isText(head):
		u.out = u.in
	case len(head) == 2 && head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0:
		z, err := zlib.NewReader(u.in)
		if err != nil {
			return damage(err)
		}
		u.out = z
	default:
		u.out = flate.NewReader(u.in)
	}
	return nil
}

// isText reports whether a body that claims to be deflated begins as events or
// JSON do, which no deflated one does.
func isText(head []byte) bool {
	switch string(head[:min(2, len(head))]) {
	case "da", "ev", "id", ": ", `{"`, "{\n", "{ ", "[{":
		return true
	}
	return false
}

// damage makes the errors of the unpackers ones that no further try mends.
func damage(err error) error {
	corrupt, isCorrupt := errors.AsType[flate.CorruptInputError](err)
	switch {
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.Is(err, zlib.ErrHeader), errors.Is(err, zlib.ErrChecksum), errors.Is(err, zlib.ErrDictionary):
		return &Error{Kind: KindProtocol, Err: fmt.Errorf("%w: %w", errDamaged, err)}
	case isCorrupt:
		return &Error{Kind: KindProtocol, Err: fmt.Errorf("%w: %w", errDamaged, corrupt)}
	}
	return err
}
