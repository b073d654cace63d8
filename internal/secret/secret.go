// Package secret keeps API keys and tokens out of logs, and encrypts what is
// stored.
package secret

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Text is a secret string. It prints, logs and marshals as "[redacted]"; only
// Reveal returns the value.
type Text struct{ value string }

// New wraps a secret.
func New(value string) Text { return Text{value} }

// Reveal returns the secret itself. Review every call.
func (t Text) Reveal() string { return t.value }

// IsZero reports whether there is no secret; encoding/json's omitzero uses it.
func (t Text) IsZero() bool { return t.value == "" }

// String, GoString, Format, MarshalText and LogValue all redact: fmt, slog and
// encoding packages each ask for a different one.
func (t Text) String() string {
	if t.value == "" {
		return ""
	}
	return redacted
}

// GoString redacts %#v.
func (t Text) GoString() string { return t.String() }

// Format redacts every verb.
func (t Text) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(t.String())) }

// LogValue redacts in slog.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText redacts in JSON and YAML.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText takes the value unchanged.
func (t *Text) UnmarshalText(b []byte) error {
	t.value = string(b)
	return nil
}

// MinToken is the minimum length of an admin token in characters.
const MinToken = 16

// GenerateToken makes an admin token of 192 random bits.
func GenerateToken() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
