// Ages: how long something is kept.

package config

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

var errForm = errors.New("wrong form")

// Age is how long something is kept: a number of days such as "400d", or a
// duration of at least an hour such as "36h".
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
