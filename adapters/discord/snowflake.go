// Discord's ids: numbers that grow with time.

package discord

import (
	"cmp"
	"strings"
)

// isSnowflake reports whether s can be an id.
func isSnowflake(s string) bool {
	if len(s) < 5 || len(s) > 20 {
		return false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// compareIDs orders ids by their number, and so by time.
func compareIDs(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) }
