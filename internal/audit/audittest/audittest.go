// Package audittest reads audit chains back, for tests.
package audittest

import (
	"encoding/json"
	"testing"

	"github.com/redis/go-redis/v9"

	"parley/internal/audit"
)

// Read returns the entries of the chain under base, oldest first. It fails the
// test if the chain is broken.
func Read(t testing.TB, client redis.UniversalClient, base string) []audit.Entry {
	t.Helper()
	lines, err := client.LRange(t.Context(), base+"audit", 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	state, err := client.HGetAll(t.Context(), base+"audit-state").Result()
	if err != nil {
		t.Fatal(err)
	}
	if n := Broken(lines, state["anchor"], state["head"]); n >= 0 {
		t.Fatalf("the chain breaks at entry %d of %d", n, len(lines))
	}
	entries := make([]audit.Entry, len(lines))
	for i, line := range lines {
		if err := json.Unmarshal([]byte(line), &entries[i]); err != nil {
			t.Fatal(err)
		}
	}
	return entries
}

// Broken is the index of the first line that does not follow the one before it;
// len(lines) if the last is not the chain's head, -1 if the chain is whole.
func Broken(lines []string, anchor, head string) int {
	prev := anchor
	for i, line := range lines {
		var e audit.Entry
		if json.Unmarshal([]byte(line), &e) != nil || e.Prev != prev {
			return i
		}
		prev = audit.Hash(line)
	}
	if prev != head {
		return len(lines)
	}
	return -1
}
