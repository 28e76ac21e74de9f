package builtin_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/parbench/parbench/workloads"
	"github.com/parbench/parbench/workloads/builtin"
)

// small holds parameters under which a task takes next to no time, even under the race detector.
var small = map[string]workloads.Params{
	"primes":      {"limit": "2000"},
	"sha256":      {"rounds": "50"},
	"matmul":      {"n": "16"},
	"mandelbrot":  {"size": "32", "rows": "8", "iterations": "50"},
	"sort":        {"n": "500"},
	"json":        {"records": "5"},
	"triad":       {"bytes": "48000", "blocks": "4"},
	"alloc":       {"nodes": "200"},
	"sleep":       {"duration": "1ms"},
	"http":        {"size": "100", "latency": "1ms"},
	"file":        {"size": "5001"},
	"fetch-parse": {"records": "5", "latency": "1ms"},
	"spin":        {"iterations": "200"},
	"empty":       {},
}

func TestRegistryOrder(t *testing.T) {
	reg := builtin.Registry()
	var names []string
	for _, w := range reg.All() {
		names = append(names, w.Info().Name)
	}
	want := strings.Fields("primes sha256 matmul mandelbrot sort json triad alloc sleep http file fetch-parse spin empty")
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	for _, w := range workloads.Lean() {
		if _, err := reg.Lookup(w.Info().Name); err != nil {
			t.Errorf("of the lean workloads: %v", err)
		}
	}
}

func TestInfo(t *testing.T) {
	reg := builtin.Registry()
	for _, w := range reg.All() {
		info := w.Info()
		if !isLine(info.Doc) {
			t.Errorf("%s: doc %q is not a line that starts in lower case and has no full stop", info.Name, info.Doc)
		}
		if _, ok := reg.Fixture(info.Fixture); !ok && info.Fixture != "" {
			t.Errorf("%s: there is no fixture %q", info.Name, info.Fixture)
		}
		for _, p := range info.Params {
			if !isLine(p.Doc) {
				t.Errorf("%s.%s: doc %q", info.Name, p.Name, p.Doc)
			}
			if (p.Default == "") != (p.Auto != "") {
				t.Errorf("%s.%s has default %q and rule %q; want one of them", info.Name, p.Name, p.Default, p.Auto)
			}
			if p.Default == "" {
				continue
			}
			if c, err := p.Canonical(p.Default); err != nil || c != p.Default {
				t.Errorf("%s.%s: the default %q is canonically %q, %v", info.Name, p.Name, p.Default, c, err)
			}
		}
	}
}

func isLine(doc string) bool {
	return doc != "" && !unicode.IsUpper(rune(doc[0])) && !strings.HasSuffix(doc, ".") && !strings.Contains(doc, "\n")
}

// TestTasksArePure runs every task alone, then all of them several times at once, on the same Tasks and on others that
// were prepared anew, and expects the same digests.
func TestTasksArePure(t *testing.T) {
	const n, goroutines = 24, 6
	reg := builtin.Registry()
	for _, w := range reg.All() {
		name := w.Info().Name
		t.Run(name, func(t *testing.T) {
			tasks := prepare(t, reg, w, small[name], 1)
			want := digests(t, tasks, n)
			distinct := map[uint64]bool{}
			for _, d := range want {
				distinct[d] = true
			}
			if len(distinct) != n {
				t.Errorf("%d tasks have %d different digests", n, len(distinct))
			}

			again := prepare(t, reg, w, small[name], 1)
			var wg sync.WaitGroup
			for g := range goroutines {
				tasks := []workloads.Tasks{tasks, again}[g%2]
				wg.Go(func() {
					for k := range n {
						i := (k + g) % n
						if d, err := tasks.Task(t.Context(), i); err != nil || d != want[i] {
							t.Errorf("task %d beside others: %016x, %v; alone it was %016x", i, d, err, want[i])
						}
					}
				})
			}
			wg.Wait()

			for i, d := range digests(t, prepare(t, reg, w, small[name], 2), n) {
				if d == want[i] {
					t.Errorf("task %d has the same digest under another seed", i)
				}
			}
		})
	}
}

func digests(t *testing.T, tasks workloads.Tasks, n int) []uint64 {
	t.Helper()
	out := make([]uint64, n)
	for i := range out {
		d, err := tasks.Task(t.Context(), i)
		if err != nil {
			t.Fatalf("task %d: %v", i, err)
		}
		out[i] = d
	}
	return out
}

func TestPrepareChecksParameters(t *testing.T) {
	for _, w := range builtin.Registry().All() {
		info := w.Info()
		full, err := workloads.Resolve(info.Params, small[info.Name])
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range info.Params {
			params := maps.Clone(full)
			delete(params, p.Name)
			_, err := w.Prepare(t.Context(), workloads.Env{Params: params, Fixture: "127.0.0.1:1"})
			if !errors.Is(err, workloads.ErrParam) || !strings.Contains(err.Error(), p.Name) {
				t.Errorf("%s without %s: %v", info.Name, p.Name, err)
			}
		}
		if info.Fixture == "" {
			continue
		}
		if _, err := w.Prepare(t.Context(), workloads.Env{Params: full}); err == nil || !strings.Contains(err.Error(), info.Fixture) {
			t.Errorf("%s without its fixture: %v", info.Name, err)
		}
	}
}

func TestPrepareChecksCombinations(t *testing.T) {
	reg := builtin.Registry()
	for _, tc := range []struct {
		workload string
		params   workloads.Params
		names    string // the parameter that the error names
	}{
		{"mandelbrot", workloads.Params{"size": "10", "rows": "4", "iterations": "1"}, "rows"},
		{"mandelbrot", workloads.Params{"size": "10", "rows": "20", "iterations": "1"}, "rows"},
		{"triad", workloads.Params{"bytes": "95", "blocks": "4"}, "bytes"},
	} {
		w, err := reg.Lookup(tc.workload)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Prepare(t.Context(), workloads.Env{Params: tc.params}); !errors.Is(err, workloads.ErrParam) ||
			!strings.Contains(err.Error(), "parameter "+tc.names) {
			t.Errorf("%s with %v: %v", tc.workload, tc.params, err)
		}
	}
}

// TestCancel gives each workload that can take long a task that would outlast the test.
func TestCancel(t *testing.T) {
	reg := builtin.Registry()
	for name, params := range map[string]workloads.Params{
		"sleep":       {"duration": "1h"},
		"spin":        {"iterations": "1000000000000"},
		"http":        {"latency": "1m"},
		"fetch-parse": {"latency": "1m"},
		"file":        {},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := reg.Lookup(name)
			if err != nil {
				t.Fatal(err)
			}
			tasks := prepare(t, reg, w, params, 1)
			ctx, cancel := context.WithCancel(t.Context())
			if name == "file" {
				cancel() // nothing in it waits for long; it looks between its steps
			}
			failed := make(chan error)
			go func() {
				_, err := tasks.Task(ctx, 0)
				failed <- err
			}()
			cancel()
			if err := <-failed; !errors.Is(err, context.Canceled) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestTriadPrepareHonoursContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := workloads.Triad().Prepare(ctx, workloads.Env{Params: workloads.Params{"bytes": "24000", "blocks": "1"}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

func TestFileLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	params := workloads.Params{"size": "100", "sync": "no"}
	tasks, err := workloads.File().Prepare(t.Context(), workloads.Env{Params: params, Fixture: dir})
	if err != nil {
		t.Fatal(err)
	}
	digests(t, tasks, 3)
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("the directory holds %v, %v", left, err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := tasks.Task(t.Context(), 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without its directory a task returns %v", err)
	}
	if _, err := workloads.File().Prepare(t.Context(), workloads.Env{Params: params, Fixture: "/dev/null"}); err == nil {
		t.Error("a directory that is none was taken")
	}
}
