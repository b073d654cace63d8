package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// However a secret is printed, alone or inside a struct, its value does not
// appear.
func TestASecretIsNeverPrinted(t *testing.T) {
	const value = "sk-very-secret"
	record := struct {
		Key  Text
		Keys map[string]Text
		Ptr  *Text
	}{New(value), map[string]Text{"a": New(value)}, new(New(value))}

	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("x", "key", record.Key, "record", record, "pointer", &record.Key)
	encoded, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	printed := []string{log.String(), string(encoded), fmt.Errorf("key %v", record.Key).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		printed = append(printed, fmt.Sprintf(verb, record.Key), fmt.Sprintf(verb, record), fmt.Sprintf(verb, &record))
	}
	for _, text := range printed {
		if strings.Contains(text, value) || strings.Contains(text, fmt.Sprintf("%x", value)) {
			t.Errorf("the secret is printed: %s", text)
		}
	}
	if record.Key.Reveal() != value {
		t.Errorf("Reveal gave %q", record.Key.Reveal())
	}
	if !(Text{}).IsZero() || New(value).IsZero() {
		t.Error("IsZero is wrong")
	}
}

func ring(t *testing.T, s string) *Ring {
	t.Helper()
	r, err := ParseRing(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSealedValuesOpenOnlyWhereTheyWereStored(t *testing.T) {
	r := ring(t, GenerateKey("a"))
	sealed := r.Seal([]byte("what was said"), "place")
	if bytes.Contains(sealed, []byte("what was said")) {
		t.Fatal("the value is not sealed")
	}
	plain, stale, err := r.Open(sealed, "place")
	if err != nil || stale || string(plain) != "what was said" {
		t.Fatalf("got %q, stale %v, %v", plain, stale, err)
	}
	if _, _, err := r.Open(sealed, "another place"); !errors.Is(err, ErrSealed) {
		t.Errorf("moved elsewhere it opened: %v", err)
	}
	for i := range sealed {
		damaged := bytes.Clone(sealed)
		damaged[i] ^= 1
		if _, _, err := r.Open(damaged, "place"); !errors.Is(err, ErrSealed) {
			t.Errorf("damaged at byte %d it opened: %v", i, err)
		}
		if _, _, err := r.Open(sealed[:i], "place"); !errors.Is(err, ErrSealed) {
			t.Errorf("cut at byte %d it opened: %v", i, err)
		}
	}
}

func TestOlderKeysOpenAndAreToldStale(t *testing.T) {
	older, newer := GenerateKey("older"), GenerateKey("newer")
	sealed := ring(t, older).Seal([]byte("x"), "place")
	if _, stale, err := ring(t, newer+","+older).Open(sealed, "place"); err != nil || !stale {
		t.Errorf("stale %v, %v", stale, err)
	}
	if _, _, err := ring(t, newer).Open(sealed, "place"); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("without its key: %v", err)
	}
	if _, _, err := ring(t, GenerateKey("older")).Open(sealed, "place"); !errors.Is(err, ErrSealed) {
		t.Errorf("with another key of the same name: %v", err)
	}
}

func TestAWrongRingIsExplainedWithoutKeyMaterial(t *testing.T) {
	good := GenerateKey("a")
	_, material, _ := strings.Cut(good, ":")
	for _, s := range []string{"", "a", "a:", ":" + material, "a:" + material[:20], good + "," + good, "a:not base64!"} {
		_, err := ParseRing(s)
		if err == nil {
			t.Errorf("ParseRing(%q) took it", s)
			continue
		}
		if strings.Contains(err.Error(), material[:12]) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
}
