// What Slack answers to a post or an edit, without the message it repeats.

package slack

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"path"
)

// doer makes a call to Slack.
type doer interface {
	Do(*http.Request) (*http.Response, error)
}

// lean takes the message out of successful answers to posts and edits. Slack
// repeats it whole, and the library would build every block of it anew, at each
// edit of a growing answer, for nobody.
type lean struct{ next doer }

// largestAnswer bounds what is read; a larger answer goes on as it is.
const largestAnswer = 1 << 20

func (l lean) Do(r *http.Request) (*http.Response, error) {
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
