// Package redact removes a bot's own secrets from what its platform, or a
// proxy, says about a call: some proxies repeat what they were sent.
package redact

import (
	"errors"
	"slices"
	"strings"
)

// shortest is the minimum length of a secret: replacing shorter values would
// garble sentences.
const shortest = 8

// Secrets are values that must not appear in any text.
type Secrets []string

// Of selects the secrets among values: those that are long enough.
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

// Error returns err if its text contains no secret. Otherwise it returns an
// error with a redacted text, which works with errors.Is but not with
// errors.As.
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
