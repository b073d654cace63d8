package simulate

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func slack(n int, latency time.Duration) Scenario {
	return Scenario{
		Name: fmt.Sprintf("slack %d", n), Answers: n, Channels: (n + 4) / 5, Latency: latency,
		Length: 2000, Speed: 200, Starts: 5 * time.Second, Think: 800 * time.Millisecond,
		Edits: Limit{Calls: 50, Window: time.Minute, Burst: 10},
		Posts: Limit{Calls: 60, Window: time.Minute, Burst: 5},
		Size:  12000, Seed: 1,
	}
}

func run(t *testing.T, s Scenario, w Strategy) (o Outcome) {
	synctest.Test(t, func(t *testing.T) {
		var err error
		if o, err = Run(t.Context(), s, w); err != nil {
			t.Fatal(err)
		}
	})
	return o
}

func TestTable(t *testing.T) {
	for _, latency := range []time.Duration{200 * time.Millisecond, 80 * time.Millisecond} {
		for _, n := range []int{1, 3, 10, 50} {
			for _, w := range []Strategy{&Scheduled{}, &Timer{Every: time.Second}, &Timer{Every: 1200 * time.Millisecond}, &RoundRobin{}, Once{}} {
				o := run(t, slack(n, latency), w)
				fmt.Printf("%-9s %v %-12s mean %6.2f p95 %6.2f bound %5.2f ratio %5.2f first %5.2f/%5.2f final p95 %6.2f worst %6.2f 429 %4d edits %4d posts %4d wrong %d\n", slack(n, latency).Name, latency, w.Name(), o.Mean, o.P95, o.Bound, o.Ratio(), o.FirstVisible, o.FirstWorst, o.FinalP95, o.FinalWorst, o.Limited, o.Edits, o.Posts, o.Wrong)
			}
		}
	}
}
