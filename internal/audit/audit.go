// Package audit keeps the audit trail: who changed what, written in the atomic
// step that makes the change. Each hash tag has a chain of its own, because
// Redis Cluster changes only keys of one hash tag at once. Every entry holds the
// hash of the one before it in its chain, so an entry that was altered, removed
// or slipped in shows.
package audit

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"parley/internal/chat"
)

// Entry is one change as it is stored: a line of JSON. The script that trims a
// chain reads At and Prev, so they stay first.
type Entry struct {
	At        int64             `json:"at"`   // Unix milliseconds
	Prev      string            `json:"prev"` // hash of the entry before, empty for the first
	ID        string            `json:"id"`   // random: two equal changes are two entries
	Kind      chat.ActorKind    `json:"kind"`
	Via       string            `json:"via"`
	Workspace string            `json:"workspace,omitempty"`
	User      string            `json:"user,omitempty"` // the platform's own id of the person
	Action    string            `json:"action"`
	Target    string            `json:"target,omitempty"`
	Fields    []string          `json:"fields,omitempty"`
	Values    map[string]string `json:"values,omitempty"`
}

// An entry is bounded: longer names are cut, further fields left out.
const (
	maxName   = 256 // bytes of a target, a user, the name of a field or a value
	maxFields = 32
)

// Hash is what the next entry of a chain holds of line.
func Hash(line string) string {
	sum := sha256.Sum256([]byte(line))
	return hex.EncodeToString(sum[:])
}

// newEntry is the entry of c, behind the entry whose hash is prev.
func newEntry(c chat.Change, prev string, at time.Time) Entry {
	e := Entry{
		At: at.UnixMilli(), Prev: prev, ID: rand.Text(), Kind: c.By.Kind, Via: c.By.Via(), Action: c.Action, Target: cut(c.Target),
	}
	if c.By.Kind == chat.ByPerson {
		e.Workspace, e.User = cut(c.By.Workspace), cut(c.By.ID)
	}
	for _, field := range c.Fields[:min(len(c.Fields), maxFields)] {
		e.Fields = append(e.Fields, cut(field))
		value := c.Values[field]
		if value == "" {
			continue
		}
		if e.Values == nil {
			e.Values = map[string]string{}
		}
		e.Values[cut(field)] = cut(value)
	}
	return e
}

func cut(s string) string { return s[:min(len(s), maxName)] }

// link makes the lines of changes behind head, and the chain's new head.
func link(head string, changes []chat.Change, at time.Time) (lines []string, next string, err error) {
	for _, c := range changes {
		line, err := json.Marshal(newEntry(c, head, at))
		if err != nil {
			return nil, "", fmt.Errorf("audit entry: %w", err)
		}
		lines = append(lines, string(line))
		head = Hash(string(line))
	}
	return lines, head, nil
}
