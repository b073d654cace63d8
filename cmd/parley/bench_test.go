// What a person waits for and what an answer costs, measured on the real
// binary: first token → first words, last token → final text, CPU and memory.

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"parley/internal/fake/openai"
	"parley/internal/fake/slack"
)

// The load of DESIGN's bars: 300 tokens, each its own packet, at 50 a second;
// calls to the platform take 80 ms and are not limited.
const (
	benchTokens  = 300
	benchPace    = 20 * time.Millisecond
	benchLatency = 80 * time.Millisecond
)

// tokenServer streams benchTokens tokens to each request and knows when.
type tokenServer struct {
	*httptest.Server
	mu          sync.Mutex
	first, last map[string]time.Time // by prompt
}

func newTokenServer(b *testing.B) *tokenServer {
	s := &tokenServer{first: map[string]time.Time{}, last: map[string]time.Time{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.answer))
	b.Cleanup(s.Close)
	return s
}

func (s *tokenServer) note(at map[string]time.Time, prompt string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at[prompt] = time.Now()
}

func token(i int) string {
	return `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m1","choices":[{"index":0,"delta":{"content":"token` + strconv.Itoa(i) + ` "},"logprobs":null,"finish_reason":null}]}` + "\n\n"
}

func (s *tokenServer) answer(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Messages []struct{ Content string }
	}
	if json.NewDecoder(r.Body).Decode(&request) != nil || len(request.Messages) == 0 {
		http.Error(w, `{"data":[]}`, http.StatusNotFound)
		return
	}
	prompt := request.Messages[len(request.Messages)-1].Content
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w).Flush
	tick := time.NewTicker(benchPace)
	defer tick.Stop()
	s.note(s.first, prompt)
	for i := range benchTokens {
		if i > 0 {
			<-tick.C
		}
		_, _ = io.WriteString(w, token(i))
		_ = flush()
	}
	s.note(s.last, prompt)
	_, _ = io.WriteString(w, `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
}

// BenchmarkAnswers runs that many answers at once and reports per answer.
func BenchmarkAnswers(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("at-once=%d", n), func(b *testing.B) { benchmarkAnswers(b, n) })
	}
}

func benchmarkAnswers(b *testing.B, n int) {
	models := newTokenServer(b)
	dir := b.TempDir()
	bots := filepath.Join(dir, "bots")
	providers := filepath.Join(dir, "providers.yaml")
	if os.MkdirAll(bots, 0o755) != nil || os.WriteFile(filepath.Join(bots, "helper.yaml"), []byte(helperYAML), 0o600) != nil ||
		os.WriteFile(providers, []byte("lab: {endpoint: "+models.URL+"/v1/chat/completions, models: [m1]}\n"), 0o600) != nil {
		b.Fatal("cannot write the configuration")
	}
	ws, err := slack.Start(slack.Options{Latency: benchLatency, Limits: slack.Limits{Off: true}, NoEcho: true})
	if err != nil {
		b.Fatal(err)
	}
	defer ws.Close()
	app := ws.App("")
	s := startProcess(b, dir, map[string]string{
		"ADMIN_TOKEN": adminToken, "HTTP_ADDR": "127.0.0.1:0", "DATA_DIR": filepath.Join(dir, "data"), "BOTS_DIR": bots, "PROVIDERS_FILE": providers,
		"SLACK_API_URL": ws.APIURL(), "SLACK_BOT_TOKEN": app.BotToken, "SLACK_SIGNING_SECRET": app.SigningSecret,
		"SLACK_UPDATE_LIMIT": "off", "LOG_LEVEL": "warn", "DISCOVER_LOCAL": "off", "PATH": os.Getenv("PATH"),
	})
	defer s.stop()
	ws.Serve("", "http://"+s.addr+"/slack/helper")
	s.awaitReady(b)

	var firstWords, final []time.Duration
	before := cpuOf(b, s.cmd.Process.Pid)
	answers := 0
	for b.Loop() {
		run := answers
		stamps := map[string]string{}
		for i := range n {
			prompt := fmt.Sprintf("question %d of run %d", i, run)
			stamps[prompt] = ws.Mention(fmt.Sprintf("C%d", i), "U1", prompt)
		}
		for prompt, ts := range stamps {
			channel := "C" + strings.Fields(prompt)[1]
			var seen []slack.Seen
			ended := func() bool {
				a := ws.Answers(channel, ts)
				if len(a) != 1 || len(a[0].Controls) > 0 || !strings.HasSuffix(strings.TrimSpace(a[0].Seen), "token299") {
					return false
				}
				seen = ws.Timeline(a[0].TS)
				return true
			}
			if err := ws.Await(b.Context(), ended); err != nil {
				b.Fatal(err)
			}
			models.mu.Lock()
			firstWords = append(firstWords, seen[0].At.Sub(models.first[prompt]))
			final = append(final, seen[len(seen)-1].At.Sub(models.last[prompt]))
			models.mu.Unlock()
		}
		answers += n
	}
	cpu := cpuOf(b, s.cmd.Process.Pid) - before
	bare := bareReader(b, models.URL, n)
	b.ReportMetric(ms(percentile(firstWords, 50)), "first-words-p50-ms")
	b.ReportMetric(ms(percentile(firstWords, 99)), "first-words-p99-ms")
	b.ReportMetric(ms(percentile(final, 50)), "final-p50-ms")
	b.ReportMetric(ms(percentile(final, 95)), "final-p95-ms")
	b.ReportMetric(ms(percentile(final, 99)), "final-p99-ms")
	b.ReportMetric(ms(cpu)/float64(answers), "cpu-ms/answer")
	b.ReportMetric(ms(bare)/float64(n), "bare-reader-cpu-ms/answer")
	b.ReportMetric(peakMiB(b, s.cmd.Process.Pid), "peak-MiB")
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func percentile(all []time.Duration, p int) time.Duration {
	slices.Sort(all)
	return all[(len(all)-1)*p/100]
}

// cpuOf is the processor time a process has used.
func cpuOf(b *testing.B, pid int) time.Duration {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+2:]))
	ticks := 0
	for _, f := range fields[11:13] { // utime, stime
		n, _ := strconv.Atoi(f)
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100)
}

func peakMiB(b *testing.B, pid int) float64 {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024
		}
	}
	return 0
}

// bareReader is the floor: a process of its own that reads the same streams
// line by line and does nothing with them. It returns the processor time used.
func bareReader(b *testing.B, url string, n int) time.Duration {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestBareReader$", "-test.count=1")
	cmd.Env = append(os.Environ(), "PARLEY_BARE_URL="+url, "PARLEY_BARE_STREAMS="+strconv.Itoa(n))
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("bare reader: %v\n%s", err, out)
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// TestBareReader is the child process of bareReader; by itself it checks that
// the reader sees every token of a stream.
func TestBareReader(t *testing.T) {
	t.Parallel()
	url, streams := os.Getenv("PARLEY_BARE_URL"), 1
	if url == "" {
		model := openai.New(t)
		model.Answer(strings.Repeat("token ", benchTokens))
		url = strings.TrimSuffix(model.Endpoint(), "/v1/chat/completions")
	} else {
		streams, _ = strconv.Atoi(os.Getenv("PARLEY_BARE_STREAMS"))
	}
	var wg sync.WaitGroup
	for i := range streams {
		wg.Go(func() {
			body := fmt.Sprintf(`{"model":"m1","stream":true,"messages":[{"role":"user","content":"bare %d"}]}`, i)
			response, err := http.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			lines := 0
			for scan := bufio.NewScanner(response.Body); scan.Scan(); {
				if strings.HasPrefix(scan.Text(), "data:") {
					lines++
				}
			}
			if lines < benchTokens {
				t.Errorf("read %d events, want at least %d", lines, benchTokens)
			}
		})
	}
	wg.Wait()
	runtime.KeepAlive(&wg)
}
