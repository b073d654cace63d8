// The whole store as the commands that rebuild it.

package store

import (
	"strconv"
	"time"
)

// snapshotPart is how many bytes one frame of a snapshot has.
const snapshotPart = 1 << 20

// dump returns a snapshot file in pieces. No write may run meanwhile.
func (e *embedded) dump() [][]byte {
	header, salt := newFileHeader()
	d := &dumper{chunks: [][]byte{header}, salt: salt}
	d.frame = appendClock(d.room(), e.clock.ms)
	m := e.server
	for _, key := range m.Keys() {
		if transient(key) {
			continue
		}
		switch m.Type(key) {
		case "string":
			v, _ := m.Get(key)
			d.add("SET", key, v)
		case "hash":
			fields, _ := m.HKeys(key)
			d.each("HSET", key, 2*len(fields), func(i int) string {
				if i%2 == 0 {
					return fields[i/2]
				}
				return m.HGet(key, fields[i/2])
			})
		case "list":
			v, _ := m.List(key)
			d.each("RPUSH", key, len(v), func(i int) string { return v[i] })
		case "set":
			v, _ := m.SMembers(key)
			d.each("SADD", key, len(v), func(i int) string { return v[i] })
		case "zset":
			scores, _ := m.SortedSet(key)
			for member, score := range scores {
				d.add("ZADD", key, strconv.FormatFloat(score, 'g', -1, 64), member)
			}
		case "stream":
			entries, _ := m.Stream(key)
			for _, entry := range entries {
				d.add(append([]string{"XADD", key, entry.ID}, entry.Values...)...)
			}
		}
		if ttl := m.TTL(key); ttl > 0 {
			d.add("PEXPIRE", key, strconv.FormatInt(max(1, int64(ttl/time.Millisecond)), 10))
		}
	}
	d.frame = append(d.frame, recordEnd)
	d.seal()
	return d.chunks
}

type dumper struct {
	chunks [][]byte
	salt   []byte
	frame  []byte
}

func (d *dumper) room() []byte { return make([]byte, frameHeader, 64<<10) }

func (d *dumper) add(args ...string) {
	d.frame = appendCommand(d.frame, args)
	if len(d.frame) >= snapshotPart {
		d.seal()
		d.frame = d.room()
	}
}

// each adds n arguments of one key in commands of at most 256.
func (d *dumper) each(name, key string, n int, arg func(i int) string) {
	const most = 256
	for from := 0; from < n; from += most {
		args := []string{name, key}
		for i := from; i < min(n, from+most); i++ {
			args = append(args, arg(i))
		}
		d.add(args...)
	}
}

func (d *dumper) seal() {
	sealFrame(d.frame, d.salt)
	d.chunks = append(d.chunks, d.frame)
}
