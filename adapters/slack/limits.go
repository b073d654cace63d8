// What Slack allows: message size and call budgets.

package slack

import (
	"strconv"
	"strings"
	"time"

	"parley/internal/chat"
)

// messageSize is the most that the markdown blocks of one message may hold in
// sum: https://docs.slack.dev/reference/block-kit/blocks/markdown-block.
const messageSize = 12_000

// streamSize is the most that a message streamed by Slack is made to hold, in
// bytes: users report that between eleven and twelve thousand fit.
const streamSize = 11_000

// UpdateLimit is the budget of chat.update calls, per app and workspace. Its
// zero value is Slack's tier 3: 50 a minute, with a burst of 10.
type UpdateLimit struct {
	PerMinute int
	Burst     int
	Off       bool // no limit of any kind: a proxy or a test server sets none
}

// parseLimit reads "50/10" or "off".
func parseLimit(s string) (UpdateLimit, bool) {
	if strings.EqualFold(s, "off") {
		return UpdateLimit{Off: true}, true
	}
	first, second, ok := strings.Cut(s, "/")
	calls, err1 := strconv.Atoi(strings.TrimSpace(first))
	burst, err2 := strconv.Atoi(strings.TrimSpace(second))
	if !ok || err1 != nil || err2 != nil || calls < 1 || burst < 1 || calls > 1e6 || burst > 1e6 {
		return UpdateLimit{}, false
	}
	return UpdateLimit{PerMinute: calls, Burst: burst}, true
}

func isLimit(s string) bool {
	_, ok := parseLimit(s)
	return ok
}

// Limits says what a message may measure and which budgets its calls draw on:
// chat.update per app and workspace, chat.postMessage about once a second per
// channel with a short burst (https://docs.slack.dev/apis/web-api/rate-limits).
func (r *responder) Limits() chat.Limits {
	l := chat.Limits{Size: messageSize, Measure: Measure}
	if r.streams() {
		l.Native, l.Size, l.Measure = true, streamSize, bytesOf
	}
	limit := r.app.limit
	if limit.Off {
		return l
	}
	if limit.PerMinute == 0 {
		limit = UpdateLimit{PerMinute: 50, Burst: 10}
	}
	l.Edits = chat.Budget{Key: r.to.Scope + ":chat.update", Calls: limit.PerMinute, Window: time.Minute, Burst: limit.Burst}
	l.Posts = chat.Budget{Key: r.to.Scope + ":chat.postMessage:" + r.to.Place.Channel, Calls: 60, Window: time.Minute, Burst: 4}
	if l.Native { // tiers 2, 4 and 2; the bursts are not documented
		l.Starts = chat.Budget{Key: r.to.Scope + ":chat.startStream", Calls: 20, Window: time.Minute, Burst: 5}
		l.Appends = chat.Budget{Key: r.to.Scope + ":chat.appendStream", Calls: 100, Window: time.Minute, Burst: 20}
		l.Ends = chat.Budget{Key: r.to.Scope + ":chat.stopStream", Calls: 20, Window: time.Minute, Burst: 5}
	}
	return l
}
