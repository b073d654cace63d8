// Calls to Slack's Web API whose answers parley reads by itself: all of a
// message, in which thread it stands.

package slack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"
)

// largestReply bounds what is read of an answer to call: a page of history with
// large messages fits.
const largestReply = 32 << 20

// call makes a call of a method and reads its answer into out. Its errors are
// those of the library, for classify.
func (a *app) call(ctx context.Context, method string, values url.Values, out any) error {
	values.Set("token", a.token)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.apiURL.JoinPath(method).String(), strings.NewReader(values.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := a.caller.Do(r)
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
func (a *app) post(ctx context.Context, values url.Values, b []slack.Block) (ts, thread string, err error) {
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
	err = a.call(ctx, "chat.postMessage", values, &out)
	return out.TS, out.Message.ThreadTS, err
}
