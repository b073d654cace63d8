// Who an application is: its id, its bot's user, and the key that signs its HTTP
// interactions.

package discord

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"parley/bots"
)

// keyAgain is how long not to ask for the public key after a failure.
const keyAgain = 30 * time.Second

var errKeyUnknown = errors.New("the application's public key could not be asked from Discord a moment ago")

// identity is what is known about an application. It is safe for concurrent use.
type identity struct {
	rest *rest
	key  string // hex public key from a bot's file, if any

	mu          sync.Mutex
	user        string // the id of the bot's user
	application string
	verify      string    // hex public key from Discord
	failed      time.Time // when asking for the key failed last
}

func newIdentity(r *rest, token string, group []bots.Bot) *identity {
	i := &identity{rest: r, user: userOf(token)}
	for _, b := range group {
		if key := section(b).Value(publicKey); key != "" {
			i.key = key
		}
	}
	return i
}

// userOf reads the id of the bot's user from a token, which begins with the id in
// base64. It returns "" for a token of another form.
func userOf(token string) string {
	first, _, _ := strings.Cut(token, ".")
	id, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(first, "="))
	if err != nil || !isSnowflake(string(id)) {
		return ""
	}
	return string(id)
}

// known returns the ids without a call; they are empty while unknown.
func (i *identity) known() (user, application string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.user, i.application
}

// set stores the ids.
func (i *identity) set(user, application string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.user, i.application = user, application
}

// get returns the ids and asks Discord if they are unknown. With an error, it
// returns what is known.
func (i *identity) get(ctx context.Context) (user, application string, err error) {
	if user, application = i.known(); user != "" && application != "" {
		return user, application, nil
	}
	if _, err = i.ask(ctx, true); err != nil {
		return user, application, err
	}
	user, application = i.known()
	return user, application, nil
}

// learnUser makes sure that the id of the bot's user is known.
func (i *identity) learnUser(ctx context.Context) error {
	user, _, err := i.get(ctx)
	if user != "" {
		return nil
	}
	return err
}

// application is the part of Discord's application object that is used.
type application struct {
	ID     string `json:"id"`
	Verify string `json:"verify_key"`
	Public bool   `json:"bot_public"`
	Bot    struct {
		ID string `json:"id"`
	} `json:"bot"`
}

// ask reads the application from Discord and stores its ids and key. With wait it
// waits for rate limits and tries again after failures.
func (i *identity) ask(ctx context.Context, wait bool) (application, error) {
	var out application
	if _, err := i.rest.do(ctx, call{method: http.MethodGet, path: "/applications/@me", name: "application", wait: wait}, &out); err != nil {
		return out, err
	}
	if out.ID == "" {
		return out, errors.New("discord named no application")
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.application, i.verify = out.ID, out.Verify
	if out.Bot.ID != "" {
		i.user = out.Bot.ID
	}
	return out, nil
}

// publicKey is the key that signs requests: from a bot's file, or asked from
// Discord once. After a failure it does not ask for keyAgain: anybody can send
// requests here, and each refused call counts towards a ban.
func (i *identity) publicKey(ctx context.Context) (ed25519.PublicKey, error) {
	text, err := i.hexKey(ctx)
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(text)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, errors.New("the application's public key is not 32 bytes in hex")
	}
	return key, nil
}

func (i *identity) hexKey(ctx context.Context) (string, error) {
	if i.key != "" {
		return i.key, nil
	}
	i.mu.Lock()
	key, failed := i.verify, time.Since(i.failed) < keyAgain
	i.mu.Unlock()
	switch {
	case key != "":
		return key, nil
	case failed:
		return "", errKeyUnknown
	}
	out, err := i.ask(ctx, false)
	if err != nil {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.failed = time.Now()
	}
	return out.Verify, err
}
