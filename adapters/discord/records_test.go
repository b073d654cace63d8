package discord

import (
	"context"
	"maps"
	"sync"
	"time"

	"parley/internal/chat"
)

// shared is what several processes keep together.
func shared() *forgetful {
	return &forgetful{values: map[string]string{}, until: map[string]time.Time{}}
}

// forgetful is Records in memory.
type forgetful struct {
	mu     sync.Mutex
	values map[string]string
	until  map[string]time.Time
}

func (f *forgetful) Read(_ context.Context, key string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.values[key], nil
}

func (f *forgetful) Swap(_ context.Context, key, old, next string, _ ...chat.Change) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.values[key] != old {
		return false, nil
	}
	f.values[key] = next
	return true, nil
}

func (f *forgetful) First(_ context.Context, key string, within time.Duration) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(f.until, func(_ string, t time.Time) bool { return now.After(t) })
	if _, taken := f.until[key]; taken {
		return false, nil
	}
	f.until[key] = now.Add(within)
	return true, nil
}
