// What stands between the library and the wire: the token in the header, limits
// told by one of Slack's two ways, and answers without what nobody reads.

package slack

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

// doer makes a call to Slack.
type doer interface {
	Do(*http.Request) (*http.Response, error)
}

func newHTTPClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 128
	return &http.Client{
		Transport: t,
		Timeout:   30 * time.Second,
		// The token travels in the form: it must not follow a redirect to
		// another host.
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 3 || r.URL.Host != via[0].URL.Host {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

// bearer puts the app's token into the Authorization header of calls to
// SLACK_API_URL, besides the form field in which the library sends it. Other
// addresses never see it.
type bearer struct {
	next  doer
	api   *url.URL
	token string
}

func (b bearer) Do(r *http.Request) (*http.Response, error) {
	ours := r.URL.Scheme == b.api.Scheme && strings.EqualFold(r.URL.Host, b.api.Host) && strings.HasPrefix(r.URL.Path, b.api.Path)
	if ours && b.token != "" && r.Header.Get("Authorization") == "" {
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.next.Do(r)
}

// limitedByHeader makes one of Slack's two ways of saying "too much": a 200
// answer with Retry-After becomes the 429 that slack-go understands. Only
// limited calls carry that header.
type limitedByHeader struct{ *http.Client }

func (c limitedByHeader) Do(r *http.Request) (*http.Response, error) {
	resp, err := c.Client.Do(r)
	if err == nil && resp.StatusCode == http.StatusOK && resp.Header.Get("Retry-After") != "" {
		resp.StatusCode = http.StatusTooManyRequests
	}
	return resp, err
}

// withoutEcho takes the message out of successful answers to posts and edits. Slack
// repeats it whole, and the library would build every block of it anew, at each
// edit of a growing answer, for nobody.
type withoutEcho struct{ next doer }

// largestAnswer bounds what is read; a larger answer goes on as it is.
const largestAnswer = 1 << 20

func (l withoutEcho) Do(r *http.Request) (*http.Response, error) {
	response, err := l.next.Do(r)
	if err != nil || response.StatusCode != http.StatusOK {
		return response, err
	}
	switch path.Base(r.URL.Path) {
	case "chat.update", "chat.postMessage":
	default:
		return response, nil
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, largestAnswer))
	if err != nil {
		_ = response.Body.Close()
		return nil, err
	}
	var short struct {
		OK      bool   `json:"ok"`
		Channel string `json:"channel"`
		TS      string `json:"ts"`
	}
	rest := io.Reader(bytes.NewReader(body))
	if json.Unmarshal(body, &short) == nil && short.OK {
		body, err = json.Marshal(short)
		if err != nil {
			_ = response.Body.Close()
			return nil, err
		}
		rest = bytes.NewReader(body)
	} else {
		rest = io.MultiReader(rest, response.Body)
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{rest, response.Body}
	return response, nil
}

// quiet swallows slack-go's own log, which may hold what people wrote.
type quiet struct{}

func (quiet) Output(int, string) error { return nil }
