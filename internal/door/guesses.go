// Slowing down guesses: wrong tokens and codes are delayed, right ones never.
// If the limit came before the check, a stranger could use it up for everyone,
// because behind a proxy all requests have one address.

package door

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	guessWindow   = time.Minute
	freeGuesses   = 10                     // per address and window, for typing mistakes
	holdTime      = 250 * time.Millisecond // delay for further wrong attempts
	maxHeld       = 32                     // concurrent delayed requests; more are answered without delay
	maxGuessers   = 4096                   // addresses counted separately in a window; the rest count as one
	maxLogged     = 50                     // addresses logged in a window
	ipv6Neighbour = 64                     // bits: whoever has one address of a network has them all
)

// guesses counts wrong tokens and codes by address.
type guesses struct {
	log  *slog.Logger
	held chan struct{}

	mu    sync.Mutex
	began time.Time
	count map[netip.Prefix]int
}

func newGuesses(log *slog.Logger) guesses {
	return guesses{log: log, held: make(chan struct{}, maxHeld)}
}

// failed counts a wrong attempt and returns its error, after a delay if there
// were many.
func (g *guesses) failed(r *http.Request) error {
	from := network(r.RemoteAddr)
	n, guessers, left := g.add(from)
	switch {
	case guessers > maxLogged:
	case n == 1:
		g.log.WarnContext(r.Context(), "admin login: wrong token or code", "from", address(r.RemoteAddr), "path", r.Pattern)
	case n == freeGuesses+1:
		g.log.WarnContext(r.Context(), "admin login: many wrong tokens or codes, delaying further ones", "from", address(r.RemoteAddr))
	}
	if n <= freeGuesses {
		return ErrWrong
	}
	g.hold(r)
	return &SlowError{After: max(left, time.Second)}
}

// add counts an attempt from an address. It returns the address's count, the
// number of addresses in the window, and how long the window lasts.
func (g *guesses) add(from netip.Prefix) (n, guessers int, left time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if now.Sub(g.began) >= guessWindow {
		g.began, g.count = now, map[netip.Prefix]int{}
	}
	if _, known := g.count[from]; !known && len(g.count) >= maxGuessers {
		from = netip.Prefix{}
	}
	g.count[from]++
	return g.count[from], len(g.count), guessWindow - now.Sub(g.began)
}

// hold delays a request, unless enough are delayed already.
func (g *guesses) hold(r *http.Request) {
	select {
	case g.held <- struct{}{}:
	default:
		return
	}
	defer func() { <-g.held }()
	t := time.NewTimer(holdTime)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
	}
}

// address is the host of a RemoteAddr.
func address(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}

// network is what counts as one guesser, the zero Prefix if remote is not an
// address.
func network(remote string) netip.Prefix {
	a, err := netip.ParseAddr(address(remote))
	if err != nil {
		return netip.Prefix{}
	}
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = ipv6Neighbour
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
