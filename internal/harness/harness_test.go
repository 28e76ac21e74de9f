package harness

import (
	"context"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/results"
)

// newHarness returns a harness that drives the fake program on CPU 0 of this machine and calls itself two cores wide.
func newHarness(t *testing.T) *Harness {
	t.Helper()
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	m := host.Open("")
	u, err := m.Usable()
	if err != nil {
		t.Fatal(err)
	}
	cpu := u.CPUs[0]
	self.Env = []string{"FAKE_PIDFILE=" + filepath.Join(t.TempDir(), "pid")}
	own, err := Ask(context.Background(), self)
	if err != nil {
		t.Fatal(err)
	}
	return &Harness{Machine: m, Programs: []Offer{own}, Place: Placement{CPUs: []int{cpu, cpu}, Cores: 2}}
}

func quickSpec(w, s string, cores ...int) Spec {
	return Spec{
		Workloads: []Selection{parseSel(w)}, Strategies: []Selection{parseSel(s)}, Cores: cores, Rounds: 2, Tasks: 8, Seed: 1, Warmup: 1,
		Budget: time.Minute,
	}
}

func parseSel(text string) Selection {
	name, rest, ok := strings.Cut(text, ":")
	s := Selection{Name: name}
	if ok {
		s.Params = map[string]string{}
		for _, kv := range strings.Split(rest, ",") {
			k, v, _ := strings.Cut(kv, "=")
			s.Params[k] = v
		}
	}
	return s
}

// runSpec prepares and runs a spec into a fresh file and reads the file back.
func runSpec(t *testing.T, h *Harness, spec Spec) (*results.Run, Outcome) {
	t.Helper()
	ctx := context.Background()
	if err := h.Open(ctx, FixturesOf(spec.Workloads, h.Programs)); err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	p, err := h.Prepare(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "run.jsonl")
	w, err := results.Create(path, results.Header{Type: "run", Schema: results.Schema, Version: results.Version, ID: "x", Created: time.Unix(0, 0).UTC(), Plan: p.Plan})
	if err != nil {
		t.Fatal(err)
	}
	if err := RecordFailures(p.Plan, p.Failed, w); err != nil {
		t.Fatal(err)
	}
	done, err := results.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.Run(ctx, p.Plan, done, w)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	run, err := results.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return run, out
}

func TestRunMeasuresEveryCellInEveryRound(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(), spawnStarter)
	run, out := runSpec(t, newHarness(t), quickSpec("work", "threads", 1, 2))
	if out.Failed != 0 || out.Interrupted {
		t.Fatalf("outcome %+v", out)
	}
	seen := map[[2]int]int{}
	for _, tr := range run.Trials {
		if tr.Attempt == 0 {
			seen[[2]int{tr.Round, tr.Cell}]++
		}
		if tr.Status != results.OK || tr.Tasks != 8 || tr.Digest != fakeDigest(8) || tr.OverheadNS <= 0 {
			t.Errorf("trial %+v", tr)
		}
	}
	if cells := len(run.Header.Plan.Cells); cells != 3 || len(seen) != cells*2 { // sequential is added as the reference
		t.Errorf("%d cells, %d distinct trials", cells, len(seen))
	}
	for k, n := range seen {
		if n != 1 {
			t.Errorf("round and cell %v ran %d times", k, n)
		}
	}
	if last := run.Notes[len(run.Notes)-1]; last.Type != "end" || last.Reason != "complete" {
		t.Errorf("last note %+v", last)
	}
}

// spawnStarter ignores the one goroutine that starts processes for as long as this process lives.
var spawnStarter = goleak.IgnoreAnyFunction("github.com/parbench/parbench/strategies/multiproc/spawn.spawnLoop")

func TestFailuresAreDataAndTheOthersGoOn(t *testing.T) {
	for _, c := range []struct {
		behave string
		status results.Status
		reason string
		stderr string
	}{
		{"error", results.TaskFailed, "task 3: no luck", "a stack"},
		{"panic", results.TaskFailed, "task 4: panic: oh", "a stack"},
		{"garbage", results.Protocol, "broke the trial protocol", "a line on stderr"},
		{"exit", results.Crashed, "exited with status 7", "last words"},
		{"digest", results.Wrong, "tasks run one after another give " + fakeDigest(8), ""},
		{"leave", results.Wrong, "two batches disagreed", "a stack"},
		{"lie", results.Protocol, "a batch of 1h0m0s in a trial of", ""},
		{"nothing", results.Protocol, "no measured batch", ""},
		{"chatty", results.OK, "", ""},
	} {
		t.Run(c.behave, func(t *testing.T) {
			run, out := runSpec(t, newHarness(t), quickSpec("work:behave="+c.behave, "threads", 1))
			var bad, good []results.Trial
			for _, tr := range run.Trials {
				if run.Header.Plan.Cells[tr.Cell].Strategy == "threads" {
					bad = append(bad, tr)
				} else if tr.Attempt == 0 {
					good = append(good, tr)
				}
			}
			if len(good) != 2 || good[0].Status != results.OK {
				t.Errorf("the reference cell: %+v", good)
			}
			if c.status == results.OK {
				return
			}
			// A cell that failed is not run again.
			if len(bad) != 1 || out.Failed != 1 {
				t.Fatalf("%d trials of the failing cell, outcome %+v", len(bad), out)
			}
			if bad[0].Status != c.status || !strings.Contains(bad[0].Reason, c.reason) || !strings.Contains(bad[0].Stderr, c.stderr) {
				t.Errorf("trial %+v", bad[0])
			}
			if strings.Contains(bad[0].Reason, "docs/python.md") {
				t.Errorf("one language alone: %s", bad[0].Reason)
			}
			if len(bad[0].Stderr) > stderrTail+10 {
				t.Errorf("kept %d bytes of output", len(bad[0].Stderr))
			}
		})
	}
}

func TestFailureAloneIsRecordedForEveryCell(t *testing.T) {
	run, _ := runSpec(t, newHarness(t), quickSpec("work:behave=late", "threads", 1, 2))
	if len(run.Trials) != 3 {
		t.Fatalf("%d trials, want one for each of 3 cells", len(run.Trials))
	}
	for _, tr := range run.Trials {
		if tr.Status != results.TaskFailed || !strings.Contains(tr.Reason, "failed in calibration: task 3: no luck") {
			t.Errorf("trial %+v", tr)
		}
	}
}

func TestStopEndsAfterTheTrialAtHandAndResumeFinishes(t *testing.T) {
	h := newHarness(t)
	ctx := context.Background()
	if err := h.Open(ctx, []string{"svc"}); err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	p, err := h.Prepare(ctx, quickSpec("wait", "threads", 1, 2))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "run.jsonl")
	w, err := results.Create(path, results.Header{Type: "run", Schema: results.Schema, Version: results.Version, ID: "x", Created: time.Unix(0, 0).UTC(), Plan: p.Plan})
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	h.Stop = stop
	trials := 0
	h.OnProgress = func(x Progress) {
		if trials++; trials == 3 {
			close(stop) // noticed before the fourth
		}
	}
	out, err := h.Run(ctx, p.Plan, nil, w)
	if err != nil || !out.Interrupted {
		t.Fatalf("outcome %+v, %v", out, err)
	}
	w.Close()
	w, run, err := results.Append(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(run.Trials) != 3 {
		t.Fatalf("%d trials before the stop", len(run.Trials))
	}
	h.Stop = make(chan struct{})
	if _, err := h.Run(ctx, run.Header.Plan, run, w); err != nil {
		t.Fatal(err)
	}
	w.Close()
	whole, err := results.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, tr := range whole.Trials {
		if tr.Attempt == 0 {
			got = append(got, tr.Round*10+tr.Cell)
		}
	}
	var want []int
	for round := range 2 {
		for _, c := range order(p.Plan.Seed, round, len(p.Plan.Cells)) {
			want = append(want, round*10+c)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("order over both processes (-planned +ran):\n%s", d)
	}
}

func TestADeadFixtureEndsTheRunAndCostsNoCell(t *testing.T) {
	h := newHarness(t)
	ctx := context.Background()
	if err := h.Open(ctx, []string{"svc"}); err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	p, err := h.Prepare(ctx, quickSpec("wait", "threads", 1))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "run.jsonl")
	w, err := results.Create(path, results.Header{Type: "run", Schema: results.Schema, Version: results.Version, ID: "x", Created: time.Unix(0, 0).UTC(), Plan: p.Plan})
	if err != nil {
		t.Fatal(err)
	}
	fixture := h.fixtures.sessions["svc"].child
	if err := fixture.Kill(); err != nil {
		t.Fatal(err)
	}
	<-fixture.Done()
	if _, err := h.Run(ctx, p.Plan, nil, w); err == nil || !strings.Contains(err.Error(), `fixture "svc" has ended`) {
		t.Fatalf("the run ended with %v", err)
	}
	w.Close()
	run, err := results.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(run.Trials) != 0 || Missing(run) != len(p.Plan.Cells)*2 {
		t.Errorf("%d trials recorded, %d missing", len(run.Trials), Missing(run))
	}
}

func TestDisturbedTrialsOfAnInterruptedRoundAreRepeated(t *testing.T) {
	plan := results.Plan{Rounds: 2, Cells: make([]results.Cell, 3)}
	disturbed := &results.Outside{Flagged: true}
	r := newRunner(plan)
	r.takeOver(&results.Run{Trials: []results.Trial{
		{Cell: 0, Status: results.OK, Others: disturbed},
		{Cell: 1, Status: results.OK, Others: disturbed},
		{Cell: 1, Status: results.OK, Attempt: 1},
		{Cell: 2, Status: results.OK},
	}})
	if d := cmp.Diff([]int{0}, r.again[0]); d != "" || r.extra != 1 {
		t.Errorf("to be repeated (-want +got):\n%s%d were repeated", d, r.extra)
	}
}

func TestDigestsOfCappedAndOwnSizedCells(t *testing.T) {
	run, _ := runSpec(t, newHarness(t), quickSpec("work", "procs:mode=apply", 1, 2))
	for _, tr := range run.Trials {
		c := run.Header.Plan.Cells[tr.Cell]
		if c.Strategy == "procs" && (!c.Capped || tr.Tasks != 5 || tr.Digest != fakeDigest(5)) {
			t.Errorf("capped cell %+v: trial %+v", c, tr)
		}
		if tr.Status != results.OK {
			t.Errorf("trial %+v", tr)
		}
	}
	spec := quickSpec("own", "threads", 1)
	spec.Tasks = 0
	run, _ = runSpec(t, newHarness(t), spec)
	for _, tr := range run.Trials {
		if tr.Tasks != 37 || tr.Status != results.OK {
			t.Errorf("own-sized trial %+v", tr)
		}
	}
}

func TestAutoParametersBecomeExplicit(t *testing.T) {
	run, _ := runSpec(t, newHarness(t), quickSpec("auto", "threads", 1))
	p := run.Header.Plan.Workloads[0].Params
	if b, _ := strconv.Atoi(p["bytes"]); b < 24<<20 || b > 192<<20 {
		t.Errorf("bytes=%s", p["bytes"])
	}
	// The fake takes 10 ns a task in its shorter batch whatever the iterations: 100,000 of them were tried, so 1 ms is a hundred
	// million... times 1e6/10 tasks' worth.
	if p["iterations"] != "10000000000" {
		t.Errorf("iterations=%s", p["iterations"])
	}
	if run.Header.Plan.Workloads[0].GrainNS != 11 {
		t.Errorf("grain %v ns", run.Header.Plan.Workloads[0].GrainNS)
	}
}

// TestIterationsAreInProportionToGrains: whatever disturbs the calibration of one grain, the shortest of several tries counts, and
// it counts for all grains.
func TestIterationsAreInProportionToGrains(t *testing.T) {
	h := newHarness(t)
	tries := filepath.Join(t.TempDir(), "tries")
	h.Programs[0].Env = append(h.Programs[0].Env, "FAKE_SLOW_UNLESS="+tries)
	spec := quickSpec("auto:grain=1us", "threads", 1)
	spec.Workloads = append(spec.Workloads, parseSel("auto:grain=10us"), parseSel("auto:grain=100us"))
	run, _ := runSpec(t, h, spec)
	for i, want := range []string{"10000000", "100000000", "1000000000"} {
		if got := run.Header.Plan.Workloads[i].Params["iterations"]; got != want {
			t.Errorf("%s: %s iterations, want %s", run.Header.Plan.Workloads[i].Key, got, want)
		}
	}
}

func TestCalibrationSettlesWithUnboundedStrategies(t *testing.T) {
	spec := quickSpec("work", "goroutines", 1, 2)
	spec.Tasks = 0
	run, _ := runSpec(t, newHarness(t), spec)
	e := run.Header.Plan.Workloads[0]
	if e.Tasks < 3_600_000 || e.Tasks > 3_700_000 { // the fake's 11 ns a task need 3.6 million for 20 ms on two cores
		t.Errorf("%d tasks", e.Tasks)
	}
	for _, c := range run.Header.Plan.Cells {
		if c.Unbounded && c.Workers != e.Tasks {
			t.Errorf("cell %+v", c)
		}
	}
}

func TestDescribeExplainsItself(t *testing.T) {
	for path, want := range map[string]string{
		"/bin/true":          "exited with status 0 without answering",
		"/nowhere/at/all":    "start program x",
		"/proc/self/cmdline": "start program x",
	} {
		_, err := Program{Label: "x", Path: path}.Describe(context.Background())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestOrderIsARepeatablePermutationThatDiffersByRound(t *testing.T) {
	a, b, c := order(7, 0, 50), order(7, 0, 50), order(7, 1, 50)
	if !reflect.DeepEqual(a, b) || reflect.DeepEqual(a, c) {
		t.Error("the order must depend on seed and round alone")
	}
	seen := map[int]bool{}
	for _, x := range a {
		seen[x] = true
	}
	if len(seen) != 50 {
		t.Error("not a permutation")
	}
}
