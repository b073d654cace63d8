package store_test

import (
	"bytes"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"parley/internal/secret"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

// losing stands before a server and cuts the connection once: after the server
// carried out the first command that holds a word, before its reply is through.
func losing(t *testing.T, addr, word string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var lost atomic.Bool
	serve := func(c net.Conn) {
		defer c.Close()
		s, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		defer s.Close()
		var cut atomic.Bool
		go func() {
			buf := make([]byte, 64<<10)
			for {
				n, err := c.Read(buf)
				if err != nil {
					_ = s.Close()
					return
				}
				if bytes.Contains(buf[:n], []byte(word)) && lost.CompareAndSwap(false, true) {
					cut.Store(true)
				}
				if _, err := s.Write(buf[:n]); err != nil {
					return
				}
			}
		}()
		buf := make([]byte, 64<<10)
		for {
			n, err := s.Read(buf)
			if err != nil || cut.Load() {
				return
			}
			if _, err := io.Copy(c, bytes.NewReader(buf[:n])); err != nil {
				return
			}
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return l.Addr().String()
}

func TestAClaimWhoseReplyIsLostIsCarriedOut(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	ring, err := secret.ParseRing(secret.GenerateKey("k"))
	if err != nil {
		t.Fatal(err)
	}
	s := storetest.Open(t, "redis://"+losing(t, server.Addr, "once/press"))
	memo := store.NewMemo(s, "parley", ring)
	mine, err := memo.Once(t.Context(), "press")
	if err != nil || !mine {
		t.Errorf("the first to claim got %v, %v", mine, err)
	}
	if again, err := memo.Once(t.Context(), "press"); err != nil || again {
		t.Errorf("the second to claim got %v, %v", again, err)
	}
}
