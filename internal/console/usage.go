// What was used and what it cost, over HTTP.

package console

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Usage tells what answers have used so far.
type Usage interface {
	// Usage sums up by one of "user", "channel", "model" and "day", the most
	// expensive or newest first.
	Usage(ctx context.Context, by string) ([]UsageRow, error)
}

// UsageRow is the sum for one user, channel, model or day.
type UsageRow struct {
	Key       string  `json:"key"` // user or channel id, "provider/model", or "2026-11-21" in UTC
	Turns     int     `json:"turns"`
	TokensIn  int     `json:"tokensIn"`
	TokensOut int     `json:"tokensOut"`
	Cost      float64 `json:"cost"`      // USD, by the providers' pricing; 0 where none is known
	Estimated bool    `json:"estimated"` // some endpoint reported no tokens, so they were estimated
}

var usageKinds = []string{"user", "channel", "model", "day"}

// getUsage answers GET /api/v1/usage.
func (c *console) getUsage(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	by := r.URL.Query().Get("by")
	if by == "" {
		by = "day"
	}
	if !slices.Contains(usageKinds, by) {
		return 0, nil, malformed(fmt.Sprintf("Usage cannot be summed up by %q; it can by %s.", shorten(by), strings.Join(usageKinds, ", ")))
	}
	rows := []UsageRow{}
	if c.Usage != nil {
		found, err := c.Usage.Usage(r.Context(), by)
		if err != nil {
			return 0, nil, err
		}
		rows = append(rows, found...)
	}
	return http.StatusOK, map[string]any{"by": by, "usage": rows}, nil
}
