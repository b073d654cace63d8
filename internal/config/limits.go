// Limits and ages: settings that are written in a form of their own.

package config

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

var errForm = errors.New("wrong form")

// Limit is SLACK_UPDATE_LIMIT: calls per minute and how many at once.
type Limit struct {
	PerMinute int
	Burst     int
	Off       bool // the other end sets no limit
}

// UnmarshalText reads "50/10" or "off".
func (l *Limit) UnmarshalText(b []byte) error {
	s := strings.TrimSpace(string(b))
	if strings.EqualFold(s, "off") {
		*l = Limit{Off: true}
		return nil
	}
	first, second, ok := strings.Cut(s, "/")
	calls, err1 := strconv.Atoi(strings.TrimSpace(first))
	burst, err2 := strconv.Atoi(strings.TrimSpace(second))
	if !ok || err1 != nil || err2 != nil || calls < 1 || burst < 1 || calls > 1e6 || burst > 1e6 {
		return errForm
	}
	*l = Limit{PerMinute: calls, Burst: burst}
	return nil
}

// Rate is DISCORD_GLOBAL_LIMIT: requests per second, 0 where it is off.
type Rate struct{ PerSecond int }

// UnmarshalText reads "50" or "off".
func (r *Rate) UnmarshalText(b []byte) error {
	s := strings.TrimSpace(string(b))
	if strings.EqualFold(s, "off") {
		*r = Rate{}
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1e6 {
		return errForm
	}
	*r = Rate{PerSecond: n}
	return nil
}

// Age is how long something is kept: "400d", or a duration of at least an hour
// such as "36h".
type Age time.Duration

// UnmarshalText reads an age.
func (a *Age) UnmarshalText(b []byte) error {
	s := strings.TrimSpace(string(b))
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 1 || n > 36500 {
			return errForm
		}
		*a = Age(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Hour {
		return errForm
	}
	*a = Age(d)
	return nil
}
