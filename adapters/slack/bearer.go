// The token of calls to Slack, where proxies and stand-ins look for it.

package slack

import (
	"net/http"
	"net/url"
	"strings"
)

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
