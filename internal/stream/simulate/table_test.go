package simulate

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seeds   = flag.Int("seeds", 4, "how often each case is run, with answers that begin at other times")
	jsonOut = flag.String("measured", "", "write what TestTable measures to this file")
	picture = flag.String("picture", "", "draw what TestTable measures into this SVG file")
)

// measure runs a case in virtual time.
func measure(t *testing.T, c Case, seeds int) Measured {
	var runs []Outcome
	w := c.Strategy()
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			s := c.Scenario
			s.Seed = uint64(seed)
			o, err := Run(t.Context(), s, w)
			if err != nil {
				t.Error(err)
			}
			runs = append(runs, o)
		})
	}
	return Measured{Group: c.Group, Strategy: w.Name(), Answers: c.Scenario.Answers, Latency: c.Scenario.Latency, Outcome: Pool(runs)}
}

// The bars the scheduler is held to.
func TestTextIsAsEarlyAsTheLimitsAllow(t *testing.T) {
	type bar struct{ ratio, final float64 }
	bars := map[int]bar{1: {1.3, 0.5}, 3: {1.5, 0.5}, 10: {2.3, 1}, 50: {3, 1.7}}
	for _, c := range Cases() {
		if c.Strategy().Name() != "parley" {
			continue
		}
		m := measure(t, c, *seeds)
		o, at := m.Outcome, fmt.Sprintf("%s, %d answers, latency %v", m.Group, m.Answers, m.Latency)
		if o.Wrong > 0 {
			t.Errorf("%s: %d answers do not end with the model's text", at, o.Wrong)
		}
		if c.Scenario.Edits.Believed == 0 && o.Limited > 0 {
			t.Errorf("%s: %d calls refused with a known limit", at, o.Limited)
		}
		// A run takes less than a minute of pretended time.
		if c.Scenario.Edits.Believed > 0 && o.Limited > o.Runs {
			t.Errorf("%s: %d calls refused in %d runs of a scheduler that has to learn", at, o.Limited, o.Runs)
		}
		if want := bars[m.Answers]; m.Group == Cases()[0].Group {
			if o.Ratio() > want.ratio {
				t.Errorf("%s: text waits %.2f times its lower bound, more than %.1f", at, o.Ratio(), want.ratio)
			}
			if o.FinalP95 > want.final {
				t.Errorf("%s: p95 of the ends is %.2f s, more than %.1f s", at, o.FinalP95, want.final)
			}
		}
	}
}

// TestTable prints the whole table: go test -run Table -v. It is what
// BenchmarkSchedule runs. Where nobody would see the table, the cases of its
// first rows are run once.
func TestTable(t *testing.T) {
	cases, seeds := Cases(), *seeds
	if !testing.Verbose() && *jsonOut == "" && *picture == "" {
		cases, seeds = cases[:5], 1
	}
	var rows, drawn []Measured
	for _, c := range cases {
		m := measure(t, c, seeds)
		if m.Outcome.Runs != seeds || m.Outcome.Wrong > 0 {
			t.Errorf("%s, %s: %d runs of %d, %d answers wrong", m.Group, m.Strategy, m.Outcome.Runs, seeds, m.Outcome.Wrong)
		}
		rows = append(rows, m)
		if m.Group == Cases()[0].Group && m.Latency == 200*time.Millisecond {
			drawn = append(drawn, m)
		}
	}
	var table bytes.Buffer
	if err := Table(&table, rows); err != nil {
		t.Fatal(err)
	}
	for _, m := range rows {
		if !strings.Contains(table.String(), m.Strategy) {
			t.Errorf("the table has no row of %s", m.Strategy)
		}
	}
	t.Log("\n" + table.String())
	if *picture != "" {
		var svg bytes.Buffer
		if err := Picture(&svg, "How soon an answer can be read on Slack: 50 edits a minute for all", drawn); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(*picture, svg.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if *jsonOut != "" {
		b, err := json.Marshal(rows)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(*jsonOut, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkSchedule measures in virtual time, which only a test can have: it
// runs TestTable in this binary and passes its figures on. It also draws the
// picture beside this file.
func BenchmarkSchedule(b *testing.B) {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), "measured.json")
	cmd := exec.CommandContext(b.Context(), self, "-test.run=^TestTable$", "-seeds=8", "-measured="+file, "-picture=schedule.svg")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	var rows []Measured
	if err := json.Unmarshal(data, &rows); err != nil {
		b.Fatal(err)
	}
	names := strings.NewReplacer(", ", "-", " ", "-", "/", "-per-")
	for _, m := range rows {
		b.Run(fmt.Sprintf("%s/%v/%d/%s", names.Replace(m.Group), m.Latency, m.Answers, names.Replace(m.Strategy)), func(b *testing.B) {
			o := m.Outcome // measured already, so there is nothing to loop over
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(o.Mean, "unseen-s")
			b.ReportMetric(o.P95, "unseen-p95-s")
			b.ReportMetric(o.Ratio(), "×bound")
			b.ReportMetric(o.FirstVisible, "first-s")
			b.ReportMetric(o.FinalP95, "final-p95-s")
			b.ReportMetric(float64(o.Limited)/float64(o.Runs), "429/run")
			b.ReportMetric(float64(o.Edits+o.Posts)/float64(o.Runs), "calls/run")
		})
	}
}

func TestTheLimitersAreWhatPlatformsDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		steady := Limit{Calls: 60, Window: time.Minute, Burst: 2}.limiter()
		sliding := Limit{Calls: 2, Window: 5 * time.Second, Sliding: true}.limiter()
		for i, want := range []struct {
			after           time.Duration
			steady, sliding bool
		}{{0, true, true}, {0, true, true}, {0, false, false}, {time.Second, true, false}, {500 * time.Millisecond, false, false}, {3500 * time.Millisecond, true, true}} {
			<-time.After(want.after)
			if ok, _ := steady.take(time.Now()); ok != want.steady {
				t.Errorf("call %d: the steady limit says %v", i, ok)
			}
			if ok, _ := sliding.take(time.Now()); ok != want.sliding {
				t.Errorf("call %d: the sliding limit says %v", i, ok)
			}
		}
	})
}
