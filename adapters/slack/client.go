// An app's calls to Slack: through the library, and those whose answers parley
// reads by itself.

package slack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"parley/adapters/internal/redact"
	"parley/bots"
	"parley/internal/chat"
	"parley/internal/telemetry"
)

// client makes the calls of one app, and keeps its health true by them.
type client struct {
	token   string
	secrets redact.Secrets
	apiURL  *url.URL
	api     *slack.Client
	caller  doer         // of calls that the library does not read, with the token
	http    *http.Client // for addresses that Slack gave
	health  condition
	log     *slog.Logger
	metrics *telemetry.Metrics
}

func newClient(lead bots.Bot, in intake, apiURL *url.URL, o Options) *client {
	token := section(lead).App.Reveal()
	c := &client{
		token: token, secrets: redact.Of(token, in.appToken, in.signingSecret), apiURL: apiURL, http: o.HTTPClient, log: o.Log, metrics: o.Metrics,
		caller: bearer{limitedByHeader{o.HTTPClient}, apiURL, token},
		health: condition{bot: lead.ID, log: o.Log, problem: "not connected yet"},
	}
	c.api = slack.New(token, slack.OptionAPIURL(o.APIURL), slack.OptionAppLevelToken(in.appToken),
		slack.OptionHTTPClient(withoutEcho{c.caller}), slack.OptionLog(quiet{}))
	return c
}

// largestReply bounds what is read of an answer to call: a page of history with
// large messages fits.
const largestReply = 32 << 20

// call makes a call of a method and reads its answer into out. Its errors are
// those of the library, for classify.
func (c *client) call(ctx context.Context, method string, values url.Values, out any) error {
	values.Set("token", c.token)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.apiURL.JoinPath(method).String(), strings.NewReader(values.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := c.caller.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusTooManyRequests:
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		return &slack.RateLimitedError{RetryAfter: time.Duration(seconds) * time.Second}
	default:
		return slack.StatusCodeError{Code: response.StatusCode, Status: response.Status}
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, largestReply))
	if err != nil {
		return err
	}
	var said slack.SlackResponse
	if err := json.Unmarshal(body, &said); err != nil {
		return fmt.Errorf("the answer to %s is not Slack's", method)
	}
	if err := said.Err(); err != nil || !said.Ok {
		return cmp.Or(err, fmt.Errorf("the answer to %s says neither yes nor no", method))
	}
	err = json.Unmarshal(body, out)
	if _, odd := errors.AsType[*json.UnmarshalTypeError](err); odd {
		return nil // one field is of another kind than expected; the rest was read
	}
	return err
}

// post posts a message, and says in which thread it stands: "" for none.
func (c *client) post(ctx context.Context, values url.Values, b []slack.Block) (ts, thread string, err error) {
	values.Del("blocks")
	if len(b) > 0 {
		written, err := json.Marshal(b)
		if err != nil {
			return "", "", err
		}
		values.Set("blocks", string(written))
	}
	for _, name := range []string{"unfurl_links", "unfurl_media"} {
		values.Set(name, "false")
	}
	var out struct {
		TS      string `json:"ts"`
		Message struct {
			ThreadTS string `json:"thread_ts"`
		} `json:"message"`
	}
	err = c.call(ctx, "chat.postMessage", values, &out)
	return out.TS, out.Message.ThreadTS, err
}

// failed classifies a call's error, counts the limited ones, and keeps the
// app's health true.
func (c *client) failed(call string, err error) error {
	if err == nil {
		c.health.notice("")
		return nil
	}
	if e, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		c.health.notice(e.Err)
	}
	if e, ok := errors.AsType[slack.StatusCodeError](err); ok && e.Code == http.StatusUnauthorized {
		c.health.notice("invalid_auth")
	}
	err = c.classify(err)
	if _, ok := errors.AsType[*chat.RateLimited](err); ok {
		c.metrics.Limited(platform, call)
	}
	return err
}

// trusts reports whether a URL that Slack gave may be called: Slack's own hosts
// over https, or the host of SLACK_API_URL.
func (c *client) trusts(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	if u.Scheme == c.apiURL.Scheme && strings.EqualFold(u.Host, c.apiURL.Host) {
		return true
	}
	host := strings.ToLower(u.Hostname())
	return u.Scheme == "https" && (host == "slack.com" || strings.HasSuffix(host, ".slack.com") ||
		host == "slack-gov.com" || strings.HasSuffix(host, ".slack-gov.com"))
}
