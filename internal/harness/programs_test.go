package harness

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parbench/parbench/results"
)

// bothOffers are the offers of the fake program and of its foreign counterpart.
func bothOffers() []Offer {
	return append(selfOffer(), Offer{Program: Program{Label: "other"}, Description: foreignOffer()})
}

func draftOf(t *testing.T, spec Spec) *draft {
	t.Helper()
	d, err := newDraft(spec, bothOffers(), []int{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func programCells(d *draft) []string {
	var out []string
	for _, c := range d.cells {
		s := c.Program + " " + c.Workload + " " + cellText(c.Cell)
		if c.Reference {
			s += " reference"
		}
		out = append(out, s)
	}
	return out
}

// TestCalibratingProgram: what a task is to take is calibrated in the program whose strategies were asked for.
func TestCalibratingProgram(t *testing.T) {
	spec := quickSpec("work", "threads", 1)
	spec.Strategies = append(spec.Strategies, parseSel("x-pool"))
	if p := draftOf(t, spec).calibrating(0); p != 0 {
		t.Errorf("program %d, want the first one", p)
	}
	slices.Reverse(spec.Strategies)
	if p := draftOf(t, spec).calibrating(0); p != 0 {
		t.Errorf("with the strategies the other way round: program %d, want the first one", p)
	}
	if p := draftOf(t, quickSpec("work", "x-pool", 1)).calibrating(0); p != 1 {
		t.Errorf("program %d, want the only one that was asked for", p)
	}
}

// TestOwnGrains: a grain holds in each program by itself, whatever the order of the strategies, and its results are checked
// against the first program's all the same.
func TestOwnGrains(t *testing.T) {
	for _, own := range []bool{true, false} {
		for _, order := range [][]string{{"threads", "x-pool"}, {"x-pool", "threads"}} {
			spec := quickSpec("timed:grain=1us", order[0], 1)
			spec.Strategies = append(spec.Strategies, parseSel(order[1]))
			spec.Workloads = append(spec.Workloads, parseSel("timed:grain=10us"), parseSel("work"))
			spec.OwnGrains = own
			run, out := runSpec(t, twoPrograms(t), spec)
			if out.Failed != 0 {
				t.Fatalf("%d failed", out.Failed)
			}
			got := map[string]string{}
			for _, e := range run.Header.Plan.Workloads {
				got[e.Key] = e.Program + " " + e.Params["iterations"]
			}
			want := map[string]string{"timed{grain=1µs}": " 10000000", "timed{grain=10µs}": " 100000000", "work": " "}
			if own {
				want = map[string]string{
					"self/timed{grain=1µs}": "self 10000000", "self/timed{grain=10µs}": "self 100000000",
					"other/timed{grain=1µs}": "other 250000", "other/timed{grain=10µs}": "other 2500000", "work": " ",
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%q: %s", order, d)
			}
			for _, c := range run.Header.Plan.Cells {
				e := entryOf(run.Header.Plan, c.Workload)
				if e.Program != "" && (e.Program != c.Program || e.GrainNS != e.In(c.Program).GrainNS) {
					t.Errorf("cell %s of %s in the entry of %s, grain %v of %v", c.Label, c.Program, e.Program, e.GrainNS, e.In(c.Program))
				}
			}
		}
	}
	foreign := func(e results.PlanEntry) bool { return e.Program == "other" && e.GrainNS > 20*e.In("self").GrainNS }
	spec := quickSpec("timed:behave=digest-there", "threads", 1)
	spec.Strategies, spec.OwnGrains = append(spec.Strategies, parseSel("x-pool")), true
	run, _ := runSpec(t, twoPrograms(t), spec)
	if !slices.ContainsFunc(run.Header.Plan.Workloads, foreign) {
		t.Errorf("no entry has the slower program's grain: %+v", run.Header.Plan.Workloads)
	}
	for _, tr := range run.Trials {
		if c := run.Header.Plan.Cells[tr.Cell]; (c.Program == "other") != (tr.Status == results.Wrong) {
			t.Errorf("%s %s: %s (%s)", c.Program, c.Label, tr.Status, tr.Reason)
		}
	}
}

func TestCellsOfTwoPrograms(t *testing.T) {
	spec := quickSpec("work", "threads", 1, 2)
	spec.Strategies = append(spec.Strategies, parseSel("x-pool:workers=3"))
	want := []string{
		"self work sequential 1/1 reference", "other work x-sequential 1/1 reference",
		"self work threads 1/1", "self work threads 2/2", "other work x-pool:workers=3 1/3", "other work x-pool:workers=3 2/3",
	}
	if d := cmp.Diff(want, programCells(draftOf(t, spec))); d != "" {
		t.Error(d)
	}
	// The first program's reference is there even when only the other one's strategies were asked for.
	want = []string{"self work sequential 1/1 reference", "other work x-sequential 1/1 reference"}
	if d := cmp.Diff(want, programCells(draftOf(t, quickSpec("work", "x-sequential", 1)))); d != "" {
		t.Error(d)
	}
	// A workload that only the other one has runs there alone.
	want = []string{"other own-idea x-sequential 1/1 reference", "other own-idea x-pool 1/1"}
	if d := cmp.Diff(want, programCells(draftOf(t, quickSpec("own-idea", "x-pool", 1)))); d != "" {
		t.Error(d)
	}
}

// TestTheFirstProgramsReferenceComesFirst: whatever the order of the strategies, where several programs take part. A program
// alone keeps its user's order.
func TestTheFirstProgramsReferenceComesFirst(t *testing.T) {
	const self, other, threads, pool = "self work sequential 1/1 reference", "other work x-sequential 1/1 reference", "self work threads 1/1", "other work x-pool 1/1"
	for asked, want := range map[string][]string{
		"threads x-pool":                         {self, other, threads, pool},
		"sequential threads x-pool":              {self, other, threads, pool},
		"x-pool threads sequential":              {self, other, pool, threads},
		"x-sequential sequential x-pool":         {self, other, pool},
		"x-sequential x-pool":                    {self, other, pool},
		"sequential threads x-sequential x-pool": {self, threads, other, pool},
		"threads sequential":                     {threads, self},
	} {
		spec := quickSpec("work", "threads", 1)
		spec.Strategies = nil
		for _, s := range strings.Fields(asked) {
			spec.Strategies = append(spec.Strategies, parseSel(s))
		}
		if d := cmp.Diff(want, programCells(draftOf(t, spec))); d != "" {
			t.Errorf("-s %s: %s", asked, d)
		}
	}
}

func TestTwoProgramsWithTheSameStrategy(t *testing.T) {
	offers := []Offer{
		{Program: Program{Label: "base"}, Description: fakeOffer()}, {Program: Program{Label: "head"}, Description: fakeOffer()},
	}
	d, err := newDraft(quickSpec("work", "threads", 1), offers, []int{0})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"base work sequential 1/1 reference", "head work sequential 1/1 reference", "base work threads 1/1", "head work threads 1/1",
	}
	if d := cmp.Diff(want, programCells(d)); d != "" {
		t.Error(d)
	}
	if d, err = newDraft(quickSpec("work", "threads:program=head,workers=2", 1), offers, []int{0}); err != nil {
		t.Fatal(err)
	}
	want = []string{
		"base work sequential 1/1 reference", "head work sequential 1/1 reference", "head work threads:workers=2 1/2",
	}
	if d := cmp.Diff(want, programCells(d)); d != "" {
		t.Error(d)
	}
	for sel, want := range map[string]string{
		"threads:program=tail": `--strategy threads: no program "tail"; there are base, head`,
		"thread:program=head":  `--strategy "thread": no such strategy; did you mean threads?`,
	} {
		if _, err := newDraft(quickSpec("work", sel, 1), offers, []int{0}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", sel, err)
		}
	}
}

func TestWhatAProgramCannotOfferIsNoFailure(t *testing.T) {
	spec := quickSpec("work", "threads", 1)
	spec.Workloads = append(spec.Workloads, parseSel("broken"), parseSel("wait"))
	for _, s := range []string{"x-none", "x-waiting", "x-pool:start=spawn"} {
		spec.Strategies = append(spec.Strategies, parseSel(s))
	}
	d := draftOf(t, spec)
	want := []results.Unavailable{
		{Program: "other", Strategy: "x-none", Reason: "this build has no such module; install another"},
		{Program: "other", Strategy: "x-pool:start=spawn", Reason: "no spawning here"},
		{Program: "other", Workload: "broken", Reason: "broken.x: line 3 is no code; correct it"},
		{Program: "other", Strategy: "x-waiting", Workload: "work", Reason: "only for workloads of the kind io or mixed; work is of the kind cpu"},
		{Program: "other", Strategy: "x-waiting", Workload: "wait", Reason: "other has no workload wait"},
	}
	if diff := cmp.Diff(want, d.unavailable); diff != "" {
		t.Error(diff)
	}
	for _, c := range d.cells {
		if c.Program != "self" && c.Strategy != "x-sequential" {
			t.Errorf("cell %+v", c.Cell)
		}
	}
	d = draftOf(t, Spec{Workloads: []Selection{parseSel("auto")}, Strategies: []Selection{parseSel("threads"), parseSel("x-pool")}, Cores: []int{1}})
	want = []results.Unavailable{
		{Program: "other", Strategy: "x-pool", Workload: "auto", Reason: `other has another workload auto: no parameter "grain"; there is only bytes`},
	}
	if diff := cmp.Diff(want, d.unavailable); diff != "" {
		t.Error(diff)
	}
}

func TestAPlanOfNothingSaysWhy(t *testing.T) {
	for _, c := range []struct{ workload, strategy, want string }{
		{"work", "x-none", "nothing of what was asked for can run here: this build has no such module; install another"},
		{"broken", "x-pool", "nothing of what was asked for can run here: broken.x: line 3"},
		{"own-idea", "threads", "nothing of what was asked for can run here: self has no workload own-idea"},
	} {
		_, err := newDraft(quickSpec(c.workload, c.strategy, 1), bothOffers(), []int{0})
		var ue *UsageError
		if !errors.As(err, &ue) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s under %s: %v", c.workload, c.strategy, err)
		}
	}
}

// The batch is as long as the slowest program needs it, and the same in all of them.
func TestTheSlowestProgramDecidesTheBatch(t *testing.T) {
	spec := quickSpec("work", "threads", 1, 2)
	spec.Tasks = 0
	spec.Strategies = append(spec.Strategies, parseSel("x-pool"))
	d := draftOf(t, spec)
	d.entries[0].GrainNS = 1e6
	d.size(0)
	if got := d.entries[0].Tasks; got != 40 {
		t.Fatalf("alone: %d tasks", got)
	}
	d.entries[0].Others = map[string]results.Grain{"other": {GrainNS: 4e6, SetupNS: 5e8}}
	if got := d.size(0); !reflect.DeepEqual(got, []int{16}) {
		t.Errorf("with a program that is four times slower: %v tasks, want 16 (10, in eights)", got)
	}
	var self, other results.Cell
	for _, c := range d.cells {
		switch {
		case c.entry == 0 && c.Reference && c.Program == "self":
			self = c.Cell
		case c.entry == 0 && c.Reference:
			other = c.Cell
		}
	}
	if a, b := estimate(self, d.entries[0]), estimate(other, d.entries[0]); b < a+d500 {
		t.Errorf("estimates: %v, and %v where set-up alone takes half a second", a, b)
	}
}

const d500 = 500_000_000

// twoPrograms is a harness that drives the fake program and its foreign counterpart.
func twoPrograms(t *testing.T) *Harness {
	t.Helper()
	h := newHarness(t)
	p := h.Programs[0].Program
	p.Label, p.Env = "other", append([]string{"FAKE_AS=foreign"}, p.Env...)
	o, err := Ask(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	h.Programs = append(h.Programs, o)
	return h
}

func TestRunOfTwoPrograms(t *testing.T) {
	h := twoPrograms(t)
	spec := quickSpec("work", "threads", 1)
	spec.Strategies = append(spec.Strategies, parseSel("x-pool"), parseSel("x-none"))
	run, out := runSpec(t, h, spec)
	if out.Failed != 0 || len(run.Header.Plan.Cells) != 4 || len(run.Header.Plan.Unavailable) != 1 {
		t.Fatalf("outcome %+v of %+v", out, run.Header.Plan)
	}
	e := run.Header.Plan.Workloads[0]
	if e.GrainNS <= 0 || e.In("other").GrainNS <= 0 || e.In("self").GrainNS != e.GrainNS || len(e.Others) != 1 {
		t.Errorf("grains %+v", e)
	}
	for _, tr := range run.Trials {
		if tr.Status != results.OK {
			t.Errorf("trial %+v", tr)
		}
	}
	env := h.Environment()
	if len(env.Programs) != 2 || env.Programs[1].Label != "other" || env.Programs[1].Version != "foreign 1" {
		t.Errorf("programs %+v", env.Programs)
	}
}

// Another language that computes something else is caught although it agrees with itself.
func TestDigestsAreCheckedAcrossPrograms(t *testing.T) {
	spec := quickSpec("work:behave=digest-there", "threads", 1)
	spec.Strategies = append(spec.Strategies, parseSel("x-pool"))
	run, out := runSpec(t, twoPrograms(t), spec)
	wrong := 0
	for _, tr := range run.Trials {
		c := run.Header.Plan.Cells[tr.Cell]
		if (c.Program == "other") != (tr.Status == results.Wrong) {
			t.Errorf("%s %s: %s (%s)", c.Program, c.Label, tr.Status, tr.Reason)
		}
		if tr.Status == results.Wrong {
			wrong++
			if !strings.Contains(tr.Reason, "docs/python.md") {
				t.Errorf("%s: it does not say where the rule for digests stands", tr.Reason)
			}
		}
	}
	if wrong != 2 || out.Failed != 2 {
		t.Errorf("%d wrong trials, outcome %+v", wrong, out)
	}
}

// A program in which a workload fails alone loses its own cells, and no others.
func TestOneProgramThatFailsAloneLeavesTheOthers(t *testing.T) {
	spec := quickSpec("work:behave=error-there", "threads", 1)
	spec.Strategies = append(spec.Strategies, parseSel("x-pool"))
	run, _ := runSpec(t, twoPrograms(t), spec)
	good := 0
	for _, tr := range run.Trials {
		c := run.Header.Plan.Cells[tr.Cell]
		switch {
		case c.Program == "other" && (tr.Status != results.TaskFailed || !strings.Contains(tr.Reason, "failed in calibration")):
			t.Errorf("%s: %+v", c.Label, tr)
		case c.Program == "self" && tr.Status == results.OK:
			good++
		}
	}
	if good < 4 {
		t.Errorf("%d good trials of the first program", good)
	}
}

func TestAPlanNeedsItsPrograms(t *testing.T) {
	h := newHarness(t)
	ctx := context.Background()
	if err := h.Open(ctx, nil); err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	plan := results.Plan{Workloads: []results.PlanEntry{{Key: "work"}}, Cells: []results.Cell{{Program: "gone", Workload: "work"}}}
	if _, err := h.Run(ctx, plan, nil, nil); err == nil || !strings.Contains(err.Error(), "the program gone, which is not here") {
		t.Errorf("got %v", err)
	}
}

func TestIdentityCoversTheSources(t *testing.T) {
	path := filepath.Join(t.TempDir(), "source")
	p := Program{Label: "x", Path: "/proc/self/exe", Files: []string{path}}
	var hashes []string
	for _, text := range []string{"one", "two"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		id, err := p.Identify(fakeOffer())
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, id.Hash)
	}
	if hashes[0] == hashes[1] || len(hashes[0]) != 64 {
		t.Errorf("hashes %q", hashes)
	}
}
