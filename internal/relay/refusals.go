// How often refused people are told so: who may not use a bot must not be able
// to keep it writing, or to hold up others in their thread.

package relay

import (
	"sync"
	"time"
)

// Refusal figures: refusalBurst sentences at once, then one each refusalEvery.
const (
	refusalBurst = 5
	refusalEvery = time.Minute
	// refusalPeople bounds what is remembered.
	refusalPeople = 10_000
)

// refusals counts the sentences each person was told.
type refusals struct {
	mu    sync.Mutex
	until map[string]time.Time // when the last sentence is paid off
}

// mayTell reports whether the person may be told once more now.
func (f *refusals) mayTell(person string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if f.until == nil || len(f.until) >= refusalPeople {
		f.until = map[string]time.Time{}
	}
	from := f.until[person]
	if from.Before(now) {
		from = now
	}
	if from.Sub(now) > (refusalBurst-1)*refusalEvery {
		return false
	}
	f.until[person] = from.Add(refusalEvery)
	return true
}
