// Single-use codes that open the pages: for "parley open".

package console

import (
	"net/http"
	"net/url"
	"time"
)

// OpenPath is where a browser exchanges a code for a session.
const OpenPath = "/playground/open/"

// CodePath is the path that opens the pages with code.
func CodePath(code string) string { return OpenPath + url.PathEscape(code) }

// makeCode gives whoever may administer an address for a browser. Its host is
// the caller's to know.
func (c *console) makeCode(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	if !c.Playground {
		return 0, nil, &Problem{Type: kindConflict, Title: "No pages", Status: http.StatusConflict,
			Detail: "This server shows no pages: PLAYGROUND is off, or it is auto and HTTP_ADDR is not loopback. Start it with PLAYGROUND=on."}
	}
	code, until, err := c.Guard.Door.NewCode(r.Context())
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, map[string]string{"path": CodePath(code), "expires": until.UTC().Format(time.RFC3339)}, nil
}
