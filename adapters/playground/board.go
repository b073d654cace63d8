// The interface of the store for the playground's messages.

package playground

import (
	"context"
	"time"
)

// Board stores the playground's messages, which no platform stores for it. It
// does not know their content: a record is bytes, and a room orders records.
// Every method is safe for concurrent use, also by several processes.
type Board interface {
	// Add appends a record to a room. If a record with the id exists, it stays
	// unchanged, and added is false.
	Add(ctx context.Context, room, id string, at time.Time, data []byte) (added bool, err error)
	// Set replaces a record; found is false if there is none.
	Set(ctx context.Context, room, id string, data []byte) (found bool, err error)
	// Remove deletes a record. It is not an error if there is none.
	Remove(ctx context.Context, room, id string) error
	// Get reads one record.
	Get(ctx context.Context, id string) (data []byte, found bool, err error)
	// List reads the last n records of a room that were added before a time
	// (the zero time: up to now), oldest first.
	List(ctx context.Context, room string, before time.Time, n int) (ids []string, data [][]byte, err error)
	// Sizes counts the records of each room and says when the last was added.
	Sizes(ctx context.Context, rooms []string) (counts []int, last []time.Time, err error)
	// Signal sends every watcher a note that is not stored.
	Signal(ctx context.Context, room, note string) error
	// Watch calls changed for every record added, replaced or removed anywhere (id
	// set), for every signal (note set), and with an empty room whenever it may
	// have missed changes. It returns when ctx ends or the feed breaks.
	Watch(ctx context.Context, changed func(room, id, note string)) error
}
