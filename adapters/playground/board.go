// What the adapter needs of a place that keeps its messages.

package playground

import (
	"context"
	"time"
)

// Board keeps the playground's messages, which no platform keeps for it. It
// knows nothing of them: a record is bytes, and a room is where records stand
// in order. Every method is safe for concurrent use and by several processes.
type Board interface {
	// Add puts a record at the end of a room. A record that is there already
	// under the same id stays as it is, and added is false.
	Add(ctx context.Context, room, id string, at time.Time, data []byte) (added bool, err error)
	// Set replaces a record; found is false when there is none to replace.
	Set(ctx context.Context, room, id string, data []byte) (found bool, err error)
	// Remove takes a record away; one that is not there is no error.
	Remove(ctx context.Context, room, id string) error
	// Get reads one record.
	Get(ctx context.Context, id string) (data []byte, found bool, err error)
	// List reads the last n records of a room that were added before a time
	// (the zero time: up to now), oldest first.
	List(ctx context.Context, room string, before time.Time, n int) (ids []string, data [][]byte, err error)
	// Sizes counts the records of each room and says when the last was added.
	Sizes(ctx context.Context, rooms []string) (counts []int, last []time.Time, err error)
	// Signal tells every watcher something that is not worth keeping.
	Signal(ctx context.Context, room, note string) error
	// Watch calls changed for each record added, replaced or removed anywhere (id set)
	// and each signal (note set), and with an empty room whenever changes may
	// have been missed. It returns when ctx ends or the feed breaks.
	Watch(ctx context.Context, changed func(room, id, note string)) error
}
