// REST calls. discordgo provides types and endpoints, but not the client: that
// ignores X-RateLimit-Bucket, and contexts while it waits, retries 429 without
// limit and 503 never, and puts the Authorization header into errors and debug logs.

package discord

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bwmarrin/discordgo"

	"parley/adapters/internal/redact"
	"parley/adapters/internal/retry"
	"parley/internal/chat"
	"parley/internal/telemetry"
)

const (
	userAgent = "DiscordBot (https://parley.invalid, 1)" // Discord demands this form
	callLimit = 20 * time.Second                         // for a call and its response
	bodyLimit = 8 << 20                                  // bytes of a response
)

// rest makes one bot's calls.
type rest struct {
	base    string
	token   string
	secrets redact.Secrets // the token, which must be in no error
	http    *http.Client
	limiter *limiter
	refused *refusals
	log     *slog.Logger
	metrics *telemetry.Metrics
}

// call is one REST call.
type call struct {
	method string
	path   string // below the API's root
	route  string // identifies the rate limit, with major; empty means method and path
	major  string // channel, guild or webhook id
	name   string // for metrics and errors, as in "post"
	body   any    // JSON
	file   *upload
	wait   bool // wait for rate limits and retry a few times instead of returning an error
	open   bool // for an interaction: its own token authorizes it, the global limit does not apply
}

type upload struct {
	name string
	data []byte
}

// postMessage is the call that creates a message in a channel.
func postMessage(channel, name string) call {
	return call{method: http.MethodPost, path: endpoint(discordgo.EndpointChannelMessages(channel)), route: "POST messages", major: channel, name: name}
}

// getMember is the call that reads a guild's member.
func getMember(guild, user string) call {
	path := endpoint(discordgo.EndpointGuildMember(guild, url.PathEscape(user)))
	return call{method: http.MethodGet, path: path, route: "GET member", major: guild, name: "member", wait: true}
}

// endpoint is the path of a discordgo endpoint URL.
func endpoint(full string) string {
	return "/" + strings.TrimPrefix(full, discordgo.EndpointAPI)
}

// do makes a call and decodes the response into out, unless that is nil. An error
// is a *chat.RateLimited, a *chat.Refusal of an *apiError, or temporary; it holds
// neither the token nor a body.
func (r *rest) do(ctx context.Context, c call, out any) (chat.Rate, error) {
	if c.route == "" {
		c.route = c.method + " " + c.path
	}
	if c.name == "" {
		c.name = "other"
	}
	for attempt := 0; ; attempt++ {
		rate, err := r.once(ctx, c, out)
		if err == nil || !c.wait || attempt >= 4 || chat.Refused(err) || ctx.Err() != nil {
			return rate, err
		}
		pause := time.Duration(250<<attempt) * time.Millisecond
		if limited, ok := errors.AsType[*chat.RateLimited](err); ok {
			pause = limited.After
		}
		if !retry.Sleep(ctx, retry.AtLeast(pause)) {
			return rate, err
		}
	}
}

func (r *rest) once(ctx context.Context, c call, out any) (chat.Rate, error) {
	now := time.Now()
	if wait := r.refused.wait(now); wait > 0 && !c.open {
		return chat.Rate{}, &chat.RateLimited{After: wait, Global: true}
	}
	if c.wait {
		if err := r.limiter.await(ctx, c.route, c.major, c.open); err != nil {
			return chat.Rate{}, err
		}
	} else if wait, global := r.limiter.reserve(c.route, c.major, c.open, now); wait > 0 {
		return chat.Rate{}, &chat.RateLimited{After: wait, Global: global}
	}
	body, kind, err := c.encode()
	if err != nil {
		return chat.Rate{}, fmt.Errorf("discord %s: %w", c.name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, c.method, r.base+c.path, body)
	if err != nil {
		return chat.Rate{}, fmt.Errorf("discord %s: %w", c.name, plain(err))
	}
	req.Header.Set("User-Agent", userAgent)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if !c.open {
		req.Header.Set("Authorization", "Bot "+r.token)
	}
	res, err := r.http.Do(req)
	if err != nil {
		return chat.Rate{}, fmt.Errorf("discord %s: %w", c.name, plain(err))
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, bodyLimit))
	if err != nil {
		return chat.Rate{}, fmt.Errorf("discord %s: %w", c.name, plain(err))
	}
	return r.read(c, res, data, out)
}

func (r *rest) read(c call, res *http.Response, data []byte, out any) (chat.Rate, error) {
	now := time.Now()
	rate := r.limiter.learn(c.route, c.major, res.Header, now)
	if res.StatusCode < 300 {
		if out == nil || len(data) == 0 {
			return rate, nil
		}
		if err := json.Unmarshal(data, out); err != nil {
			return rate, fmt.Errorf("discord %s: answer not understood: %w", c.name, err)
		}
		return rate, nil
	}
	err := r.refusal(c.name, res, data)
	limited, isLimited := errors.AsType[*chat.RateLimited](err)
	if isLimited {
		r.limiter.refuse(c.route, c.major, limited, now)
		r.metrics.Limited(platform, c.name)
		r.log.Warn("discord rate limit", slog.String("call", c.name), slog.Duration("after", limited.After), slog.Bool("global", limited.Global), slog.Bool("shared", limited.Shared))
	}
	counts := res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden || res.StatusCode == http.StatusTooManyRequests
	if counts && !(isLimited && limited.Shared) {
		r.refused.add(now)
	}
	return rate, err
}

// encode returns the body and its content type.
func (c call) encode() (io.Reader, string, error) {
	if c.body == nil && c.file == nil {
		return nil, "", nil
	}
	data, err := json.Marshal(c.body)
	if err != nil {
		return nil, "", err
	}
	if c.file == nil {
		return bytes.NewReader(data), "application/json", nil
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="payload_json"`}, "Content-Type": {"application/json"}})
	if err == nil {
		_, err = part.Write(data)
	}
	if err != nil {
		return nil, "", err
	}
	if part, err = w.CreateFormFile("files[0]", c.file.name); err == nil {
		_, err = part.Write(c.file.data)
	}
	if err == nil {
		err = w.Close()
	}
	return &b, w.FormDataContentType(), err
}

// plain removes the URL from an error: an interaction's URL holds its token.
func plain(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// apiError is Discord's refusal of a call.
type apiError struct {
	call    string
	status  int
	code    int // Discord's JSON error code
	message string
	fields  string // "content: Must be 2000 or fewer in length."
}

func (e *apiError) Error() string {
	text := fmt.Sprintf("discord %s: %d", e.call, e.status)
	if e.code != 0 {
		text += fmt.Sprintf(", code %d", e.code)
	}
	if e.message != "" {
		text += ": " + e.message
	}
	if e.fields != "" {
		text += " (" + e.fields + ")"
	}
	return text
}

// Discord's JSON error codes that matter here.
const (
	codeUnknownChannel     = 10003
	codeUnknownGuild       = 10004
	codeUnknownMessage     = 10008
	codeUnknownWebhook     = 10015
	codeUnknownInteraction = 10062
	codeOldEdits           = 30046
	codeAcknowledged       = 40060
	codeMissingAccess      = 50001
	codeCannotMessageUser  = 50007
	codeMissingPermissions = 50013
	codeInvalidForm        = 50035
	codeArchivedThread     = 50083
	codeCannotReply        = 160002
	codeLockedThread       = 160005

	codeExplicit     = 20009
	codeAutoMod      = 200000
	codeAutoModTitle = 200001
	codeHarmfulLink  = 240000
)

// refusal is the error of a response that is not a success.
func (r *rest) refusal(name string, res *http.Response, data []byte) error {
	var body struct {
		Code       int             `json:"code"`
		Message    string          `json:"message"`
		RetryAfter float64         `json:"retry_after"`
		Global     bool            `json:"global"`
		Errors     json.RawMessage `json:"errors"`
	}
	isJSON := json.Unmarshal(data, &body) == nil
	e := &apiError{call: name, status: res.StatusCode, code: body.Code, message: r.secrets.Text(body.Message), fields: r.secrets.Text(fieldErrors(body.Errors))}
	switch {
	case body.Code == codeOldEdits:
		return &chat.Refusal{Reason: chat.EditClosed, Err: e}
	case res.StatusCode == http.StatusTooManyRequests:
		scope := res.Header.Get("X-RateLimit-Scope")
		limited := &chat.RateLimited{
			After: retryAfter(res.Header, body.RetryAfter), Shared: scope == "shared",
			// A response that is not JSON comes from the network in front of Discord and
			// concerns the whole address.
			Global: body.Global || scope == "global" || res.Header.Get("X-RateLimit-Global") == "true" || !isJSON,
		}
		return limited
	case res.StatusCode >= 500 || res.StatusCode == http.StatusRequestTimeout:
		return e
	}
	return &chat.Refusal{Reason: reason(e), Err: e}
}

func reason(e *apiError) chat.Reason {
	switch e.code {
	case codeUnknownMessage:
		return chat.Gone
	case codeArchivedThread:
		if e.call == "edit" {
			return chat.EditClosed // a post would reopen the thread, unless it is locked
		}
		return chat.NoAccess
	case codeUnknownChannel, codeUnknownGuild, codeMissingAccess, codeMissingPermissions, codeCannotMessageUser, codeLockedThread:
		return chat.NoAccess
	case codeExplicit, codeAutoMod, codeAutoModTitle, codeHarmfulLink:
		return chat.Blocked
	case codeInvalidForm:
		if strings.Contains(e.fields, "content") && strings.Contains(e.fields, "or fewer in length") {
			return chat.TooLong
		}
		return chat.Invalid
	}
	if e.status == http.StatusUnauthorized || e.status == http.StatusForbidden {
		return chat.NoAccess
	}
	return chat.Invalid
}

// retryAfter prefers the number in the body, which has decimals.
func retryAfter(h http.Header, seconds float64) time.Duration {
	if seconds > 0 {
		return time.Duration(seconds * float64(time.Second))
	}
	for _, name := range []string{"Retry-After", "X-RateLimit-Reset-After"} {
		if s, err := strconv.ParseFloat(h.Get(name), 64); err == nil && s > 0 {
			return time.Duration(s * float64(time.Second))
		}
	}
	return 5 * time.Second
}

// fieldErrors flattens the nested errors of code 50035.
func fieldErrors(raw json.RawMessage) string {
	var tree map[string]any
	if json.Unmarshal(raw, &tree) != nil {
		return ""
	}
	var out []string
	var visit func(path string, node map[string]any)
	visit = func(path string, node map[string]any) {
		for key, value := range node {
			if list, ok := value.([]any); ok && key == "_errors" {
				for _, one := range list {
					if text, ok := one.(map[string]any); ok {
						out = append(out, fmt.Sprintf("%s: %v", path, text["message"]))
					}
				}
			} else if sub, ok := value.(map[string]any); ok {
				visit(strings.TrimPrefix(path+"."+key, "."), sub)
			}
		}
	}
	visit("", tree)
	return strings.Join(out, "; ")
}

// code is Discord's JSON error code in err, or 0.
func code(err error) int {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e.code
	}
	return 0
}

// fieldsOf lists the fields of a body that err refuses, with reasons.
func fieldsOf(err error) string {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e.fields
	}
	return ""
}

// status is the HTTP status in err, or 0.
func status(err error) int {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e.status
	}
	return 0
}
