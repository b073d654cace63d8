package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const output = `goos: linux
pkg: parley/internal/provider
BenchmarkDecode-2         	  300000	      3700 ns/op	     880 B/op	      10 allocs/op
BenchmarkAnswers/100-2    	       1	1500000000 ns/op	   12.5 p50-ms	 2097152 B/op	   41007 allocs/op
BenchmarkNames-with-dash  	     100	        12.34 ns/op
some log line
PASS
`

func TestResultsAreRead(t *testing.T) {
	got, err := Parse("internal/provider", strings.NewReader(output))
	want := []Row{
		{"internal/provider", "Decode", 300000, []Value{{"ns/op", 3700}, {"B/op", 880}, {"allocs/op", 10}}},
		{"internal/provider", "Answers/100", 1, []Value{{"ns/op", 1.5e9}, {"p50-ms", 12.5}, {"B/op", 2097152}, {"allocs/op", 41007}}},
		{"internal/provider", "Names-with-dash", 100, []Value{{"ns/op", 12.34}}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want)
	}
}

func TestOneTable(t *testing.T) {
	rows, err := Parse("internal/provider", strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Table(&b, rows); err != nil {
		t.Fatal(err)
	}
	want := `
| benchmark                         |   runs |    time | memory | allocations | further figures |
| --------------------------------- | ------ | ------- | ------ | ----------- | --------------- |
| internal/provider Decode          | 300000 |  3.7 µs |  880 B |          10 |                 |
| internal/provider Answers/100     |      1 |   1.5 s |  2 MiB |       41007 | 12.5 p50-ms     |
| internal/provider Names-with-dash |    100 | 12.3 ns |        |             |                 |
`
	if got := "\n" + b.String(); got != want {
		t.Errorf("got %s", got)
	}
}

func TestPackagesWithBenchmarksAreFound(t *testing.T) {
	root := t.TempDir()
	for path, text := range map[string]string{
		"a/a_test.go": "package a\nfunc BenchmarkA(b *testing.B) {}\n", "a/more_test.go": "func BenchmarkB(b *testing.B) {}\n",
		"b/b_test.go": "package b\nfunc TestB(t *testing.T) {}\n", "c/c.go": "func BenchmarkC() {}\n", ".d/d_test.go": "func BenchmarkD(b *testing.B) {}\n",
	} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(root)
	got, err := withBenchmarks(".")
	if want := []string{"./a"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v %v, want %v", got, err, want)
	}
}
