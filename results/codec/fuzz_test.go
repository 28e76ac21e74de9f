package codec

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// fuzz runs one reader on mutations of the files that match and of a few small texts: whatever it returns is a sound suite or
// a FormatError, never a panic.
func fuzz(f *testing.F, pattern string, reader func([]byte) (*Suite, error), seeds ...string) {
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := reader(data)
		if err == nil {
			sound(t, s)
			return
		}
		if _, ok := errors.AsType[*FormatError](err); !ok || s != nil {
			t.Fatalf("%T: %v, %v", err, err, s)
		}
		if bytes.ContainsAny([]byte(err.Error()), "\n\r\x1b") {
			t.Fatalf("%q", err.Error())
		}
	})
}

// prepared is a reader of JSON as recognise calls it.
func prepared(reader func([]byte) (*Suite, error)) func([]byte) (*Suite, error) {
	return func(data []byte) (*Suite, error) {
		text, err := prepare(data)
		if err != nil {
			return nil, err
		}
		return reader(text)
	}
}

func FuzzRead(f *testing.F) {
	read := func(data []byte) (*Suite, error) { return Read(bytes.NewReader(data)) }
	fuzz(f, "*", read, "", "{", "[", "\x1f\x8b", zip("BenchmarkA 1 2 ns/op\n"), string(runLines(f, sample())[:4000]), `{"results":[{"command":"a","times":[1]}]}`)
}

func FuzzHyperfine(f *testing.F) {
	fuzz(f, "hyperfine-*", prepared(parseHyperfine), `{"results":[{"command":"a","times":[1,null,1e999],"exit_codes":[null,1],"parameters":{"a":[1],"b":true}},{"command":"a","times":[2]}]}`)
}

func FuzzPyperf(f *testing.F) {
	fuzz(f, "pyperf-*", prepared(parsePyperf), `{"version":"1.0","metadata":{"name":"a","unit":"byte"},"benchmarks":[{"runs":[{"values":[1,2],"metadata":{"mem_max_rss":5}},{"warmups":[[1,2]]}]}]}`)
}

func FuzzGoogleBenchmark(f *testing.F) {
	fuzz(f, "gbench-*", prepared(parseGoogle), `{"context":{"num_cpus":4},"benchmarks":[{"name":"a","run_name":"a","real_time":1,"cpu_time":-NaN,"time_unit":"ms","x":Infinity,"y":2,"threads":2}]}`)
}

func FuzzJMH(f *testing.F) {
	fuzz(f, "jmh-*", prepared(parseJMH), `[{"benchmark":"a","mode":"sample","forks":0,"primaryMetric":{"scoreUnit":"min/op","rawDataHistogram":[[[[1,2],["NaN",3]],[]],null]},"secondaryMetrics":{"":{}}}]`)
}

func FuzzGoBenchmark(f *testing.F) {
	fuzz(f, "gobench-*", parseGobench, "Unit a better=lower\nUnit a better=higher\nBenchmarkA 1 1e400 a 2 b\nPASS\nBenchmarkA 1 3 a\n", "BenchmarkA 1 2 ns/op\npkg: x\nBenchmarkA 1 2 MB/s 2 MB/s\n")
}

func FuzzRun(f *testing.F) {
	var b bytes.Buffer
	run := sample()
	run.Trials = run.Trials[:12]
	if err := WriteJSON(&b, run); err != nil {
		f.Fatal(err)
	}
	reader := func(data []byte) (*Suite, error) {
		if text, err := prepare(data); err == nil && len(data)%2 == 0 {
			return parseDocument(text)
		}
		return readRun(bytes.NewReader(data))
	}
	fuzz(f, "none", reader, string(runLines(f, run)), b.String(), b.String()+" ")
}
