package completion

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"parley/internal/fake/openai"
	"parley/internal/provider"
)

// serverVariable makes the test binary a model server: the benchmarks run it as
// a process of its own, so that its work is not counted as the client's.
const serverVariable = "PARLEY_BENCH_MODEL_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serverVariable) != "" {
		os.Exit(serveModels())
	}
	os.Exit(m.Run())
}

// serveModels prints its endpoint and serves until its standard input ends.
// A question with the word "idle" gets one word and then silence; any other a
// hundred words, twenty a second.
func serveModels() int {
	srv, err := openai.Start(openai.Options{Profile: "vllm"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	srv.Func(func(r openai.Request) openai.Reply {
		if strings.Contains(r.Prompt(), "idle") {
			return openai.Reply{Text: "one two", Fault: openai.FaultSilence, After: 1}
		}
		return openai.Reply{Text: strings.Repeat("token ", streamTokens), Interval: time.Second / streamRate}
	})
	fmt.Println(srv.Endpoint())
	_, _ = io.Copy(io.Discard, os.Stdin)
	srv.Close()
	return 0
}

const (
	streamTokens = 100
	streamRate   = 20 // tokens per second
)

func benchServer(b *testing.B) provider.Provider {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), self)
	cmd.Env = append(os.Environ(), serverVariable+"=1", "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	line, err := newLines(stdout).next()
	if err != nil {
		b.Fatal(err)
	}
	return record(string(line), "m")
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkDecodeDelta reads one delta of an endless stream.
func BenchmarkDecodeDelta(b *testing.B) {
	event := `data: {"id":"chatcmpl-9f2c","object":"chat.completion.chunk","created":1700000000,"model":"qwen3-8b","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}]}` + "\n\n"
	for name, event := range map[string]string{
		"ascii":   event,
		"escaped": strings.Replace(event, " token", `\n\"t\u00f6\ud83d\ude00`, 1),
	} {
		b.Run(name, func(b *testing.B) {
			d := newDecoder(&endless{data: []byte(strings.Repeat(event, 50))}, "text/event-stream")
			b.SetBytes(int64(len(event)))
			b.ReportAllocs()
			for b.Loop() {
				if delta, err := d.next(); err != nil || delta.Text == "" {
					b.Fatalf("%+v, %v", delta, err)
				}
			}
		})
	}
}

// endless repeats data.
type endless struct {
	data []byte
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.data[e.at:])
	e.at = (e.at + n) % len(e.data)
	return n, nil
}

// BenchmarkThousandStreams runs 1,000 answers of 100 tokens at 20 tokens a
// second, each token its own packet: first as a bare reader that discards every
// byte, then through the client. It reports the CPU of each per answer, their
// ratio, and the client's memory per stream.
func BenchmarkThousandStreams(b *testing.B) {
	const streams = 1000
	p := benchServer(b)
	c := loopbackBench(b)
	for b.Loop() {
		floor, _ := measure(b, streams, func() error { return discard(b.Context(), p) })
		cost, memory := measure(b, streams, func() error {
			tokens := 0
			for d, err := range c.Stream(b.Context(), p, benchRequest("count")) {
				if err != nil {
					return err
				}
				if d.Text != "" {
					tokens++
				}
			}
			if tokens != streamTokens {
				return fmt.Errorf("%d tokens", tokens)
			}
			return nil
		})
		b.ReportMetric(floor.Seconds()*1000/streams, "floor-cpu-ms/answer")
		b.ReportMetric(cost.Seconds()*1000/streams, "cpu-ms/answer")
		b.ReportMetric(cost.Seconds()/floor.Seconds(), "x-floor")
		b.ReportMetric(memory/streams/1024, "KiB/stream")
	}
}

func benchRequest(words string) Request {
	return Request{Model: "m", Messages: []Message{Text("user", words)}, Retry: Retry{Max: -1}}
}

func loopbackBench(b *testing.B) *Client {
	b.Helper()
	n, err := provider.ParseNetworks("loopback", true)
	if err != nil {
		b.Fatal(err)
	}
	return NewClient(Options{Networks: n})
}

// discard reads a stream and looks at nothing.
func discard(ctx context.Context, p provider.Provider) error {
	body, _, err := buildBody(p, benchRequest("count"), provider.Quirks{})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Endpoint, strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	resp, err := benchTransport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

var benchTransport = &http.Transport{MaxIdleConnsPerHost: 2000, DisableCompression: true}

// measure runs one n times at once and returns the CPU it took and the memory
// in use halfway.
func measure(b *testing.B, n int, one func() error) (cpu time.Duration, memory float64) {
	b.Helper()
	runtime.GC()
	before, start := inUse(), cpuTime(b)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if err := one(); err != nil {
				b.Error(err)
			}
		})
	}
	halfway := time.NewTimer(streamTokens * time.Second / streamRate / 2)
	<-halfway.C
	memory = inUse() - before
	wg.Wait()
	return cpuTime(b) - start, memory
}

// inUse is the memory of heap and stacks, garbage included.
func inUse() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse + m.StackInuse)
}

// BenchmarkIdleStreams opens 10,000 streams that have sent one token each and
// reports what one costs the client in memory.
func BenchmarkIdleStreams(b *testing.B) {
	streams := 10_000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil && limit.Cur < uint64(streams)+100 {
		streams = int(limit.Cur) - 100
	}
	p := benchServer(b)
	c := loopbackBench(b)
	for b.Loop() {
		runtime.GC()
		before := inUse()
		ctx, cancel := context.WithCancel(b.Context())
		var open atomic.Int64
		var ready, all sync.WaitGroup
		ready.Add(streams)
		gate := make(chan struct{}, 200) // handshakes at once
		for range streams {
			all.Go(func() {
				gate <- struct{}{}
				first := true
				for _, err := range c.Stream(ctx, p, benchRequest("idle")) {
					if first {
						first = false
						<-gate
						open.Add(1)
						ready.Done()
					}
					if e, ok := errors.AsType[*Error](err); ok && e.Kind != KindCanceled {
						b.Error(err)
					}
				}
			})
		}
		ready.Wait()
		runtime.GC()
		b.ReportMetric((inUse()-before)/float64(streams)/1024, "KiB/stream")
		b.ReportMetric(float64(open.Load()), "streams")
		cancel()
		all.Wait()
	}
}
