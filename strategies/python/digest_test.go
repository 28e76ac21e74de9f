package python

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/workloads"
	"github.com/parbench/parbench/workloads/builtin"
)

// The tasks of the specification's test vectors, in every Python found: all of them bit for bit.
func TestVectors(t *testing.T) {
	fixture := serve(t, "http")
	for _, in := range pythons(t) {
		t.Run(in.full(), func(t *testing.T) {
			t.Parallel()
			vectors, err := filepath.Abs("../../workloads/testdata/vectors.json")
			if err != nil {
				t.Fatal(err)
			}
			const program = `
import json, sys
sys.path.insert(0, sys.argv[1])
from parbench.workloads import Job
vectors = json.load(open(sys.argv[2]))
fixtures = {"http": sys.argv[3], "fetch-parse": sys.argv[3], "file": sys.argv[4]}
for v in vectors["tasks"]:
    task = Job(v["workload"], v["params"], int(v["seed"]), fixtures.get(v["workload"], ""), None).prepare()
    print(v["workload"], "%016x" % task(v["task"]) == v["digest"])
`
			cmd := exec.Command(in.Path, "-I", "-S", "-c", program, unpacked(t).dir, vectors, fixture, t.TempDir())
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			if len(lines) < 42 {
				t.Errorf("only %d vectors", len(lines))
			}
			for _, l := range lines {
				if !strings.HasSuffix(l, " True") {
					t.Errorf("another digest: %s", l)
				}
			}
		})
	}
}

// serve starts a fixture for the length of the test.
func serve(t *testing.T, name string) string {
	t.Helper()
	f, ok := builtin.Registry().Fixture(name)
	if !ok {
		t.Fatalf("no fixture %s", name)
	}
	addr, stop, err := f.Serve(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return addr
}

// small are parameters with which a task takes no time.
var small = map[string]workloads.Params{
	"primes": {"limit": "500"}, "sha256": {"rounds": "20"}, "matmul": {"n": "6"}, "mandelbrot": {"size": "24", "rows": "4", "iterations": "60"},
	"sort": {"n": "200"}, "json": {"records": "5"}, "triad": {"bytes": "4800", "blocks": "5"}, "alloc": {"nodes": "60"},
	"sleep": {"duration": "100us"}, "http": {"size": "100", "latency": "1ms"}, "file": {"size": "1000", "sync": "no"},
	"fetch-parse": {"records": "7", "latency": "1ms"}, "spin": {"grain": "1us", "iterations": "50"}, "empty": {},
}

// batchDigest is what Go computes.
func batchDigest(t *testing.T, name string, seed uint64, n int, fixture string) string {
	t.Helper()
	reg := builtin.Registry()
	w, err := reg.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	p, err := workloads.Resolve(w.Info().Params, small[name])
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := strategies.Job{Workload: name, Params: p, Seed: seed, Fixture: fixture}.Prepare(t.Context(), reg)
	if err != nil {
		t.Fatal(err)
	}
	defer tasks.Close()
	var sum uint64
	for i := range n {
		d, err := tasks.Task(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		sum = workloads.Combine(sum, i, d)
	}
	return fmt.Sprintf("%016x", sum)
}

// Every workload in a whole trial gives the digest that Go gives, and so does every strategy in every Python found.
func TestBatchDigests(t *testing.T) {
	fixtures := map[string]string{"http": serve(t, "http"), "dir": t.TempDir()}
	check := func(t *testing.T, in Interpreter, name, strategy string, params map[string]string) {
		t.Helper()
		w, err := builtin.Registry().Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		fixture := fixtures[w.Info().Fixture]
		p, err := workloads.Resolve(w.Info().Params, small[name])
		if err != nil {
			t.Fatal(err)
		}
		tr := start(t, in, "")
		tr.send(cell(name, strategy, func(r *protocol.Run) {
			r.Params, r.Fixture, r.StrategyParams = p, fixture, params
		}))
		got := tr.finish()
		if e := got["error"].Error; e != nil {
			t.Fatalf("%s: %s\n%s", e.Kind, e.Message, e.Stack)
		}
		want := batchDigest(t, name, 1<<63+5, 12, fixture)
		b, u := got["batches"].Batches, got["usage"].Usage
		if b.Digest != want || len(got["digests"].Digests) != 1 || got["digests"].Digests[0].Digest != want {
			t.Errorf("digests %s and %+v, want %s", b.Digest, got["digests"].Digests, want)
		}
		if len(b.Wall) < 2 || b.Tasks != 12 || got["ready"].Ready.Pid != tr.child.Pid() {
			t.Errorf("batches %+v, ready %+v", b, got["ready"].Ready)
		}
		processes := 1
		if strategy == "py-pool" || params["kind"] == "process" {
			processes = 3
		}
		if u.Processes != processes || u.WallNS <= 0 || u.PeakBytes < int64(processes)<<20 {
			t.Errorf("usage %+v, want %d processes", u, processes)
		}
	}
	list := pythons(t)
	for _, w := range builtin.Registry().All() {
		name := w.Info().Name
		t.Run("workload "+name, func(t *testing.T) {
			check(t, list[0], name, "py-threads", nil)
			if w.Info().Kind.Waits() {
				check(t, list[0], name, "py-asyncio", nil)
			}
		})
	}
	for _, in := range list {
		for _, v := range variants() {
			t.Run(in.full()+" "+variantName(v.strategy, v.params), func(t *testing.T) {
				check(t, in, "primes", v.strategy, v.params)
			})
		}
		t.Run(in.full()+" py-asyncio", func(t *testing.T) { check(t, in, "sleep", "py-asyncio", nil) })
	}
}

// A probe chooses its own number of tasks, says which, and its digest is that of so many.
func TestOwnNumberOfTasks(t *testing.T) {
	tr := start(t, pythonHere(t), "")
	tr.send(cell("empty", "py-threads", func(r *protocol.Run) { r.Tasks, r.Digests = 0, []int{0} }))
	got := tr.finish()
	n := got["ready"].Ready.Tasks
	if n < 2 || got["batches"].Batches.Tasks != n {
		t.Fatalf("%d tasks, batches of %d", n, got["batches"].Batches.Tasks)
	}
	if want := batchDigest(t, "empty", 1<<63+5, n, ""); got["batches"].Batches.Digest != want || got["digests"].Digests[0].Digest != want {
		t.Errorf("digest %s, want %s", got["batches"].Batches.Digest, want)
	}
}

// What the program offers is what it is written down to offer, and its workloads are those of the specification.
func TestOffer(t *testing.T) {
	var want []protocol.Workload
	for _, w := range builtin.Registry().All() {
		i := w.Info()
		x := protocol.Workload{Name: i.Name, Kind: string(i.Kind), Doc: i.Doc, Fixture: i.Fixture, Probe: i.Probe, OwnN: i.OwnN}
		for _, p := range i.Params {
			x.Params = append(x.Params, protocol.Param{
				Name: p.Name, Type: string(p.Type), Default: p.Default, Doc: p.Doc, Min: p.Min, Max: p.Max, Choices: p.Choices, Auto: p.Auto,
			})
		}
		want = append(want, x)
	}
	if d := cmp.Diff(want, Offer().Workloads); d != "" {
		t.Errorf("offer.json (-Go +Python):\n%s", d)
	}
	for _, in := range pythons(t) {
		tr := start(t, in, "")
		tr.send(protocol.Request{Op: "describe"})
		d := tr.finish()["description"].Describe
		if cmp.Diff(want, d.Workloads) != "" || d.Protocol != protocol.Version || !strings.Contains(d.Runtime, in.Version) || !strings.Contains(d.Runtime, "GIL o") {
			t.Errorf("%s describes itself as %+v", in.Path, d)
		}
		for _, s := range d.Strategies {
			threads := s.Name == "py-threads" || s.Name == "py-dummy-pool"
			if locked := !strings.Contains(in.Flags, "t"); threads && s.Serial != locked {
				t.Errorf("%s: %s serial: %v", in.full(), s.Name, s.Serial)
			}
			if s.Unavailable != "" {
				t.Logf("%s: %s: %s", in.full(), s.Name, s.Unavailable)
			}
		}
	}
}

// result is the specification of docs/python.md, once more in Go, over values as JSON would hold them.
func result(h uint64, v any) uint64 {
	fold := func(h uint64, xs ...uint64) uint64 {
		for _, x := range xs {
			h = workloads.Fold(h, x)
		}
		return h
	}
	switch v := v.(type) {
	case nil:
		return fold(h, 0)
	case bool:
		if v {
			return fold(h, 1, 1)
		}
		return fold(h, 1, 0)
	case []byte: // a whole number's bytes
		return workloads.FoldBytes(fold(h, 2), v)
	case float64:
		if math.IsNaN(v) {
			return fold(h, 3, 0x7FF8000000000000)
		}
		return fold(h, 3, math.Float64bits(v))
	case string:
		return workloads.FoldBytes(fold(h, 4), []byte(v))
	case raw:
		return workloads.FoldBytes(fold(h, 5), []byte(v))
	case []any:
		h = fold(h, 6, uint64(len(v)))
		for _, x := range v {
			h = result(h, x)
		}
		return h
	case pairs:
		h = fold(h, 7, uint64(len(v)))
		for _, x := range v {
			h = result(result(h, x[0]), x[1])
		}
		return h
	case set:
		var sum uint64
		for _, x := range v {
			sum += result(0, x)
		}
		return fold(h, 8, uint64(len(v)), sum)
	}
	panic(fmt.Sprintf("no digest of %T", v))
}

type (
	raw   string
	pairs [][2]any
	set   []any
)

func TestDigestsOfResults(t *testing.T) {
	values := []struct {
		source string
		value  any
	}{
		{"None", nil}, {"True", true}, {"False", false},
		{"0", []byte{0}}, {"1", []byte{1}}, {"-1", []byte{0xff}}, {"127", []byte{127}}, {"128", []byte{128, 0}}, {"-128", []byte{128, 255}},
		{"2**64", []byte{0, 0, 0, 0, 0, 0, 0, 0, 1}},
		{"0.0", 0.0}, {"-0.0", math.Copysign(0, -1)}, {"1.5", 1.5}, {"float('nan')", math.NaN()}, {"-float('nan')", math.NaN()}, {"float('inf')", math.Inf(1)},
		{"''", ""}, {"'a\u00e9\u20ac'", "aé€"}, {"b'ab'", raw("ab")}, {"bytearray(b'ab')", raw("ab")}, {"memoryview(b'ab')", raw("ab")},
		{"[]", []any{}}, {"(1, 'x', None)", []any{[]byte{1}, "x", nil}}, {"[[1], []]", []any{[]any{[]byte{1}}, []any{}}},
		{"{'a': 1, 'b': 2}", pairs{{"a", []byte{1}}, {"b", []byte{2}}}}, {"{'b': 2, 'a': 1}", pairs{{"b", []byte{2}}, {"a", []byte{1}}}},
		{"{3, 1, 2}", set{[]byte{1}, []byte{2}, []byte{3}}}, {"frozenset()", set{}},
	}
	var sources []string
	for _, v := range values {
		sources = append(sources, v.source)
	}
	for _, in := range pythons(t) {
		path := file(t, "values.py", "VALUES = ["+strings.Join(sources, ", ")+"]\ndef task(i, params):\n    return VALUES[i]\n")
		tr := start(t, in, path)
		tr.send(cell("values", "py-sequential", func(r *protocol.Run) { r.Tasks, r.Digests = len(values), nil }))
		got := tr.finish()
		var want uint64
		seen := map[uint64]string{}
		for i, v := range values {
			want = workloads.Combine(want, i, result(workloads.Key(1<<63+5, i), v.value))
			seen[result(7, v.value)] = v.source
		}
		if got["batches"].Batches == nil || got["batches"].Batches.Digest != fmt.Sprintf("%016x", want) {
			t.Errorf("%s: got %+v, want %016x", in.full(), got, want)
		}
		if len(seen) < len(values)-3 { // the three that hold b'ab', and the two kinds of NaN
			t.Errorf("values that share a digest: %d of %d differ", len(seen), len(values))
		}
	}
}

func TestWorkloadNames(t *testing.T) {
	names := []string{"bench.py", "a b.py", "sort.py", "größe.py", "x-1_2.tar.py", ".py", "noext", "/some/where/my.py", "_mine.py", "Ärger.py", "__.py"}
	text, err := json.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	in := pythonHere(t)
	cmd := exec.Command(in.Path, "-I", "-S", "-c", "import json, sys; sys.path.insert(0, sys.argv[1])\nfrom parbench.own import workload_name\nprint(json.dumps([workload_name(x) for x in json.loads(sys.argv[2])]))",
		unpacked(t).dir, string(text))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var theirs []string
	if err := json.Unmarshal(out, &theirs); err != nil {
		t.Fatal(err)
	}
	var ours []string
	for _, n := range names {
		ours = append(ours, WorkloadName(n))
	}
	if !slices.Equal(ours, theirs) || ours[2] != "sort-py" || !slices.Equal(ours[7:], []string{"my", "mine", "rger", "workload"}) {
		t.Errorf("Go calls them %q, Python %q", ours, theirs)
	}
}
