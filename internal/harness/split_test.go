package harness

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/results"
)

// batch is a probed batch of tasks from begin to end, by worker.
func batch(workers int, wall int64, spans ...[3]int64) *protocol.Probe {
	p := &protocol.Probe{Tasks: len(spans), Workers: workers, WallNS: wall}
	for _, s := range spans {
		p.Worker, p.Begin, p.End = append(p.Worker, int(s[0])), append(p.Begin, s[1]), append(p.End, s[2])
	}
	return p
}

func nameless(p *protocol.Probe) *protocol.Probe { p.Worker = nil; return p }

func TestAccount(t *testing.T) {
	two := func() *protocol.Probe {
		return batch(2, 100, [3]int64{0, 5, 30}, [3]int64{1, 10, 40}, [3]int64{0, 34, 60}, [3]int64{1, 50, 90})
	}
	sampled := two()
	sampled.Tasks = 8
	namelessSample := nameless(two())
	namelessSample.Tasks = 8
	clocked := two()
	clocked.ClockNS = 5
	// Three goroutines have begun a task on two cores: from 10 to 30 they share them.
	crowd := nameless(batch(2, 50, [3]int64{0, 0, 30}, [3]int64{0, 10, 40}, [3]int64{0, 10, 40}))
	for name, c := range map[string]struct {
		p    *protocol.Probe
		want accounts
	}{
		"one after another":    {batch(1, 50, [3]int64{0, 2, 20}, [3]int64{0, 21, 47}), accounts{2, 44, 1, 0, 3, 44}},
		"two workers":          {two(), accounts{15, 121, 14, 30, 20, 121}},
		"nobody says who":      {nameless(two()), accounts{15, 121, 14, 30, 20, 121}},
		"one had none":         {batch(2, 60, [3]int64{1, 10, 20}, [3]int64{1, 20, 50}), accounts{10, 40, 0, 50, 20, 40}},
		"fewer than workers":   {nameless(batch(4, 60, [3]int64{0, 10, 50}, [3]int64{0, 20, 40})), accounts{30, 60, 0, 110, 40, 60}},
		"the clock's own cost": {clocked, accounts{15, 101, 34, 30, 20, 101}},
		"more than workers":    {crowd, accounts{10, 70, 0, 0, 20, 90}},
		"a part, named":        {sampled, accounts{15, 135, 0, 30, 20, 242}},
		"a part, nameless":     {namelessSample, accounts{10, 170, 0, 0, 20, 242}},
		"a moment":             {batch(1, 0, [3]int64{0, 0, 0}), accounts{}},
	} {
		if got := account(c.p); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestAccountsAddUp: whatever a program sends, no time is lost or made, and a run file takes the result.
func TestAccountsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s *results.Split
		for range rapid.IntRange(1, 3).Draw(t, "batches") {
			p := &protocol.Probe{
				Workers: rapid.SampledFrom([]int{1, 2, 3, 16, 1 << 30}).Draw(t, "workers"),
				WallNS:  rapid.SampledFrom([]int64{0, 1, 1000, 1 << 33, 1 << 46}).Draw(t, "wall"),
				ClockNS: rapid.Int64Range(0, 50).Draw(t, "clock"), StampNS: rapid.Int64Range(0, 1<<46).Draw(t, "stamp"),
				TransferNS: rapid.Int64Range(0, math.MaxInt64).Draw(t, "transfer"),
			}
			named := rapid.Bool().Draw(t, "named")
			n := rapid.IntRange(0, 40).Draw(t, "stamps")
			for range n {
				b := rapid.Int64Range(0, p.WallNS).Draw(t, "begin")
				p.Begin, p.End = append(p.Begin, b), append(p.End, rapid.Int64Range(b, p.WallNS).Draw(t, "end"))
				if named {
					p.Worker = append(p.Worker, rapid.IntRange(0, p.Workers-1).Draw(t, "worker"))
				}
			}
			p.Tasks = max(n, 1) * rapid.SampledFrom([]int{1, 7, 1 << 20}).Draw(t, "factor")
			s = addProbe(s, p)
		}
		var sum int64
		for _, v := range s.Parts() {
			if v < 0 {
				t.Fatalf("a negative component: %+v", s)
			}
			sum += v
		}
		if sum != int64(s.Workers)*s.WallNS {
			t.Fatalf("the components add up to %d, not to %d × %d: %+v", sum, s.Workers, s.WallNS, s)
		}
		if s.ExecutionNS > s.TaskNS || s.TaskNS < 0 || s.TransferNS < 0 || s.ProbeNS < 0 || s.TransferNS > s.StartNS+s.BetweenNS {
			t.Fatalf("%+v", s)
		}
	})
}

// TestAddProbe: batches of one kind are summed up, what was not seen is kept once, and nothing else is added.
func TestAddProbe(t *testing.T) {
	why := protocol.Unseen{What: "a", Why: "b"}
	first := batch(1, 50, [3]int64{0, 2, 20}, [3]int64{0, 21, 47})
	first.Unseen, first.StampNS, first.TransferNS = []protocol.Unseen{why}, 7, 100
	second := nameless(batch(1, 40, [3]int64{0, 0, 20}, [3]int64{0, 20, 40}))
	second.Unseen = []protocol.Unseen{why}
	other := batch(3, 40, [3]int64{0, 0, 20}, [3]int64{0, 20, 40})
	var s *results.Split
	for _, p := range []*protocol.Probe{first, second, other} {
		s = addProbe(s, p)
	}
	want := &results.Split{
		Tasks: 2, Batches: 2, Workers: 1, WallNS: 90, StartNS: 2, ExecutionNS: 84, BetweenNS: 1, JoinNS: 3, TaskNS: 84, Stamped: 4,
		ProbeNS: 14, TransferNS: 3, Unseen: []results.Unseen{{What: "a", Why: "b"}},
	}
	if d := cmp.Diff(want, s); d != "" {
		t.Error(d)
	}
	s = nil
	for i := range 3 * maxUnseen {
		s = addProbe(s, &protocol.Probe{Tasks: 1, Workers: 1, Unseen: []protocol.Unseen{{What: strings.Repeat("x", i+1)}}})
	}
	if len(s.Unseen) != maxUnseen || s.Observed() {
		t.Errorf("%d reasons are kept, want %d; observed %v", len(s.Unseen), maxUnseen, s.Observed())
	}
}

func TestProbedRounds(t *testing.T) {
	for _, c := range []struct {
		rounds, probes int
		want           []int
	}{
		{10, 6, []int{1, 3, 4, 6, 8, 9}}, {6, 6, []int{0, 1, 2, 3, 4, 5}}, {3, 6, []int{0, 1, 2}}, {10, 0, nil}, {1, 1, []int{0}}, {4, 2, []int{1, 3}},
	} {
		var got []int
		for r := range c.rounds {
			if probed(results.Plan{Rounds: c.rounds, Probes: c.probes}, r) {
				got = append(got, r)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%d of %d rounds: %v, want %v", c.probes, c.rounds, got, c.want)
		}
	}
}

// TestRunProbes: trials of the probed rounds have a split, those of the others and of the machine's ceiling have none.
func TestRunProbes(t *testing.T) {
	spec := quickSpec("work", "threads", 1, 2)
	spec.Rounds, spec.Probes = 4, 2
	run, out := runSpec(t, newHarness(t), spec)
	if out.Failed > 0 || run.Header.Plan.Probes != 2 {
		t.Fatalf("outcome %+v, %d probed rounds", out, run.Header.Plan.Probes)
	}
	for _, tr := range run.Trials {
		if want := tr.Round%2 == 1; (tr.Split != nil) != want || want && (!tr.Split.Observed() || tr.CloseNS != 3000) {
			t.Errorf("round %d: split %+v, close %d", tr.Round, tr.Split, tr.CloseNS)
		}
	}
}

// TestLyingProbe: a probed batch longer than the trial fails the trial.
func TestLyingProbe(t *testing.T) {
	spec := quickSpec("work:behave=late-probe", "threads", 2)
	spec.Probes = 2
	run, out := runSpec(t, newHarness(t), spec)
	if out.Failed == 0 {
		t.Fatal("no trial failed")
	}
	for _, tr := range run.Trials {
		if tr.Status != results.OK && (tr.Status != results.Protocol || !strings.Contains(tr.Reason, "of probed batches in a trial of")) {
			t.Errorf("%s: %s", tr.Status, tr.Reason)
		}
	}
}
