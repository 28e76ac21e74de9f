package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parbench/parbench/results"
)

// openPairs is a harness with the fake program on both sides; env changes head.
func openPairs(t *testing.T, env ...string) *Harness {
	t.Helper()
	h := newHarness(t)
	base := h.Programs[0].Program
	base.Label = Base
	head := base
	head.Label, head.Env = Head, append(append([]string{}, env...), base.Env...)
	h.Programs = nil
	for _, p := range []Program{base, head} {
		o, err := Ask(context.Background(), p)
		if err != nil {
			t.Fatal(err)
		}
		h.Programs = append(h.Programs, o)
	}
	if err := h.Open(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

func preparePairs(t *testing.T, h *Harness, spec Spec, opt PairOptions) (*Pairs, *[]results.Trial) {
	t.Helper()
	p, err := h.PreparePairs(context.Background(), spec, opt)
	if err != nil {
		t.Fatal(err)
	}
	var trials []results.Trial
	p.Record = func(x *results.Trial) error {
		trials = append(trials, *x)
		return nil
	}
	return p, &trials
}

func TestPairsAreNextToEachOtherInRandomOrder(t *testing.T) {
	p, trials := preparePairs(t, openPairs(t), quickSpec("work", "threads", 1, 2), PairOptions{})
	if len(p.Tracks) != 2 || len(p.Plan.Cells) != 4 || p.Plan.Cells[0].Program != Base || p.Plan.Cells[2].Program != Head {
		t.Fatalf("%+v", p.Plan.Cells)
	}
	const rounds = 12
	if halt, err := p.Measure(context.Background(), 2, []int{0, 1}, rounds); halt != HaltNone || err != nil {
		t.Fatal(halt, err)
	}
	firsts := map[int]int{}
	var regular []results.Trial
	for _, x := range *trials {
		if x.Stage != 2 || x.Status != results.OK {
			t.Fatalf("%+v", x)
		}
		if x.Attempt == 0 {
			regular = append(regular, x)
		}
	}
	if len(regular) != 4*rounds || p.Rounds() != rounds {
		t.Fatalf("%d trials, %d rounds", len(regular), p.Rounds())
	}
	for i := 0; i < len(regular); i += 2 {
		a, b := regular[i], regular[i+1]
		if a.Round != i/4 || b.Round != a.Round || a.Cell%2 != b.Cell%2 || a.Cell == b.Cell {
			t.Errorf("trials %d and %d: cells %d and %d, rounds %d and %d", i, i+1, a.Cell, b.Cell, a.Round, b.Round)
		}
		firsts[a.Cell]++
	}
	// From the seed: both sides come first, and both tracks do. The draw is the same every time.
	for cell := range 4 {
		if n := firsts[cell]; n == 0 || n == rounds {
			t.Errorf("cell %d was first %d times of %d", cell, n, rounds)
		}
	}
	order := fmt.Sprint(cellsOfTrials(regular))
	*trials = nil
	p.Reset(1)
	if _, err := p.Measure(context.Background(), 0, []int{0, 1}, rounds); err != nil {
		t.Fatal(err)
	}
	again := (*trials)[:0:0]
	for _, x := range *trials {
		if x.Attempt == 0 {
			again = append(again, x)
		}
	}
	if len(again) == len(*trials) && len(regular) == len(again) && fmt.Sprint(cellsOfTrials(again)) != order {
		t.Error("the same seed draws another order") // a repeat draws, too, so this holds without any
	}
}

func cellsOfTrials(list []results.Trial) (cells []int) {
	for _, x := range list {
		cells = append(cells, x.Cell)
	}
	return cells
}

func TestTheReferenceIsMeasuredWhereItIsNeeded(t *testing.T) {
	h := openPairs(t)
	for _, c := range []struct {
		spec Spec
		keep bool
		want int
	}{{quickSpec("work", "threads", 1), false, 1}, {quickSpec("work", "threads", 1), true, 2}, {quickSpec("work", "sequential", 1), false, 1}} {
		p, _ := preparePairs(t, h, c.spec, PairOptions{Reference: c.keep})
		if len(p.Tracks) != c.want {
			t.Errorf("%v, %v: %d tracks, want %d", c.spec.Strategies, c.keep, len(p.Tracks), c.want)
		}
	}
}

func TestOtherResultsAreRefusedBeforeMeasuring(t *testing.T) {
	h := openPairs(t, "FAKE_DIGEST=x")
	_, err := h.PreparePairs(context.Background(), quickSpec("work", "threads", 1), PairOptions{})
	var re *ResultsError
	if !errors.As(err, &re) || !strings.Contains(err.Error(), "--allow-different-results") {
		t.Fatalf("error %v", err)
	}
	p, trials := preparePairs(t, h, quickSpec("work", "threads", 1), PairOptions{AllowDifferent: true})
	if halt, err := p.Measure(context.Background(), 0, []int{0}, 2); halt != HaltNone || err != nil || len(p.Different) != 1 {
		t.Fatal(halt, err, p.Different)
	}
	for _, x := range *trials {
		if x.Status != results.OK { // each side is held against its own results
			t.Errorf("%+v", x)
		}
	}
}

func TestAFailedSideEndsItsTrackOnly(t *testing.T) {
	h := openPairs(t, "FAKE_AS=foreign")
	h.Programs[1].Description = fakeOffer() // it fails where it says it can work
	spec := quickSpec("work:behave=error-there", "threads", 1)
	_, err := h.PreparePairs(context.Background(), spec, PairOptions{})
	var se *SideError
	if !errors.As(err, &se) || se.Side != Head || !strings.Contains(err.Error(), "no luck") {
		t.Fatalf("error %v", err)
	}
	h = openPairs(t)
	p, trials := preparePairs(t, h, quickSpec("work:behave=error", "threads", 1), PairOptions{Reference: true})
	halt, err := p.Measure(context.Background(), 0, []int{0, 1}, 3)
	if halt != HaltNone || err != nil {
		t.Fatal(halt, err)
	}
	good, bad := 0, 0
	for _, x := range *trials {
		if x.Status == results.OK {
			good++
		} else {
			bad++
		}
	}
	if bad != 1 || good < 6 {
		t.Errorf("%d good and %d failed trials", good, bad)
	}
	if halt, err := p.Measure(context.Background(), 0, []int{1}, 3); halt != HaltFailed || err != nil {
		t.Errorf("halt %q, %v", halt, err)
	}
}

func TestPairsStop(t *testing.T) {
	h := openPairs(t)
	p, trials := preparePairs(t, h, quickSpec("work", "threads", 1), PairOptions{})
	p.Deadline = time.Now().Add(-time.Second)
	if halt, err := p.Measure(context.Background(), 0, []int{0}, 100); halt != HaltBudget || err != nil || p.Afford([]int{0}) != 0 {
		t.Errorf("halt %q, %v", halt, err)
	}
	if n := p.Rounds(); n != 1 {
		t.Errorf("%d rounds after the budget", n)
	}
	p.Deadline = time.Now().Add(time.Hour)
	if n := p.Afford([]int{0}); n < 1 {
		t.Errorf("an hour affords %d rounds", n)
	}
	stop := make(chan struct{})
	h.Stop = stop
	n := len(*trials)
	p.OnProgress = func(PairProgress) {
		if len(*trials) == n+3 {
			close(stop)
			n = -10
		}
	}
	if halt, err := p.Measure(context.Background(), 0, []int{0}, 100); halt != HaltInterrupted || err != nil {
		t.Errorf("halt %q, %v", halt, err)
	}
	h.Stop = nil
	p.OnProgress = nil
	broken := errors.New("disk full")
	p.Record = func(*results.Trial) error { return broken }
	if _, err := p.Measure(context.Background(), 0, []int{0}, 1); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestSlowRaisesTheWork(t *testing.T) {
	h := openPairs(t)
	p, _ := preparePairs(t, h, quickSpec("auto", "threads", 1), PairOptions{})
	param := ""
	for name, v := range p.cells[0].run.Params {
		var n float64
		if _, err := fmt.Sscan(v, &n); err == nil && n > 1000 {
			param = name
		}
	}
	if param == "" {
		t.Fatalf("no number in %v", p.cells[0].run.Params)
	}
	before := p.cells[0].run.Params[param]
	if err := p.Slow(param, 2); err != nil {
		t.Fatal(err)
	}
	var a, b float64
	fmt.Sscan(before, &a)
	fmt.Sscan(p.cells[1].run.Params[param], &b)
	if b != 2*a || p.cells[0].run.Params[param] != before || p.want[1] != "" {
		t.Errorf("%v and %v", a, b)
	}
	if err := p.Slow("nothing", 2); err == nil {
		t.Error("a parameter that is not there is raised")
	}
}

func TestCommands(t *testing.T) {
	h := openPairs(t)
	sh := func(side, script string) Program {
		return Program{Label: side, Path: "/bin/sh", Args: []string{"-c", script}}
	}
	ctx := context.Background()
	ran := filepath.Join(t.TempDir(), "ran")
	p, err := h.PrepareCommands(ctx, sh(Base, "exit 0"), sh(Head, "echo x >> "+ran), 1, 0, 7)
	if err != nil {
		t.Fatal(err)
	}
	var trials []results.Trial
	p.Record = func(x *results.Trial) error {
		trials = append(trials, *x)
		return nil
	}
	if halt, err := p.Measure(ctx, 0, []int{0}, 2); halt != HaltNone || err != nil || len(trials) < 4 {
		t.Fatal(halt, err, len(trials))
	}
	executions := 0
	for _, x := range trials {
		var sum int64
		for _, w := range x.Wall {
			sum += w
		}
		if x.Status != results.OK || x.Tasks != 1 || sum < minMeasured.Nanoseconds() || sum != x.SpanNS || x.TotalNS < sum {
			t.Errorf("%+v", x)
		}
		if p.Plan.Cells[x.Cell].Program == Head {
			executions += len(x.Wall)
		}
	}
	text, err := os.ReadFile(ran)
	if err != nil || strings.Count(string(text), "x") <= executions { // those of the preparation, too
		t.Errorf("%q after %d executions, %v", text, executions, err)
	}
	for script, want := range map[string]string{
		"echo no such thing >&2; exit 3": "it exited with status 3; its last output: no such thing", "kill -9 $$": "signal 9", "sleep 60": "did not end within 200ms",
	} {
		_, err := h.PrepareCommands(ctx, sh(Base, "exit 0"), sh(Head, script), 1, 200*time.Millisecond, 7)
		var se *SideError
		if !errors.As(err, &se) || se.Side != Head || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", script, err)
		}
	}
}
