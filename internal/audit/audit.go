// Package audit keeps the audit trail: who changed what, written in the same atomic
// step as the change. Each Redis hash tag has a chain of entries of its own, because
// Redis Cluster can change only keys of one hash tag atomically. Every entry holds
// the hash of the previous one in its chain, so altered, removed and inserted
// entries can be detected.
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

// Entry is one change, stored as a line of JSON. At and Prev must stay the first
// two fields: the script that trims a chain reads them.
type Entry struct {
	At        int64             `json:"at"`   // Unix milliseconds
	Prev      string            `json:"prev"` // hash of the previous entry, empty for the first
	ID        string            `json:"id"`   // random, so that equal changes have different hashes
	Kind      chat.ActorKind    `json:"kind"`
	Via       string            `json:"via"`
	Workspace string            `json:"workspace,omitempty"`
	User      string            `json:"user,omitempty"` // the platform's own id of the person
	Action    string            `json:"action"`
	Target    string            `json:"target,omitempty"`
	Fields    []string          `json:"fields,omitempty"`
	Values    map[string]string `json:"values,omitempty"`
}

// The limits of an entry: longer names are cut, further fields are dropped.
const (
	maxName   = 256 // bytes of a target, a user, the name of a field or a value
	maxFields = 32
)

// Hash is the hash of an entry, which the next one in its chain holds.
func Hash(line string) string {
	sum := sha256.Sum256([]byte(line))
	return hex.EncodeToString(sum[:])
}

// newEntry is the entry for c that follows the entry with the hash prev.
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

// link returns the entries for changes that follow head, and the new head.
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
