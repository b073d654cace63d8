// The gateway's opcodes, close codes and address. The client is our own;
// ARCHITECTURE.md says why.

package discord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/gorilla/websocket"

	"parley/internal/chat"
)

// Gateway opcodes.
const (
	opDispatch       = 0
	opHeartbeat      = 1
	opIdentify       = 2
	opResume         = 6
	opReconnect      = 7
	opInvalidSession = 9
	opHello          = 10
	opHeartbeatAck   = 11
)

// intents are the events to receive: guilds with channels, threads and roles;
// messages in guilds and direct messages; and what messages say, which has to be
// switched on for the bot.
const intents = discordgo.IntentsGuilds | discordgo.IntentsGuildMessages | discordgo.IntentsDirectMessages | discordgo.IntentMessageContent

// frame is one message on the gateway.
type frame struct {
	Op int             `json:"op"`
	D  json.RawMessage `json:"d"`
	S  *int64          `json:"s"`
	T  string          `json:"t"`
}

// Why we ended a connection.
var (
	errZombie    = errors.New("no heartbeat acknowledgement: the connection is dead")
	errReconnect = errors.New("discord asked for a new connection")
	errInvalid   = errors.New("discord ended the session")
	errResumable = errors.New("discord asked to resume later")
	errBacklog   = errors.New("too many messages wait to be stored")
)

// fatal is a refusal after which connecting again is useless.
type fatal struct{ text string }

func (f *fatal) Error() string { return f.text }

// fatalClose explains a close code after which we must not connect again; it is
// nil for all others.
func fatalClose(code int) error {
	switch code {
	case 4004:
		return &fatal{"Discord refused the bot's token: make a new one in the Developer Portal (discord.com/developers/applications → your application → Bot → Reset Token), set it and restart"}
	case 4010, 4012, 4013:
		return &fatal{fmt.Sprintf("Discord refused the connection's parameters (close code %d): this version of parley does not fit today's gateway, please update it", code)}
	case 4011:
		return &fatal{"Discord demands sharding: the bot is in more servers than the connections that parley opens may serve"}
	case 4014:
		return &fatal{"Discord refused the bot's intents: switch on Message Content Intent in the Developer Portal (discord.com/developers/applications → your application → Bot → Privileged Gateway Intents) and restart"}
	}
	return nil
}

// endsSession reports whether a close code from Discord ends the session. After
// all others it can be resumed, even after 1001 ("going away"), which Cloudflare
// sends when it restarts. If the session is gone nevertheless, RESUME is answered
// with opcode 9, which costs a second; giving up a live session loses messages.
func endsSession(code int) bool {
	switch code {
	case 4003, 4007, 4009, websocket.CloseNormalClosure:
		return true
	}
	return false
}

// address asks Discord for the gateway's address. If fewer sessions are left today
// than there are shards, it returns a *chat.RateLimited: one IDENTIFY too many
// resets the token.
func (s *shard) address(ctx context.Context) (string, error) {
	var out struct {
		URL   string `json:"url"`
		Limit struct {
			Total       int   `json:"total"`
			Remaining   int   `json:"remaining"`
			ResetAfter  int64 `json:"reset_after"` // milliseconds
			Concurrency int   `json:"max_concurrency"`
		} `json:"session_start_limit"`
	}
	_, err := s.app.rest.do(ctx, call{method: http.MethodGet, path: "/gateway/bot", name: "gateway"}, &out)
	switch {
	case status(err) == http.StatusUnauthorized:
		return "", fatalClose(4004)
	case err != nil:
		return "", err
	case out.URL == "":
		return "", errors.New("discord named no gateway address")
	}
	s.app.identifies.allow(out.Limit.Concurrency)
	if s.session == "" && out.Limit.Total > 0 && out.Limit.Remaining < s.of {
		return "", &chat.RateLimited{After: time.Duration(out.Limit.ResetAfter) * time.Millisecond}
	}
	return out.URL, nil
}

// withQuery adds the version and encoding that every connection needs.
func withQuery(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	q := u.Query()
	q.Set("v", "10")
	q.Set("encoding", "json")
	u.RawQuery = q.Encode()
	return u.String()
}

// short is an error's text for people, without addresses and what libraries add.
func short(err error) string {
	if e, ok := errors.AsType[*websocket.CloseError](err); ok {
		return fmt.Sprintf("closed by Discord with code %d", e.Code)
	}
	if limited, ok := errors.AsType[*chat.RateLimited](err); ok {
		return limited.Error()
	}
	return plain(err).Error()
}
