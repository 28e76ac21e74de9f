package results

import (
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSplitRoundTrip writes a trial with a split and one without, as older writers do, and reads both.
func TestSplitRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.jsonl")
	w, err := Create(path, Header{
		Type: "run", Schema: Schema, Version: Version, ID: "x", Created: time.Unix(0, 0).UTC(),
		Plan: Plan{Rounds: 2, Probes: 1, Workloads: []PlanEntry{{Key: "w"}}, Cells: []Cell{{Workload: "w", Cores: 1}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &Split{
		Tasks: 4, Batches: 1, Workers: 2, WallNS: 50, StartNS: 3, ExecutionNS: 80, BetweenNS: 5, IdleNS: 8, JoinNS: 4, TaskNS: 81, Stamped: 4,
		ProbeNS: 2, TransferNS: 1, OwnWorkers: true, Unseen: []Unseen{{What: "a", Why: "b"}},
	}
	for round, s := range []*Split{want, nil} {
		if err := w.Trial(&Trial{Type: "trial", Round: round, Seq: round, Status: OK, Split: s, CloseNS: 7}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	run, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, run.Trials[0].Split); d != "" {
		t.Error(d)
	}
	if s := run.Trials[1].Split; s != nil || s.Observed() || run.Trials[1].CloseNS != 7 || run.Header.Plan.Probes != 1 {
		t.Errorf("second trial %+v", run.Trials[1])
	}
}

func TestImpossibleSplitsAreRefused(t *testing.T) {
	good := Split{Tasks: 1, Batches: 1, Workers: 2, WallNS: 10, ExecutionNS: 20, TaskNS: 20, Stamped: 1}
	for name, c := range map[string]struct {
		change func(*Split)
		want   string
	}{
		"good":             {func(*Split) {}, ""},
		"nothing stamped":  {func(s *Split) { *s = Split{Tasks: 3, Workers: 1, Unseen: []Unseen{{"a", "b"}}} }, ""},
		"does not add up":  {func(s *Split) { s.IdleNS = 1 }, "adds up to 21 ns"},
		"negative":         {func(s *Split) { s.ExecutionNS, s.IdleNS = 21, -1 }, "-1 ns, is negative"},
		"negative wall":    {func(s *Split) { s.WallNS = -10 }, "-10 ns, is negative"},
		"negative workers": {func(s *Split) { s.Workers = -2 }, "-2 workers"},
		"too much":         {func(s *Split) { s.ExecutionNS, s.StartNS = math.MaxInt64, math.MaxInt64 }, "more than 2^63"},
		"too many workers": {func(s *Split) { s.Workers, s.WallNS = math.MaxInt, math.MaxInt64 }, "not to the time of"},
	} {
		s := good
		c.change(&s)
		err := s.check()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
