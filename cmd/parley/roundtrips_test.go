// What an answer asks of Redis: round trips, counted on the wire.

package main

import (
	"bufio"
	"io"
	"maps"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"

	"parley/internal/fake/discord"
	"parley/internal/fake/openai"
)

// tap is a proxy in front of Redis that notes each request: what a client sends
// before it waits for a reply.
type tap struct {
	addr string
	mu   sync.Mutex
	seen []string
}

func newTap(t *testing.T, redis string) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := &tap{addr: l.Addr().String()}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client, redis)
		}
	}()
	return p
}

func (p *tap) serve(client net.Conn, redis string) {
	defer client.Close()
	server, err := net.Dial("tcp", redis)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	}()
	from := bufio.NewReaderSize(client, 1<<20)
	for {
		if _, err := from.Peek(1); err != nil {
			return
		}
		request, _ := from.Peek(from.Buffered())
		p.note(string(request))
		if _, err := server.Write(request); err != nil {
			return
		}
		_, _ = from.Discard(len(request))
	}
}

var bulkString = regexp.MustCompile(`\$\d+\r\n([[:print:]]+)\r\n`)

func (p *tap) note(request string) {
	var words []string
	for _, m := range bulkString.FindAllStringSubmatch(request, 16) {
		words = append(words, m[1])
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, strings.Join(words, " "))
}

// forget drops what was noted.
func (p *tap) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = nil
}

// forAnswers are the requests made for answers, by their first key or keys. What
// a process asks for anyway, however much it answers, is not among them: leases,
// scopes, the registry's version, trusted servers, learned limits.
var forAnswers = []struct {
	name    string
	pattern *regexp.Regexp
}{
	{"put", regexp.MustCompile(`^eval\S* .*:events \S+:events:last `)},
	{"read", regexp.MustCompile(`^xread `)},
	{"begin", regexp.MustCompile(`^eval\S* (\S+ )?2 \S+:owner \S+:turns `)},
	{"place", regexp.MustCompile(`^hmget \S+:\{registry\}:`)},
	{"transcript", regexp.MustCompile(`^(get|lrange) \S+:(forgot|conv):`)},
	{"record", regexp.MustCompile(`^eval\S* (\S+ )?3 \S+:owner \S+:turns \S+:events `)},
	{"close", regexp.MustCompile(`^eval\S* .*:owner \S+:events \S+:turns \S+:stops `)},
}

// count sorts what was noted by what it is for. What the process asks for anyway
// is left out; any other request about a scope is unknown.
func (p *tap) count() (counts map[string]int, unknown []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts = map[string]int{}
next:
	for _, request := range p.seen {
		for _, kind := range forAnswers {
			if kind.pattern.MatchString(request) {
				counts[kind.name]++
				continue next
			}
		}
		if strings.Contains(request, "{discord:") && !strings.Contains(request, ":owner:lease ") && !strings.Contains(request, "{memo}") {
			unknown = append(unknown, request)
		}
	}
	return counts, unknown
}

// An answer costs the store six round trips and one for each of its messages.
func TestRoundTripsOfAnAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.useRedis()
	p := newTap(t, strings.TrimPrefix(w.env["REDIS_URL"], "redis://"))
	w.env["REDIS_URL"] = "redis://" + p.addr
	d := w.useDiscord(discord.Options{})
	w.start()
	ask := func(text string, messages int) (counts map[string]int, unknown []string) {
		t.Helper()
		// In one piece: a message that grows is recorded as it grows.
		w.model.Func(func(openai.Request) openai.Reply { return openai.Reply{Chunks: []string{text}} })
		p.forget()
		id := d.Mention("general", "ann", "write")
		w.until("the answer is closed", func() bool {
			counts, unknown = p.count()
			return counts["close"] > 0
		})
		if n := len(d.Replies(id)); n != messages {
			t.Errorf("the answer has %d messages, not %d", n, messages)
		}
		return counts, unknown
	}
	ask("The first one opens connections and loads the scripts.", 1)
	paragraph := strings.Repeat("word ", 60)
	for messages, text := range map[int]string{1: "Short answer.", 3: strings.TrimSpace(strings.Repeat(paragraph+"\n\n", 16))} {
		want := map[string]int{"put": 1, "read": 1, "begin": 1, "place": 1, "transcript": 1, "record": messages, "close": 1}
		got, unknown := ask(text, messages)
		if !maps.Equal(got, want) {
			t.Errorf("an answer in %d messages: %v, want %v", messages, got, want)
		}
		if len(unknown) > 0 {
			t.Errorf("requests that the count does not know:\n%s", strings.Join(unknown, "\n"))
		}
	}
}
