// Package door decides who may administer: requests with the admin token, and
// browsers with a session, which they get for the token or for a single-use
// code. Nothing else counts: neither the address of a request nor its headers
// prove that a person sits at this machine.
package door

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"parley/internal/secret"
)

// Memory stores small values by name, for all replicas and across restarts.
type Memory interface {
	// Save stores data under key for ttl.
	Save(ctx context.Context, key string, data []byte, ttl time.Duration) error
	// Load returns what is stored under key, or nil.
	Load(ctx context.Context, key string) ([]byte, error)
	// Take is Load, and removes the value: only one of several callers gets it.
	Take(ctx context.Context, key string) ([]byte, error)
}

// Options is what New needs. Token and Memory are required.
type Options struct {
	Token  secret.Text // ADMIN_TOKEN, or the one in DATA_DIR
	Memory Memory
	Log    *slog.Logger
}

// Door checks requests. It is safe for concurrent use.
type Door struct {
	token   [sha256.Size]byte // hash of the token
	key     []byte            // derived from the token: a new token ends sessions and codes
	memory  Memory
	guesses guesses
	log     *slog.Logger
}

// Reasons not to admit a request.
var (
	// ErrMissing means that a request has neither token nor session.
	ErrMissing = errors.New("no admin token and no session")
	// ErrWrong means that a token or code is wrong.
	ErrWrong = errors.New("wrong token or code")
	// ErrElsewhere means that a page of another site made the browser send the
	// request.
	ErrElsewhere = errors.New("sent by a page of another site")
)

// SlowError is an ErrWrong after too many wrong attempts from one address. The
// right token still works.
type SlowError struct {
	After time.Duration // until wrong attempts are answered immediately again
}

func (e *SlowError) Error() string { return "too many wrong tokens or codes" }

func (e *SlowError) Unwrap() error { return ErrWrong }

// New makes a Door.
func New(o Options) (*Door, error) {
	if o.Token.IsZero() || o.Memory == nil {
		return nil, errors.New("door: no token, or nowhere to keep sessions")
	}
	key, err := hkdf.Key(sha256.New, []byte(o.Token.Reveal()), nil, "parley door v2", 32)
	if err != nil {
		return nil, fmt.Errorf("door: %w", err)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Door{token: sha256.Sum256([]byte(o.Token.Reveal())), key: key, memory: o.Memory, guesses: newGuesses(o.Log), log: o.Log}, nil
}

// Admit returns nil if r is admitted. The right token always passes; the
// answer to a wrong one may be delayed. The error wraps one of the above, or
// is the store's.
func (d *Door) Admit(r *http.Request) error {
	if d.HasToken(r) {
		return nil
	}
	_, given := bearer(r)
	session, err := d.Session(r)
	switch {
	case err != nil:
		return err
	case session && http.NewCrossOriginProtection().Check(r) != nil:
		return ErrElsewhere
	case session: // even with a bearer token, which a proxy may have added
		return nil
	case given:
		return d.guesses.failed(r)
	}
	return ErrMissing
}

// HasToken reports whether r has the right token. Other requests that Admit
// admits have a session.
func (d *Door) HasToken(r *http.Request) bool {
	token, given := bearer(r)
	return given && d.right(token)
}

// bearer is the token of r. Other schemes are ignored: a proxy that asks for a
// password passes it on.
func bearer(r *http.Request) (token string, given bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), strings.EqualFold(scheme, "Bearer")
}

// right compares hashes, which have the same length, in constant time.
func (d *Door) right(token string) bool {
	given := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(given[:], d.token[:]) == 1
}

// Enter starts a session for a request with the token. Errors are like those
// of Admit.
func (d *Door) Enter(w http.ResponseWriter, r *http.Request, token string) error {
	if !d.right(strings.TrimSpace(token)) {
		return d.guesses.failed(r)
	}
	return d.begin(w, r)
}

// codeLife is how long a single-use code works.
const codeLife = 10 * time.Minute

// NewCode makes a code that starts one session. Give it only to admitted
// callers.
func (d *Door) NewCode(ctx context.Context) (code string, until time.Time, err error) {
	code, until = rand.Text(), time.Now().Add(codeLife)
	if err := d.keep(ctx, "code", code, until); err != nil {
		return "", time.Time{}, err
	}
	return code, until, nil
}

// Exchange starts a session for a code, and deletes the code. Errors are like
// those of Admit.
func (d *Door) Exchange(w http.ResponseWriter, r *http.Request, code string) error {
	if len(code) > maxValue {
		return d.guesses.failed(r)
	}
	data, err := d.memory.Take(r.Context(), d.name("code", code))
	if err != nil {
		return err
	}
	if !valid(data) {
		return d.guesses.failed(r)
	}
	return d.begin(w, r)
}

// maxValue is more characters than a code or session has.
const maxValue = 64

// name is the key in the store. It reveals no code or session, and a value for
// one token is not valid for another.
func (d *Door) name(kind, value string) string {
	mac := hmac.New(sha256.New, d.key)
	_, _ = mac.Write([]byte(kind + " " + value))
	return "door/" + kind + "/" + hex.EncodeToString(mac.Sum(nil))
}

func (d *Door) keep(ctx context.Context, kind, value string, until time.Time) error {
	return d.memory.Save(ctx, d.name(kind, value), strconv.AppendInt(nil, until.Unix(), 10), time.Until(until))
}

// valid reports whether a stored value exists and has not expired.
func valid(data []byte) bool {
	until, err := strconv.ParseInt(string(data), 10, 64)
	return err == nil && time.Now().Unix() < until
}
