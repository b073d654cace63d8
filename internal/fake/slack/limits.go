// Rate limits and faults: when a call is refused, and how.

package slack

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Form is how Slack says that a call came too soon.
type Form int

// The two forms, and one after the other.
const (
	InStatus  Form = iota // HTTP 429 with Retry-After
	InBody                // HTTP 200, {"ok":false,"error":"ratelimited"}, with Retry-After
	Alternate             // sometimes this, sometimes that
)

// Rate is a limit of calls per minute.
type Rate struct {
	PerMinute float64
	// Burst is how many calls may be made at once after a quiet time.
	Burst int
	// Sliding counts the calls of the last minute instead of refilling
	// steadily.
	Sliding bool
}

// Limits are the workspace's rate limits, each per method, app and workspace.
type Limits struct {
	Off bool
	// Methods overrides the documented tiers by method name.
	Methods map[string]Rate
	// PostsPerChannel limits chat.postMessage in one channel; default one a
	// second with a burst of five.
	PostsPerChannel Rate
	Form            Form
}

// The documented tiers: https://docs.slack.dev/apis/web-api/rate-limits. The
// bursts are not documented; these are what clients have been seen to get away
// with.
func tier(method string) Rate {
	switch method {
	case "chat.update", "chat.delete", "files.delete", "conversations.replies", "conversations.history", "conversations.info",
		"conversations.open", "bots.info", "reactions.add", "reactions.remove":
		return Rate{PerMinute: 50, Burst: 10}
	case "chat.startStream", "chat.stopStream", "usergroups.list", "usergroups.users.list", "apps.connections.open":
		return Rate{PerMinute: 20, Burst: 5}
	case "chat.appendStream", "chat.postEphemeral", "users.info", "views.open", "files.getUploadURLExternal", "files.completeUploadExternal":
		return Rate{PerMinute: 100, Burst: 20}
	case "assistant.threads.setStatus":
		return Rate{PerMinute: 60, Burst: 5}
	}
	return Rate{}
}

// bucket is one limit's state: tokens that refill, or the times of past calls.
type bucket struct {
	tokens float64
	at     time.Time
	past   []time.Time
}

// take spends one call, or says how long to wait for it.
func (b *bucket) take(r Rate, now time.Time) time.Duration {
	if r.Sliding {
		for len(b.past) > 0 && now.Sub(b.past[0]) >= time.Minute {
			b.past = b.past[1:]
		}
		if len(b.past) >= int(r.PerMinute) {
			return time.Minute - now.Sub(b.past[0])
		}
		b.past = append(b.past, now)
		return 0
	}
	most := float64(max(1, r.Burst))
	if b.at.IsZero() {
		b.tokens = most
	} else {
		b.tokens = math.Min(most, b.tokens+now.Sub(b.at).Minutes()*r.PerMinute)
	}
	b.at = now
	if b.tokens < 1 {
		return time.Duration((1 - b.tokens) / r.PerMinute * float64(time.Minute))
	}
	b.tokens--
	return 0
}

// limit spends a call of every limit that applies; the caller holds s.mu.
func (s *Server) limit(method string, app *App, channel string) (time.Duration, string) {
	if s.limits.Off || app == nil {
		return 0, ""
	}
	rate, ok := s.limits.Methods[method]
	if !ok {
		rate = tier(method)
	}
	key := strings.Join([]string{app.ID, app.Team, method}, ":")
	if method == "chat.postMessage" && !ok {
		if rate = s.limits.PostsPerChannel; rate.PerMinute == 0 {
			rate = Rate{PerMinute: 60, Burst: 5}
		}
		key += ":" + channel
	}
	if rate.PerMinute == 0 {
		return 0, ""
	}
	b := s.buckets[key]
	if b == nil {
		b = &bucket{}
		s.buckets[key] = b
	}
	return b.take(rate, time.Now()), key
}

// Fault is something that goes wrong on demand.
type Fault struct {
	Method  string // Web API method; empty: any
	App     string // app id; empty: any
	Channel string // empty: any
	Times   int    // how many calls; 0 means one
	Skip    int    // calls to let pass first
	// One of these; with none the connection is cut before anything is done.
	Error  string // Slack's error word in a 200 answer
	Status int    // an HTTP status, with a page instead of JSON
	// RetryAfter in seconds goes with Status 429 and Error "ratelimited"; 0
	// leaves the header out.
	RetryAfter int
	// Delay is slept before the answer.
	Delay time.Duration
	// After does the call and cuts the connection instead of answering: the
	// caller cannot know that it worked.
	After bool
}

// Inject arranges for a fault; several are taken in the order they came.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	s.faults = append(s.faults, &f)
}

// Heal forgets the faults that did not happen yet.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// fault finds the fault for a call, if there is one; the caller holds s.mu.
func (s *Server) fault(method, app, channel string) *Fault {
	for _, f := range s.faults {
		if f.Times == 0 || f.Method != "" && f.Method != method ||
			f.App != "" && f.App != app || f.Channel != "" && f.Channel != channel {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		f.Times--
		hit := *f
		return &hit
	}
	return nil
}

func (f *Fault) status() int {
	if f.Status == 0 {
		return http.StatusOK
	}
	return f.Status
}

func (f *Fault) word() string {
	if f.Error == "" && f.Status == 0 {
		return "connection cut"
	}
	return f.Error
}

func (f *Fault) answer(w http.ResponseWriter, r *http.Request) {
	if f.Delay > 0 {
		t := time.NewTimer(f.Delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
		}
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	switch {
	case f.Error != "":
		writeJSON(w, f.status(), map[string]any{"ok": false, "error": f.Error})
	case f.Status != 0:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte("<html><body>Something went wrong</body></html>"))
	default:
		panic(http.ErrAbortHandler)
	}
}
