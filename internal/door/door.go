// Package door decides who may administer: whoever sends the admin token, or a
// browser that has a session, which it got for the token or for a single-use
// code. Nothing else counts: neither the address a request comes from nor its
// headers prove that the person sits at this machine.
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

// Memory keeps small values by name, for all replicas and over restarts.
type Memory interface {
	// Save keeps data under key for ttl.
	Save(ctx context.Context, key string, data []byte, ttl time.Duration) error
	// Load returns what is kept under key, nil when there is nothing.
	Load(ctx context.Context, key string) ([]byte, error)
	// Take is Load and removes it: of several callers one gets it.
	Take(ctx context.Context, key string) ([]byte, error)
}

// Options is what a Door is made of. Token and Memory are required.
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

// Why a request is not admitted.
var (
	// ErrMissing says that a request carries neither token nor session.
	ErrMissing = errors.New("no admin token and no session")
	// ErrWrong says that a token or code is not a right one.
	ErrWrong = errors.New("wrong token or code")
	// ErrElsewhere says that a page of another site made the browser send it.
	ErrElsewhere = errors.New("sent by a page of another site")
)

// SlowError is ErrWrong once there were too many wrong ones from the same
// address. The right one is taken at any time.
type SlowError struct {
	After time.Duration // when wrong ones are answered at once again
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

// Admit reports why r is not admitted; nil when it is. The right token passes
// whatever else happened; a wrong one may be held back for a moment. The error
// wraps one of the above, or is the store's.
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
	case session: // also beside a bearer token that a proxy added for itself
		return nil
	case given:
		return d.guesses.failed(r)
	}
	return ErrMissing
}

// HasToken reports whether r carries the right token. Of those that Admit lets
// in, the others have a session.
func (d *Door) HasToken(r *http.Request) bool {
	token, given := bearer(r)
	return given && d.right(token)
}

// bearer is the token that r carries. Other schemes are not for parley: a proxy
// that asks for a password passes it on.
func bearer(r *http.Request) (token string, given bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), strings.EqualFold(scheme, "Bearer")
}

// right compares in constant time: hashes have one length.
func (d *Door) right(token string) bool {
	given := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(given[:], d.token[:]) == 1
}

// Enter begins a session for whoever knows the token. The error is as Admit's.
func (d *Door) Enter(w http.ResponseWriter, r *http.Request, token string) error {
	if !d.right(strings.TrimSpace(token)) {
		return d.guesses.failed(r)
	}
	return d.begin(w, r)
}

// codeLife is how long a single-use code is good.
const codeLife = 10 * time.Minute

// NewCode makes a code that begins one session. Only whoever was admitted may
// be given one.
func (d *Door) NewCode(ctx context.Context) (code string, until time.Time, err error) {
	code, until = rand.Text(), time.Now().Add(codeLife)
	if err := d.keep(ctx, "code", code, until); err != nil {
		return "", time.Time{}, err
	}
	return code, until, nil
}

// Exchange begins a session for a code and burns it. The error is as Admit's.
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

// name is where something is kept: who reads the store's keys learns no code
// and no session, and nothing of one token is good with another.
func (d *Door) name(kind, value string) string {
	mac := hmac.New(sha256.New, d.key)
	_, _ = mac.Write([]byte(kind + " " + value))
	return "door/" + kind + "/" + hex.EncodeToString(mac.Sum(nil))
}

func (d *Door) keep(ctx context.Context, kind, value string, until time.Time) error {
	return d.memory.Save(ctx, d.name(kind, value), strconv.AppendInt(nil, until.Unix(), 10), time.Until(until))
}

// valid reports whether what keep stored is there and not over.
func valid(data []byte) bool {
	until, err := strconv.ParseInt(string(data), 10, 64)
	return err == nil && time.Now().Unix() < until
}
