//go:build unix

// kill -9 and SIGSTOP: replicas as processes of their own. The test binary
// runs itself as a replica that answers what it is told on standard input.

package inbox_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"parley/internal/inbox"
	"parley/internal/secret"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

const replicaEnv = "PARLEY_TEST_REPLICA"

// replicaConfig is what a child process needs to know.
type replicaConfig struct {
	Name, URL, DataDir, Keys string
	Work                     time.Duration // of one answer; "hold" messages wait for their context
}

// report is one line a replica prints.
type report struct {
	Replica string
	What    string // ready, put, failed, begun, lost, closed
	Key     string `json:",omitempty"`
	Turn    string `json:",omitempty"`
	Attempt int    `json:",omitempty"`
	Posted  int    `json:",omitempty"`
	Err     string `json:",omitempty"`
}

func TestMain(m *testing.M) {
	if config := os.Getenv(replicaEnv); config != "" {
		if err := replica(context.Background(), config); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func replica(ctx context.Context, config string) error {
	var c replicaConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	s, err := store.Open(ctx, store.Options{URL: c.URL, DataDir: c.DataDir, Log: log})
	if err != nil {
		return err
	}
	ring, err := secret.ParseRing(c.Keys)
	if err != nil {
		return err
	}
	r := &child{replicaConfig: c, out: json.NewEncoder(os.Stdout)}
	r.in = inbox.New(inbox.Options{Client: s.Client, Prefix: "parley", Ring: ring, Log: log.With("replica", c.Name)})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		r.listen(ctx)
	}()
	r.say(report{What: "ready"})
	return r.in.Run(ctx, r.handle, inbox.RunOptions{Grace: time.Second})
}

// child is the replica in its own process.
type child struct {
	replicaConfig
	in  *inbox.Inbox
	mu  sync.Mutex
	out *json.Encoder
}

func (c *child) say(r report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.Replica = c.Name
	_ = c.out.Encode(r)
}

// listen takes the messages that come on standard input until it ends.
func (c *child) listen(ctx context.Context) {
	lines := json.NewDecoder(os.Stdin)
	for {
		var key string
		if lines.Decode(&key) != nil {
			return
		}
		go func() {
			if err := c.in.Put(ctx, message(key, "C"+key[len(key)-1:], key)); err != nil {
				c.say(report{What: "failed", Key: key, Err: err.Error()})
				return
			}
			c.say(report{What: "put", Key: key})
		}()
	}
}

func (c *child) handle(ctx context.Context, t *inbox.Turn) error {
	key := t.Message.Key
	c.say(report{What: "begun", Key: key, Turn: t.ID, Attempt: t.Attempt, Posted: len(t.Posted)})
	if err := t.Record(ctx, inbox.Part{Key: t.ID + "-0", Pending: true}); err != nil {
		return err
	}
	work := time.NewTimer(c.Work)
	if strings.HasPrefix(key, "hold") && t.Attempt == 1 {
		work.Reset(time.Hour)
	}
	select {
	case <-work.C:
	case <-ctx.Done():
		_, _, guardErr := t.Guard(context.WithoutCancel(ctx))
		closeErr := t.Close(context.WithoutCancel(ctx), count(c.in, key))
		c.say(report{What: "lost", Key: key, Err: fmt.Sprint(context.Cause(ctx), "|", errors.Is(guardErr, inbox.ErrLost), "|", errors.Is(closeErr, inbox.ErrLost))})
		return context.Cause(ctx)
	}
	if err := t.Record(ctx, inbox.Part{Key: t.ID + "-0", ID: "m"}); err != nil {
		return err
	}
	if err := t.Close(ctx, count(c.in, key)); err != nil {
		return err
	}
	c.say(report{What: "closed", Key: key, Turn: t.ID})
	return nil
}

// count is how a replica answers: it adds one to the message's count.
func count(in *inbox.Inbox, key string) inbox.Write {
	return inbox.Write{Key: in.ScopeKey(scope, "answers"), Increments: map[string]float64{key: 1}}
}

// process is a running replica.
type process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	gone  chan struct{}
	lines *json.Encoder
	mu    sync.Mutex
}

func startReplica(t testing.TB, c replicaConfig, reports chan<- report) *process {
	t.Helper()
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), replicaEnv+"="+string(config))
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, in: in, gone: make(chan struct{}), lines: json.NewEncoder(in)}
	go func() {
		defer close(p.gone)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var r report
			if json.Unmarshal(lines.Bytes(), &r) == nil {
				reports <- r
			}
		}
		_ = cmd.Wait()
	}()
	t.Cleanup(p.kill)
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.gone
}

// deliver hands a message to the replica; a dead one does not take it.
func (p *process) deliver(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.lines.Encode(key)
}

func await(t testing.TB, reports <-chan report, what, key string) report {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		select {
		case r := <-reports:
			if r.What == what && (key == "" || r.Key == key) {
				return r
			}
		case <-deadline:
			t.Fatalf("no %q of %q within a minute", what, key)
		}
	}
}

const replicaKeys = "k1:a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=" // 32 × "k"

func TestAKilledReplicasAnswersAreTakenOverInTime(t *testing.T) {
	t.Parallel()
	url := storetest.Redis(t)
	reports := make(chan report, 1000)
	config := replicaConfig{URL: url, Keys: replicaKeys, Work: time.Millisecond}
	start := func(name string) *process {
		config.Name = name
		p := startReplica(t, config, reports)
		await(t, reports, "ready", "")
		return p
	}
	owner := start("r0")
	fastest := time.Hour
	for n := range 2 {
		key := fmt.Sprint("hold-", n)
		owner.deliver(key)
		first := await(t, reports, "begun", key)
		next := start(fmt.Sprint("r", n+1))
		killed := time.Now()
		owner.kill()
		again := await(t, reports, "begun", key)
		took := time.Since(killed)
		t.Logf("takeover %d: %s", n+1, took)
		fastest = min(fastest, took)
		if again.Turn != first.Turn || again.Attempt != 2 || again.Posted != 1 {
			t.Errorf("the next owner does not know the turn: %+v, it was %+v", again, first)
		}
		await(t, reports, "closed", key)
		owner = next
	}
	// DefaultLease is what keeps it within 5 s; a busy machine adds some.
	if inbox.DefaultLease > 4*time.Second || fastest > 20*time.Second {
		t.Errorf("no takeover took less than %s", fastest)
	}
}

func TestAReplicaThatSleptThroughItsLeaseDoesNothingMore(t *testing.T) {
	t.Parallel()
	url := storetest.Redis(t)
	s := storetest.Open(t, url)
	reports := make(chan report, 1000)
	config := replicaConfig{URL: url, Keys: replicaKeys, Work: time.Millisecond, Name: "sleeper"}
	sleeper := startReplica(t, config, reports)
	await(t, reports, "ready", "")
	sleeper.deliver("hold-1")
	await(t, reports, "begun", "hold-1")
	config.Name = "other"
	startReplica(t, config, reports)
	await(t, reports, "ready", "")
	if err := sleeper.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if r := await(t, reports, "closed", "hold-1"); r.Replica != "other" {
		t.Errorf("closed by %s", r.Replica)
	}
	if err := sleeper.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if r := await(t, reports, "lost", "hold-1"); r.Err != inbox.ErrLost.Error()+"|true|true" {
		t.Errorf("the sleeper's context, Guard and Close: %s", r.Err)
	}
	if n := s.Client.HGet(t.Context(), "parley:{"+scope+"}:answers", "hold-1").Val(); n != "1" {
		t.Errorf("answered %s times", n)
	}
}

func TestAThousandMessagesDeliveredTwiceAreAnsweredOnceThroughKills(t *testing.T) {
	t.Parallel()
	t.Run("redis", func(t *testing.T) { survive(t, storetest.Redis(t), "", 2) })
	t.Run("embedded", func(t *testing.T) { survive(t, "", t.TempDir(), 1) })
}

// survive delivers a thousand messages twice to the replicas, kills one of
// them three times on the way, and counts the answers. As a platform does, it
// delivers again what was not confirmed.
func survive(t *testing.T, url, dir string, replicas int) {
	const messages, kills = 1000, 3
	began := time.Now()
	w := &watch{t: t, reports: make(chan report, 100_000), closed: map[string]int{}, turns: map[string]string{}, confirmed: map[string]int{}, moved: began}
	var all []*process
	start := func(n int) *process {
		return startReplica(t, replicaConfig{Name: fmt.Sprint("r", n), URL: url, DataDir: dir, Keys: replicaKeys, Work: 3 * time.Millisecond}, w.reports)
	}
	for n := range replicas {
		all = append(all, start(n))
	}
	for range replicas {
		await(t, w.reports, "ready", "")
	}
	killed := 0
	for n := range messages {
		key := fmt.Sprint("m", n)
		for delivery := range 2 {
			all[(n+delivery)%len(all)].deliver(key)
		}
		if n%50 == 49 {
			w.drain(5 * time.Millisecond)
		}
		if killed < kills && n == (killed+1)*messages/(kills+1) {
			victim := killed % len(all)
			all[victim].kill()
			all[victim] = start(killed + 10)
			killed++
		}
	}
	w.untilAnswered(all, messages)
	for _, p := range all {
		p.kill()
	}
	answeredOnce(t, openAfter(t, url, dir), messages)
	t.Logf("%d messages, each delivered twice, %d kills: %s", messages, killed, time.Since(began).Round(time.Millisecond))
}

// watch is what the platform hears from the replicas.
type watch struct {
	t         *testing.T
	reports   chan report
	closed    map[string]int
	turns     map[string]string
	confirmed map[string]int
	moved     time.Time // when a replica last said anything
}

func (w *watch) hear(r report) {
	w.moved = time.Now()
	switch r.What {
	case "put":
		w.confirmed[r.Key]++
	case "closed":
		w.closed[r.Key]++
	case "begun":
		if was := w.turns[r.Key]; was != "" && was != r.Turn {
			w.t.Errorf("%s has two turns", r.Key)
		}
		w.turns[r.Key] = r.Turn
	}
}

// drain hears reports until none comes for a while.
func (w *watch) drain(quiet time.Duration) {
	for {
		select {
		case r := <-w.reports:
			w.hear(r)
		case <-time.After(quiet):
			return
		}
	}
}

// untilAnswered waits until the platform has heard of every message and every
// message is answered.
func (w *watch) untilAnswered(all []*process, messages int) {
	deadline := time.Now().Add(4 * time.Minute)
	for time.Now().Before(deadline) {
		w.drain(500 * time.Millisecond) // as long as anything moves
		open := 0
		for n := range messages {
			if key := fmt.Sprint("m", n); w.confirmed[key] == 0 {
				open++
				all[n%len(all)].deliver(key)
			}
		}
		// A replica killed after it closed a turn could not say so: quiet, for
		// longer than any lease or pause, is the end as well.
		if open == 0 && (len(w.closed) == messages || time.Since(w.moved) > 15*time.Second) {
			return
		}
	}
}

// answeredOnce looks into the store.
func answeredOnce(t *testing.T, s *store.Store, messages int) {
	t.Helper()
	answers, err := s.Client.HGetAll(t.Context(), "parley:{"+scope+"}:answers").Result()
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for n := range messages {
		if key := fmt.Sprint("m", n); answers[key] != "1" {
			wrong++
			t.Logf("%s was answered %q times", key, answers[key])
		}
	}
	if wrong > 0 || len(answers) != messages {
		t.Errorf("%d of %d messages were not answered exactly once", wrong, messages)
	}
	if left := s.Client.XLen(t.Context(), "parley:{"+scope+"}:events").Val(); left != 0 {
		t.Errorf("%d entries left", left)
	}
}

func openAfter(t testing.TB, url, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: url, DataDir: dir, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
