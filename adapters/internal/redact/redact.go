// Package redact takes a bot's own secrets out of what its platform, or
// something between, says of a call: some proxies repeat what they were sent.
package redact

import (
	"errors"
	"slices"
	"strings"
)

// shortest is what counts as a secret: replacing less would garble sentences.
const shortest = 8

// Secrets are values that no text may hold.
type Secrets []string

// Of are the secrets among values: not the empty ones, and none that is too
// short to be one.
func Of(values ...string) Secrets {
	return slices.DeleteFunc(values, func(v string) bool { return len(v) < shortest })
}

// Text is text without the secrets.
func (s Secrets) Text(text string) string {
	for _, secret := range s {
		text = strings.ReplaceAll(text, secret, "[redacted]")
	}
	return text
}

// Error is err itself where its text holds no secret. Else it is an error whose
// text holds none, which errors.Is knows for the same and errors.As cannot look
// into.
func (s Secrets) Error(err error) error {
	if err == nil {
		return nil
	}
	said := err.Error()
	if text := s.Text(said); text != said {
		return &redacted{text, err}
	}
	return err
}

type redacted struct {
	text string
	err  error
}

func (r *redacted) Error() string { return r.text }

func (r *redacted) Is(target error) bool { return errors.Is(r.err, target) }
