package codec

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parbench/parbench/results"
)

// lines returns the run as the file that parbench writes.
func runLines(t testing.TB, run *results.Run) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	check(e.Encode(run.Header))
	for i := range run.Trials {
		check(e.Encode(run.Trials[i]))
	}
	return b.Bytes()
}

func TestRun(t *testing.T) {
	run := sample()
	p := &run.Header.Plan
	p.Workloads[0].Params = map[string]string{"limit": "10000"}
	p.Workloads[1].OwnN = true
	for i := range run.Trials {
		run.Trials[i].Digest = "00ff"
	}
	s, err := Read(bytes.NewReader(runLines(t, run)))
	if err != nil {
		t.Fatal(err)
	}
	sound(t, s)
	if s.Tool != Parbench || s.Version != "parbench test" || s.Run == nil || len(s.Series) != 3*len(p.Cells) || s.Env["cpu_model"] != "Some CPU @ 2.00GHz" {
		t.Fatalf("%s %s, %d series, %v", s.Tool, s.Version, len(s.Series), s.Env)
	}
	x := find(t, s, "primes{limit=10000}/pool/cores=1", "time")
	if x.Group != "self" || x.Unit != "s/task" || x.Better != Lower || !x.Rounds || x.SameProcess || x.Secondary || x.Work != 8 || x.Digest != "00ff" {
		t.Errorf("%+v", x)
	}
	if !cmp.Equal(x.Params, map[string]string{"limit": "10000", "workers": "1"}) {
		t.Errorf("%v", x.Params)
	}
	// Cell 1: of round 3 the repeat is taken, because others disturbed the first attempt.
	if len(x.Samples) != 8 || x.Samples[3].Round != 3 || x.Samples[3].Disturbed {
		t.Fatalf("%+v", x.Samples)
	}
	used := run.Used()
	var want []float64
	for _, i := range used {
		if run.Trials[i].Cell == 1 {
			v, _ := run.Trials[i].Observation()
			want = append(want, v)
		}
	}
	if !slices.Equal(x.Values(), want) || !slices.Equal(x.Samples[2].Values, []float64{8_002_000 / 1e9 / 8, 8_000_100 / 1e9 / 8}) {
		t.Errorf("%v, want %v", x.Values(), want)
	}
	if c := find(t, s, x.Name, "cpu-time"); !c.Secondary || math.Abs(c.Samples[0].Value-1e-3) > 1e-18 {
		t.Errorf("%+v", c)
	}
	if m := find(t, s, x.Name, "peak-memory"); m.Samples[0].Value != 9<<20 || m.Unit != "B" {
		t.Errorf("%+v", m)
	}
	// A probe that chooses its own number of tasks has no work to compare.
	if y := find(t, s, "fetch-parse/pool/cores=1", "time"); y.Work != 0 || y.Digest != "" {
		t.Errorf("%+v", y)
	}
	last := find(t, s, "fetch-parse/process-pool:mode=imap,chunk=16/cores=2", "time")
	if last.Failed != 1 || !strings.HasPrefix(last.Reason, "crash: ") || len(last.Samples) != 7 {
		t.Errorf("%+v", last)
	}
}

// A peak that is only known to be no more than a figure is none, neither here nor in Go's format.
func TestBoundOfMemoryIsNoMeasurement(t *testing.T) {
	run := sample()
	for i := range run.Trials {
		run.Trials[i].PeakBound = run.Trials[i].Cell == 1
	}
	s, err := FromRun(run)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteGobench(&b, run); err != nil {
		t.Fatal(err)
	}
	have := 0
	for _, x := range s.Series {
		if x.Metric == "peak-memory" {
			have++
		}
	}
	if cells := len(run.Header.Plan.Cells); have != cells-1 {
		t.Errorf("%d of %d cells have a peak, want all but one", have, cells)
	}
	if n := strings.Count(b.String(), "peak-RSS-bytes"); n != len(run.Used())-8 {
		t.Errorf("%d of %d lines have a peak, want all but 8", n, len(run.Used()))
	}
}

// What `convert -f json` wrote reads as the run it was made from.
func TestDocumentRoundTrip(t *testing.T) {
	run := sample()
	run.Notes = []results.Note{{Type: "end", Time: epoch, Reason: "complete"}}
	var b bytes.Buffer
	if err := WriteJSON(&b, run); err != nil {
		t.Fatal(err)
	}
	got, err := Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(run, got.Run); d != "" {
		t.Error(d)
	}
	// The checks of a run file hold here too.
	b.Reset()
	run.Trials[1].Round = -1
	if err := WriteJSON(&b, run); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(&b); err == nil || !strings.Contains(err.Error(), "record 2 after the header: impossible trial: round -1") {
		t.Errorf("%v", err)
	}
}

// What `convert -f gobench` wrote reads as samples of the same values, each a process.
func TestGobenchRoundTrip(t *testing.T) {
	run := sample()
	want, err := FromRun(run)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteGobench(&b, run); err != nil {
		t.Fatal(err)
	}
	got, err := Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	sound(t, got)
	names := cellNames(&run.Header.Plan)
	for i, name := range seriesNames(&run.Header.Plan) {
		w, g := find(t, want, name, "time"), find(t, got, names[i], "sec/op")
		if g.SameProcess || g.Better != Lower || !slices.EqualFunc(w.Values(), g.Values(), near) {
			t.Errorf("%s: %v, want %v", names[i], g.Values(), w.Values())
		}
	}
}

// Programs are groups, so that one side's "base" and the other's "head" have the same names; cells that are otherwise
// one get their workers, and those that still are a number.
func TestRunNames(t *testing.T) {
	run := sample()
	p := &run.Header.Plan
	p.Cells[1].Program, p.Cells[2].Program = "base", "base"
	p.Cells[2].Label = "pool"
	p.Cells[4] = p.Cells[3]
	p.Cells[4].Workers = 7
	p.Cells[6] = p.Cells[5]
	s, err := FromRun(run)
	if err != nil {
		t.Fatal(err)
	}
	sound(t, s)
	var names []string
	for i := range s.Series {
		if x := &s.Series[i]; x.Metric == "time" {
			names = append(names, x.Group+" "+x.Name)
		}
	}
	want := []string{
		"self primes{limit=10000}/sequential/cores=1", "base primes{limit=10000}/pool/cores=1/workers=1", "base primes{limit=10000}/pool/cores=1/workers=1 #2",
		"self primes{limit=10000}/pool/cores=2/workers=2", "self primes{limit=10000}/pool/cores=2/workers=7",
		"self fetch-parse/sequential/cores=1/workers=1", "self fetch-parse/sequential/cores=1/workers=1 #2",
	}
	if !slices.Equal(names[:len(want)], want) {
		t.Errorf("%q", names)
	}
}

func TestRunWithoutTrials(t *testing.T) {
	run := sample()
	for i := range run.Trials {
		run.Trials[i].Status, run.Trials[i].Reason = results.TimedOut, "after 30 s"
	}
	s, err := FromRun(run)
	if err != nil || s.Series[0].Failed == 0 || s.Series[0].Reason != "timeout: after 30 s" {
		t.Errorf("%v", err)
	}
	run.Trials = nil
	if _, err := FromRun(run); err == nil || !strings.Contains(err.Error(), "holds no trial") {
		t.Errorf("%v", err)
	}
}

// Comparing two files of 10,000 trials shall take half a second: reading both is the larger part.
func BenchmarkReadRun(b *testing.B) {
	run := sample()
	one := run.Trials
	run.Trials = nil
	for round := 0; len(run.Trials) < 10_000; round += 8 {
		for _, t := range one {
			t.Round += round
			run.Trials = append(run.Trials, t)
		}
	}
	data := runLines(b, run)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Read(bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadPyperf(b *testing.B) {
	data := testFile(b, "pyperf-telco.json")
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Read(bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}

// The machine's ceiling is measured in every plan and makes no difference between names; parbench is called so.
func TestNamesOfPrograms(t *testing.T) {
	plan := &results.Plan{
		Workloads: []results.PlanEntry{{Key: "w", Name: "w"}, {Key: "ceiling", Name: "spin"}},
		Cells:     []results.Cell{{Program: "mine", Workload: "w", Label: "pool", Cores: 1}, {Program: "self", Workload: "ceiling", Label: "threads", Cores: 1, Ceiling: true}},
	}
	if got, want := cellNames(plan)[0], "W/workload=w/strategy=pool/cores=1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	plan.Cells = append(plan.Cells, results.Cell{Program: "self", Workload: "w", Label: "pool", Cores: 1})
	names := cellNames(plan)
	if want := []string{"W/workload=w/strategy=pool/program=mine/cores=1", "W/workload=w/strategy=pool/program=parbench/cores=1"}; names[0] != want[0] || names[2] != want[1] {
		t.Errorf("%q, want %q", names, want)
	}
}
