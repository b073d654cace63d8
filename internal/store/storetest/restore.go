// Stores of earlier versions, kept as files and moved to the present: what
// lives for a time in them lives on as if they had been written just now.

package storetest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// spans are the parts of keys that end in the number of a span of time.
var spans = map[string]time.Duration{"seen": 12 * time.Hour, "joined": 30 * 24 * time.Hour}

var spanKey = regexp.MustCompile(`:(seen|joined):(\d+)$`)

// shift moves the spans that key names by as many as lie between written and
// now.
func shift(key string, written, now time.Time) string {
	m := spanKey.FindStringSubmatch(key)
	if m == nil {
		return key
	}
	length := int64(spans[m[1]] / time.Second)
	n, _ := strconv.ParseInt(m[2], 10, 64)
	n += now.Unix()/length - written.Unix()/length
	return strings.TrimSuffix(key, m[2]) + strconv.FormatInt(n, 10)
}

// RestoreRedis writes the keys of a file into a Redis: a line of JSON for each,
// with its type, its time to live in milliseconds (0: for ever) and its values.
func RestoreRedis(t testing.TB, c redis.UniversalClient, path string, written time.Time) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, now := t.Context(), time.Now()
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		var k struct {
			Key, Type string
			TTL       int64
			Values    [][]byte
		}
		if err := json.Unmarshal(lines.Bytes(), &k); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		key := shift(k.Key, written, now)
		for _, args := range commandsOf(key, k.Type, k.Values) {
			if err := c.Do(ctx, args...).Err(); err != nil {
				t.Fatalf("restore %s: %v", key, err)
			}
		}
		if k.TTL > 0 && len(k.Values) > 0 {
			c.PExpire(ctx, key, time.Duration(k.TTL)*time.Millisecond)
		}
	}
}

// commandsOf makes a key of its values.
func commandsOf(key, kind string, values [][]byte) [][]any {
	args := func(name string, values [][]byte) []any {
		out := []any{name, key}
		for _, v := range values {
			out = append(out, v)
		}
		return out
	}
	name := map[string]string{"string": "SET", "list": "RPUSH", "set": "SADD", "hash": "HSET", "zset": "ZADD"}[kind]
	switch {
	case len(values) == 0:
		return nil
	case kind != "stream":
		return [][]any{args(name, values)}
	}
	var out [][]any
	for len(values) > 0 { // id, number of fields, fields
		n, _ := strconv.Atoi(string(values[1]))
		out = append(out, append([]any{"XADD", key, values[0]}, args("", values[2:2+2*n])[2:]...))
		values = values[2+2*n:]
	}
	return out
}

// RestoreEmbedded copies the DATA_DIR from into the folder to. The files are
// read and written here by what the format says, not by the code under test.
func RestoreEmbedded(t testing.TB, from, to string, written time.Time) {
	t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(from, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s holds no store: %v", from, err)
	}
	now := time.Now()
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(f)
		if strings.HasPrefix(name, "journal-") || strings.HasPrefix(name, "snapshot-") {
			data = moveFile(t, data, written, now)
		}
		if err := os.WriteFile(filepath.Join(to, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

const headerSize = len("PARLEYJ1") + 16

// moveFile moves the clock of a journal or snapshot to the present.
func moveFile(t testing.TB, data []byte, written, now time.Time) []byte {
	t.Helper()
	if !strings.HasPrefix(string(data), "PARLEYJ1") {
		t.Fatal("this is no file of the embedded store")
	}
	out, salt := bytes.Clone(data[:headerSize]), data[8:headerSize]
	for rest := data[headerSize:]; len(rest) > 0; {
		size := int(binary.LittleEndian.Uint32(rest[4:]))
		payload := moveRecords(rest[12:12+size], written, now)
		rest = rest[12+size:]
		length := binary.LittleEndian.AppendUint32(nil, uint32(len(payload)))
		table := crc32.MakeTable(crc32.Castagnoli)
		sum := crc32.Update(crc32.Update(crc32.Update(0, table, salt), table, length), table, payload)
		out = append(out, "\xf5PJ\n"...)
		out = append(out, length...)
		out = binary.LittleEndian.AppendUint32(out, sum)
		out = append(out, payload...)
	}
	return out
}

func moveRecords(p []byte, written, now time.Time) (out []byte) {
	number := func() uint64 {
		n, size := binary.Uvarint(p)
		p = p[size:]
		return n
	}
	for len(p) > 0 {
		kind := p[0]
		p = p[1:]
		out = append(out, kind)
		switch kind {
		case 't':
			out = binary.AppendUvarint(out, number()+uint64(now.Sub(written).Milliseconds()))
		case 'c':
			count := number()
			out = binary.AppendUvarint(out, count)
			for range count {
				n := number()
				arg := shift(string(p[:n]), written, now)
				p = p[n:]
				out = append(binary.AppendUvarint(out, uint64(len(arg))), arg...)
			}
		}
	}
	return out
}
