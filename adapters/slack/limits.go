// What Slack allows: message size and call budgets.

package slack

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"parley/internal/chat"
)

// messageSize is the most that the markdown blocks of one message may hold in
// sum: https://docs.slack.dev/reference/block-kit/blocks/markdown-block.
const messageSize = 12_000

// UpdateLimit is the budget of chat.update calls, per app and workspace. Its
// zero value is Slack's tier 3: 50 a minute, with a burst of 10.
type UpdateLimit struct {
	Off       bool // no limit of any kind: a proxy or a test server sets none
	PerMinute int
	Burst     int
}

// ParseUpdateLimit reads SLACK_UPDATE_LIMIT: "calls per minute/burst" or "off".
func ParseUpdateLimit(s string) (UpdateLimit, error) {
	switch s = strings.TrimSpace(s); s {
	case "":
		return UpdateLimit{}, nil
	case "off":
		return UpdateLimit{Off: true}, nil
	}
	calls, burst, both := strings.Cut(s, "/")
	l := UpdateLimit{Burst: 1}
	var err error
	if l.PerMinute, err = strconv.Atoi(strings.TrimSpace(calls)); err == nil && both {
		l.Burst, err = strconv.Atoi(strings.TrimSpace(burst))
	}
	if err != nil || l.PerMinute < 1 || l.Burst < 1 {
		return UpdateLimit{}, fmt.Errorf("%q is neither off nor calls per minute/burst, such as 50/10", s)
	}
	return l, nil
}

// Limits says what a message may measure and which budgets its calls draw on:
// chat.update per app and workspace, chat.postMessage about once a second per
// channel with a short burst (https://docs.slack.dev/apis/web-api/rate-limits).
func (r *responder) Limits() chat.Limits {
	l := chat.Limits{Size: messageSize, Measure: Measure}
	limit := r.app.limit
	if limit.Off {
		return l
	}
	if limit.PerMinute == 0 {
		limit = UpdateLimit{PerMinute: 50, Burst: 10}
	}
	l.Edits = chat.Budget{Key: r.to.Scope + ":chat.update", Calls: limit.PerMinute, Window: time.Minute, Burst: limit.Burst}
	l.Posts = chat.Budget{Key: r.to.Scope + ":chat.postMessage:" + r.to.Place.Channel, Calls: 60, Window: time.Minute, Burst: 4}
	return l
}
