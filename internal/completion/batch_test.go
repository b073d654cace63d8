package completion

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// dripping is a body of which a token arrives every 20 ms; a read takes all that
// has come, as from a socket.
type dripping struct {
	tokens int
	began  time.Time
	taken  int
	reads  int
}

const drip, dripped = 20 * time.Millisecond, "token "

func (d *dripping) Read(p []byte) (int, error) {
	d.reads++
	if d.taken == d.tokens {
		return 0, io.EOF
	}
	time.Sleep(time.Until(d.began.Add(time.Duration(d.taken+1) * drip)))
	come := min(int(time.Since(d.began)/drip), d.tokens)
	n := copy(p, strings.Repeat(dripped, come-d.taken))
	d.taken = come
	return n, nil
}

func TestAStreamIsReadAsItComesAtFirstAndInPiecesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &dripping{tokens: 200, began: time.Now()}
		g := &batchReader{r: s, done: t.Context().Done()}
		began := s.began
		var got strings.Builder
		early := 0
		buf := make([]byte, 4<<10)
		for {
			n, err := g.Read(buf)
			got.Write(buf[:n])
			if time.Since(began) < batchAfter {
				early = s.reads
			}
			if err != nil {
				break
			}
		}
		if got.String() != strings.Repeat(dripped, 200) {
			t.Errorf("read %q", got.String())
		}
		if early < 24 {
			t.Errorf("%d reads in the first %s of a token every 20 ms: the first words waited", early, batchAfter)
		}
		if late := s.reads - early; late > 80 {
			t.Errorf("%d reads for the 175 tokens that came later", late)
		}
		if late := time.Since(began) - 200*drip; late > 2*batchFor {
			t.Errorf("the end was seen %s late", late)
		}
	})
}

// backlog is a body that has everything, handed out as a connection's buffer
// does: in blocks of 4 KiB, however small the reads are.
type backlog struct{ left, block int }

func (b *backlog) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	if b.block == 0 {
		b.block = min(4<<10, b.left)
	}
	n := min(len(p), b.block)
	b.block -= n
	b.left -= n
	return n, nil
}

func TestAFastStreamIsReadWithoutAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, size := range []int{1 << 10, 1500, firstBuffer, 5 << 10, keepBuffer} {
			g := &batchReader{r: &backlog{left: 1 << 20}, done: t.Context().Done(), first: time.Now().Add(-time.Hour)}
			began := time.Now()
			if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{g}, make([]byte, size)); n != 1<<20 || err != nil {
				t.Fatal(n, err)
			}
			if took := time.Since(began); took > 2*batchFor {
				t.Errorf("what was there already took %s in reads of %d bytes", took, size)
			}
		}
	})
}

func TestAPauseEndsWithItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		client, server := net.Pipe()
		defer server.Close()
		_ = client.Close()
		g := &batchReader{r: client, done: ctx.Done(), first: time.Now().Add(-time.Hour), short: true}
		began := time.Now()
		if _, err := g.Read(make([]byte, 1)); err == nil {
			t.Error("a closed body was read")
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("a canceled request waited %s", took)
		}
	})
}
