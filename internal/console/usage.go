// Usage and cost over HTTP.

package console

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Usage reports what answers have used.
type Usage interface {
	Usage(ctx context.Context, q UsageQuery) ([]UsageRow, error)
}

// UsageQuery says what to sum up.
type UsageQuery struct {
	By           string    // "user", "channel", "model" or "day"
	Since, Until time.Time // days in UTC, inclusive
}

// UsageRow is the sum for one user, channel, model or day. Its fields are
// those of usage.Row.
type UsageRow struct {
	Key       string   `json:"key"` // user or channel id, "provider/model", or "2026-11-21" in UTC
	Answers   int      `json:"answers"`
	In        int      `json:"inputTokens"`
	Out       int      `json:"outputTokens"`
	Cost      *float64 `json:"costUSD"`   // by the providers' pricing; null where none is known
	Unpriced  int      `json:"unpriced"`  // answers for which no price is known, left out of costUSD
	Estimated int      `json:"estimated"` // answers whose tokens were counted from the text: the endpoint reported none
}

const (
	usageDays    = 30  // the default period
	maxUsageDays = 400 // as long as usage is kept
)

var usageKinds = []string{"user", "channel", "model", "day"}

// getUsage answers GET /api/v1/usage: ?by=, ?since= and ?until= as days.
func (c *console) getUsage(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	q, problem := usageQuery(r, time.Now().UTC())
	if problem != nil {
		return 0, nil, problem
	}
	rows := []UsageRow{}
	if c.Usage != nil {
		found, err := c.Usage.Usage(r.Context(), q)
		if err != nil {
			return 0, nil, err
		}
		rows = append(rows, found...)
	}
	return http.StatusOK, map[string]any{
		"by": q.By, "since": q.Since.Format(time.DateOnly), "until": q.Until.Format(time.DateOnly), "usage": rows,
	}, nil
}

func usageQuery(r *http.Request, now time.Time) (UsageQuery, *Problem) {
	q := UsageQuery{By: r.URL.Query().Get("by"), Until: now.Truncate(24 * time.Hour)}
	if q.By == "" {
		q.By = "day"
	}
	if !slices.Contains(usageKinds, q.By) {
		return q, malformed(fmt.Sprintf("Unknown grouping %q; usage can be grouped by %s.", shorten(q.By), strings.Join(usageKinds, ", ")))
	}
	for name, day := range map[string]*time.Time{"until": &q.Until, "since": &q.Since} {
		value := r.URL.Query().Get(name)
		if value == "" {
			continue
		}
		parsed, err := time.Parse(time.DateOnly, value)
		if err != nil {
			return q, malformed(fmt.Sprintf("%s must be a date such as 2026-11-21, not %q.", name, shorten(value)))
		}
		*day = parsed
	}
	if q.Since.IsZero() {
		q.Since = q.Until.AddDate(0, 0, 1-usageDays)
	}
	if q.Until.Before(q.Since) || q.Until.Sub(q.Since) > maxUsageDays*24*time.Hour {
		return q, malformed(fmt.Sprintf("since must be at most %d days before until, and not after it.", maxUsageDays))
	}
	return q, nil
}
