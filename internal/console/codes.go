// Single-use codes that open the pages, for "parley open".

package console

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"parley/internal/chat"
)

// CodePath is the path that opens the pages with code: a browser exchanges it
// there for a session.
func CodePath(pages chat.Platform, code string) string {
	return "/" + pages.Name + "/open/" + url.PathEscape(code)
}

// makeCode returns a path with a new code. The caller adds the host.
func (c *console) makeCode(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	i := slices.IndexFunc(c.Platforms, func(p chat.Platform) bool { return p.Pages })
	if i < 0 {
		return 0, nil, &Problem{Type: kindConflict, Title: "No pages", Status: http.StatusConflict,
			Detail: "This server has no pages, because PLAYGROUND is off, or auto while HTTP_ADDR is not loopback. Start it with PLAYGROUND=on."}
	}
	code, until, err := c.Guard.Door.NewCode(r.Context())
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, map[string]string{"path": CodePath(c.Platforms[i], code), "expires": until.UTC().Format(time.RFC3339)}, nil
}
