// Package doortest gives tests a door that keeps sessions in memory.
package doortest

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"parley/internal/door"
	"parley/internal/secret"
)

// Memory is a door.Memory for one process.
type Memory struct {
	mu     sync.Mutex
	kept   map[string]entry
	Broken error // what every method says, if set
}

type entry struct {
	data []byte
	end  time.Time
}

// Save keeps data.
func (m *Memory) Save(_ context.Context, key string, data []byte, ttl time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil {
		m.kept = map[string]entry{}
	}
	if m.Broken == nil {
		m.kept[key] = entry{data, time.Now().Add(ttl)}
	}
	return m.Broken
}

// Load finds it again until its time is over.
func (m *Memory) Load(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.kept[key]
	if !ok || !time.Now().Before(e.end) {
		return nil, m.Broken
	}
	return e.data, m.Broken
}

// Take finds it once.
func (m *Memory) Take(ctx context.Context, key string) ([]byte, error) {
	data, err := m.Load(ctx, key)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		delete(m.kept, key)
	}
	return data, err
}

// Keys are the names of what is kept.
func (m *Memory) Keys() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for key := range m.kept {
		out = append(out, key)
	}
	return out
}

// New makes a door with a memory of its own.
func New(t testing.TB, token string) *door.Door {
	t.Helper()
	return With(t, token, &Memory{})
}

// With makes a door on a memory, as another replica does.
func With(t testing.TB, token string, m *Memory) *door.Door {
	t.Helper()
	d, err := door.New(door.Options{Token: secret.New(token), Memory: m, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Session is the Cookie header of a fresh session.
func Session(t testing.TB, d *door.Door) string {
	t.Helper()
	code, _, err := d.NewCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := d.Exchange(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil), code); err != nil {
		t.Fatal(err)
	}
	c := w.Result().Cookies()[0]
	return c.Name + "=" + c.Value
}
