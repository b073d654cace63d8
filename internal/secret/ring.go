// Encryption at rest: AES-256-GCM under a ring of named keys.

package secret

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// ErrSealed means that a sealed value cannot be opened: its key is not in the
// ring, the value was altered, or it was moved from where it was stored.
var ErrSealed = errors.New("sealed value cannot be opened with the keys in MASTER_KEYS")

// ErrUnknownKey is the ErrSealed of a value with a key that is not in the
// ring. Another process may have it.
var ErrUnknownKey = fmt.Errorf("%w: it was sealed with a key that is not among them", ErrSealed)

// Ring is a list of named keys: the first encrypts, all decrypt.
type Ring struct {
	names []string
	aeads map[string]cipher.AEAD
}

// GenerateKey returns a new ring entry, "name:base64(32 random bytes)".
func GenerateKey(name string) string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails since Go 1.24
	return name + ":" + base64.StdEncoding.EncodeToString(key)
}

// ParseRing parses "name:base64(32 bytes)[,older…]". The error never contains
// key material.
func ParseRing(s string) (*Ring, error) {
	r := &Ring{aeads: map[string]cipher.AEAD{}}
	for i, entry := range strings.Split(s, ",") {
		name, encoded, ok := strings.Cut(strings.TrimSpace(entry), ":")
		if !ok || name == "" || len(name) > 255 {
			return nil, fmt.Errorf("key %d is not name:base64", i+1)
		}
		key, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(key) != 32 {
			return nil, fmt.Errorf("key %q is not the base64 of 32 bytes", name)
		}
		if _, twice := r.aeads[name]; twice {
			return nil, fmt.Errorf("key name %q is used twice", name)
		}
		derived, err := hkdf.Key(sha256.New, key, nil, "parley seal v1", 32)
		if err != nil {
			return nil, fmt.Errorf("derive key %q: %w", name, err)
		}
		block, err := aes.NewCipher(derived)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", name, err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", name, err)
		}
		r.names = append(r.names, name)
		r.aeads[name] = aead
	}
	return r, nil
}

// Seal encrypts plain and binds it to where it will be stored: Open fails for
// any other place. Layout: one byte for the length of the key's name, the
// name, nonce and ciphertext.
func (r *Ring) Seal(plain []byte, where string) []byte {
	name := r.names[0]
	out := make([]byte, 0, 1+len(name)+len(plain)+28)
	out = append(out, byte(len(name)))
	out = append(out, name...)
	return r.aeads[name].Seal(out, nil, plain, []byte(where))
}

// Open decrypts what Seal made for the same place. Stale means that an older
// key of the ring encrypted it: store it again.
func (r *Ring) Open(sealed []byte, where string) (plain []byte, stale bool, err error) {
	if len(sealed) == 0 || len(sealed) < 1+int(sealed[0]) {
		return nil, false, ErrSealed
	}
	name, body := string(sealed[1:1+sealed[0]]), sealed[1+sealed[0]:]
	aead, ok := r.aeads[name]
	if !ok {
		return nil, false, fmt.Errorf("%w: %q", ErrUnknownKey, name)
	}
	plain, err = aead.Open(nil, nil, body, []byte(where))
	if err != nil {
		return nil, false, ErrSealed
	}
	return bytes.Clone(plain), name != r.names[0], nil
}
