// Bench runs the project's benchmarks and prints one table: go run ./internal/bench.
// Packages may be named; without any, all that have benchmarks are measured.
package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	pattern := flags.String("bench", ".", "which benchmarks, as for go test -bench")
	duration := flags.String("benchtime", "1s", "how long each, as for go test -benchtime")
	if err := flags.Parse(args); err != nil {
		return err
	}
	packages := flags.Args()
	if len(packages) == 0 {
		var err error
		if packages, err = withBenchmarks("."); err != nil {
			return err
		}
	}
	var rows []Row
	for _, p := range packages {
		fmt.Fprintln(stderr, "measuring", p)
		measured, err := measure(ctx, p, *pattern, *duration, stderr)
		if err != nil {
			return err
		}
		rows = append(rows, measured...)
	}
	return Table(stdout, rows)
}

// measure runs one package's benchmarks. Packages take turns: two at once would
// take the processor from each other.
func measure(ctx context.Context, pkg, pattern, duration string, stderr io.Writer) ([]Row, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", pattern, "-benchtime", duration, "-benchmem", "-timeout", "30m", pkg)
	var out bytes.Buffer
	// What is measured shows as it comes; the table comes at the end.
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, stderr), stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go test %s: %w\n%s", pkg, err, out.String())
	}
	return Parse(strings.TrimPrefix(pkg, "./"), &out)
}

// withBenchmarks finds the packages below root that have benchmarks.
func withBenchmarks(root string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		has, err := hasBenchmark(path)
		dir := "./" + filepath.ToSlash(filepath.Dir(path))
		if has && (len(found) == 0 || found[len(found)-1] != dir) {
			found = append(found, dir)
		}
		return err
	})
	return found, err
}

func hasBenchmark(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "func Benchmark") {
			return true, nil
		}
	}
	return false, lines.Err()
}
