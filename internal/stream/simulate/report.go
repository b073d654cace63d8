// The scenarios, and the table and picture made of what they measure.

package simulate

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// Case is one line of the table.
type Case struct {
	Group    string // what the lines around it have in common
	Scenario Scenario
	Strategy func() Strategy
}

// Measured is a Case with its outcome, pooled over seeds.
type Measured struct {
	Group    string
	Strategy string
	Answers  int
	Latency  time.Duration
	Outcome  Outcome
}

// Refilling is a workspace as on Slack: 50 updates a minute and 10 at once for all of it, and
// a post a second with a short burst in each channel. There are at most five
// answers in a channel.
func Refilling(answers int, latency time.Duration) Scenario {
	return Scenario{
		Answers: answers, Channels: (answers + 4) / 5, Latency: latency,
		Length: 2000, Speed: 200, Starts: 5 * time.Second, Think: 800 * time.Millisecond,
		Edits: Limit{Calls: 50, Window: time.Minute, Burst: 10},
		Posts: Limit{Calls: 60, Window: time.Minute, Burst: 4},
		Size:  12000,
	}
}

// Sliding is a server as on Discord: 5 edits and 5 posts in 5 seconds in each channel.
func Sliding(answers, channels int, latency time.Duration) Scenario {
	s := Refilling(answers, latency)
	s.Channels, s.PerChannel, s.Size = channels, true, 2000
	s.Edits = Limit{Calls: 5, Window: 5 * time.Second, Sliding: true}
	s.Posts = s.Edits
	return s
}

// Cases are the lines of the table, in order.
func Cases() []Case {
	ours := func() Strategy { return &Scheduled{} }
	others := []func() Strategy{
		func() Strategy { return &Timer{Every: time.Second} },
		func() Strategy { return &Timer{Every: 1200 * time.Millisecond} },
		func() Strategy { return &RoundRobin{} },
		func() Strategy { return Once{} },
	}
	var out []Case
	add := func(group string, s Scenario, strategies ...func() Strategy) {
		for _, w := range strategies {
			out = append(out, Case{group, s, w})
		}
	}
	latencies := []time.Duration{80 * time.Millisecond, 200 * time.Millisecond}
	numbers := []int{1, 3, 10, 50}
	for _, latency := range latencies {
		for _, n := range numbers {
			add("one budget, 50/min, burst 10", Refilling(n, latency), append([]func() Strategy{ours}, others...)...)
		}
	}
	for _, latency := range latencies {
		for _, n := range numbers {
			s := Refilling(n, latency)
			s.Edits.Burst, s.Edits.Believed = 3, 10
			add("one budget, burst 3 believed 10", s, ours, others[0])
		}
	}
	for _, latency := range latencies {
		for _, n := range numbers[:3] {
			add("a budget per channel, one channel", Sliding(n, 1, latency), append([]func() Strategy{ours}, others...)...)
		}
		for _, n := range numbers[2:] {
			add("a budget per channel, two in each", Sliding(n, n/2, latency), ours, others[0], others[3])
		}
		s := Sliding(3, 1, latency)
		s.Edits.Calls, s.Edits.Believed = 3, 5
		add("a budget per channel, 3 in 5 s believed 5", s, ours, others[0])
	}
	return out
}

// Table writes the lines, grouped.
func Table(w io.Writer, rows []Measured) error {
	var b strings.Builder
	group := ""
	for _, m := range rows {
		if m.Group != group {
			group = m.Group
			fmt.Fprintf(&b, "\n%s\n", group)
			fmt.Fprintf(&b, "%-7s %-7s %-12s %8s %8s %7s %7s %7s %11s %10s %6s %6s %6s\n", "latency", "answers", "strategy",
				"unseen", "p95", "bound", "ratio", "first", "end→final", "its worst", "429", "edits", "posts")
		}
		o := m.Outcome
		fmt.Fprintf(&b, "%-7s %-7d %-12s %7.2fs %7.2fs %6.2fs %7.2f %6.2fs %10.2fs %9.2fs %6.1f %6.1f %6.1f\n",
			m.Latency, m.Answers, m.Strategy, o.Mean, o.P95, o.Bound, o.Ratio(), o.FirstVisible, o.FinalP95, o.FinalWorst,
			float64(o.Limited)/float64(o.Runs), float64(o.Edits)/float64(o.Runs), float64(o.Posts)/float64(o.Runs))
	}
	b.WriteString("\nunseen: mean time a character waits until it stands there; bound: the least any strategy with one message\n" +
		"per answer can reach; first: median from first token to first words; end→final: p95; 429 and calls: per run.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// Picture draws the mean time unseen as bars, one group of bars for each number
// of answers, as SVG that reads on light and dark pages.
func Picture(w io.Writer, title string, rows []Measured) error {
	const (
		width, left, top = 720, 120, 64
		bar, gap, space  = 16, 4, 22
	)
	full := 0.0
	for _, m := range rows {
		full = max(full, m.Outcome.Mean)
	}
	scale := func(seconds float64) float64 { // the bars differ a hundredfold: a square root shows them all
		return math.Sqrt(seconds/full) * (width - left - 190)
	}
	var b, bounds strings.Builder
	y := top
	answers := 0
	for _, m := range rows {
		if m.Answers != answers {
			if answers != 0 {
				y += space
			}
			answers = m.Answers
			fmt.Fprintf(&b, `<text class="n" x="12" y="%d">%d %s</text>`+"\n", y+bar-4, answers, plural(answers, "answer"))
			x := left + scale(m.Outcome.Bound)
			fmt.Fprintf(&bounds, `<line class="bound" x1="%.0f" x2="%.0f" y1="%d" y2="%d"/>`+"\n", x, x, y-5, y+group(rows, answers)*(bar+gap)+1)
		}
		class := "other"
		if m.Strategy == "parley" {
			class = "ours"
		}
		length := scale(m.Outcome.Mean)
		label := fmt.Sprintf("%.1f s %s", m.Outcome.Mean, m.Strategy)
		if n := float64(m.Outcome.Limited) / float64(m.Outcome.Runs); n >= 0.5 {
			label += fmt.Sprintf(", %.0f × 429", n)
		}
		fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="%.0f" height="%d" rx="2"/><text class="l" x="%.0f" y="%d">%s</text>`+"\n",
			class, left, y, length, bar, left+length+6, y+bar-4, label)
		y += bar + gap
	}
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">
<style>
text { font: 12px system-ui, sans-serif; fill: #57606a }
.t { font-size: 15px; font-weight: 600; fill: #24292f }
.n { font-weight: 600; fill: #24292f }
.ours { fill: #2da44e } .other { fill: #afb8c1 }
.bound { stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) { text { fill: #9198a1 } .t, .n { fill: #f0f6fc } .other { fill: #656c76 } }
</style>
<text class="t" x="12" y="24">%s</text>
<text x="12" y="42">Mean wait of a character (square-root scale); 200 ms a call. Dashes: the least with one message an answer.</text>
%s</svg>
`, width, y+12, width, y+12, title, title, b.String()+bounds.String())
	return err
}

func group(rows []Measured, answers int) (n int) {
	for _, m := range rows {
		if m.Answers == answers {
			n++
		}
	}
	return n
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
