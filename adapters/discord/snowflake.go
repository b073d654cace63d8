// Discord's ids: numbers that grow with time.

package discord

import (
	"cmp"
	"strconv"
	"strings"
)

// isSnowflake reports whether s can be an id.
func isSnowflake(s string) bool {
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil && len(s) >= 5 && len(s) <= 20
}

// compareIDs orders ids by their number, and so by time.
func compareIDs(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) }
