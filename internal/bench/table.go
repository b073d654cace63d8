// From the lines of "go test -bench" to one table.

package main

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Row is what one benchmark measured.
type Row struct {
	Package string
	Name    string
	Runs    int
	Values  []Value
}

// Value is one figure with its unit.
type Value struct {
	Unit   string
	Figure float64
}

// cores is the suffix that go test adds for GOMAXPROCS.
var cores = regexp.MustCompile(`-\d+$`)

// Parse reads the output of go test -bench; what is not a result is passed over.
func Parse(pkg string, r io.Reader) ([]Row, error) {
	var rows []Row
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		runs, err := strconv.Atoi(fields[1])
		if err != nil {
			continue
		}
		row := Row{Package: pkg, Name: cores.ReplaceAllString(strings.TrimPrefix(fields[0], "Benchmark"), ""), Runs: runs}
		for i := 2; i+1 < len(fields); i += 2 {
			figure, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%s: odd figure %q", fields[0], fields[i])
			}
			row.Values = append(row.Values, Value{Unit: fields[i+1], Figure: figure})
		}
		rows = append(rows, row)
	}
	return rows, lines.Err()
}

// columns are the units with a column of their own; the rest share the last.
var columns = []string{"ns/op", "B/op", "allocs/op"}

// Table writes rows as a Markdown table with aligned columns.
func Table(w io.Writer, rows []Row) error {
	cells := [][]string{{"benchmark", "runs", "time", "memory", "allocations", "further figures"}}
	for _, r := range rows {
		line := []string{r.Package + " " + r.Name, strconv.Itoa(r.Runs)}
		for _, unit := range columns {
			line = append(line, r.cell(unit))
		}
		cells = append(cells, append(line, r.further()))
	}
	widths := make([]int, len(cells[0]))
	for _, line := range cells {
		for i, c := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	rule := make([]string, len(widths))
	for i, n := range widths {
		rule[i] = strings.Repeat("-", n)
	}
	cells = slices.Insert(cells, 1, rule)
	for _, line := range cells {
		var b strings.Builder
		for i, c := range line {
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
			if i >= 1 && i < len(line)-1 {
				c, gap = gap+c, "" // figures stand to the right
			}
			b.WriteString("| " + c + gap + " ")
		}
		if _, err := fmt.Fprintln(w, b.String()+"|"); err != nil {
			return err
		}
	}
	return nil
}

func (r Row) cell(unit string) string {
	i := slices.IndexFunc(r.Values, func(v Value) bool { return v.Unit == unit })
	if i < 0 {
		return ""
	}
	v := r.Values[i].Figure
	switch unit {
	case "ns/op":
		return duration(v)
	case "B/op":
		return bytesOf(v)
	}
	return figure(v)
}

func (r Row) further() string {
	var parts []string
	for _, v := range r.Values {
		if !slices.Contains(columns, v.Unit) {
			parts = append(parts, figure(v.Figure)+" "+v.Unit)
		}
	}
	return strings.Join(parts, ", ")
}

func duration(ns float64) string {
	switch {
	case ns >= 1e9:
		return figure(ns/1e9) + " s"
	case ns >= 1e6:
		return figure(ns/1e6) + " ms"
	case ns >= 1e3:
		return figure(ns/1e3) + " µs"
	}
	return figure(ns) + " ns"
}

func bytesOf(n float64) string {
	switch {
	case n >= 1<<20:
		return figure(n/(1<<20)) + " MiB"
	case n >= 1<<10:
		return figure(n/(1<<10)) + " KiB"
	}
	return figure(n) + " B"
}

// figure keeps three significant digits, and all of a whole number.
func figure(v float64) string {
	if v >= 100 || v == float64(int64(v)) {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
