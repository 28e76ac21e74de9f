package results

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 11, 20, 22, 15, 30, 123456789, time.UTC)

// sample is a small header with every kind of field in use.
func sample() Header {
	return Header{
		ID: "20261120T221530Z-k3fq", Created: epoch, Tool: "parbench test", Args: []string{"run", "-w", "primes"},
		Environment: Environment{
			OS: "linux", Arch: "amd64", CPUModel: "Some CPU @ 2.00GHz", UsableCPUs: []int{1, 0}, UsableCores: 2,
			Caches:   []Cache{{Level: 1, Bytes: 32768, Shared: 1}},
			Programs: []Program{{Label: "self", Hash: "00ff"}},
		},
		Plan: Plan{
			Seed: math.MaxUint64, Rounds: 2, Timeout: 30,
			Workloads: []PlanEntry{{Key: "primes", Name: "primes", Kind: "cpu", Params: map[string]string{"limit": "10000"}, Tasks: 8,
				GrainNS: 1e6, Digests: map[int]string{8: "0123456789abcdef"}}},
			Cells: []Cell{
				{Program: "self", Workload: "primes", Strategy: "sequential", Label: "sequential", Cores: 1, Workers: 1, Tasks: 8, CPUs: []int{1}, Reference: true},
				{Program: "self", Workload: "primes", Strategy: "pool", Label: "pool", Cores: 2, Workers: 2, Tasks: 8, CPUs: []int{1, 0}},
			},
		},
	}
}

func trialOf(cell, round int) *Trial {
	return &Trial{Cell: cell, Round: round, Seq: 2*round + cell, Start: epoch, Status: OK, Tasks: 8, Warmup: Nanos{9_000_000},
		Wall: Nanos{8_000_000, 7_900_001}, Digest: "0123456789abcdef", SetupNS: 1, TotalNS: 30_000_000,
		Others: &Outside{Source: "cgroup-v1", CPUShare: .01}}
}

// same compares runs as their files would: a missing list and an empty one are one thing, and so are times that are equal.
func same(x, y *Run) string {
	return cmp.Diff(x, y, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(Run{}, "Torn", "Skipped"))
}

// text draws strings that are hostile to line formats.
func text() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "a\nb", "\x00", "\u2028", `"},{"type":"end"`, "=1+1", "\x1b[31m", "<script>", "é"}))
}

func drawTime() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
	})
}

func drawHeader() *rapid.Generator[Header] {
	return rapid.Custom(func(t *rapid.T) Header {
		h := sample()
		h.ID, h.Tool, h.Created = text().Draw(t, "id"), text().Draw(t, "tool"), drawTime().Draw(t, "created")
		h.Args = rapid.SliceOfN(text(), 0, 3).Draw(t, "args")
		h.Environment.CPUModel = text().Draw(t, "cpu")
		h.Environment.QuotaCores = rapid.Float64().Draw(t, "quota")
		h.Plan.Seed = rapid.Uint64().Draw(t, "seed")
		h.Plan.Workloads[0].Params = rapid.MapOfN(text(), text(), 0, 3).Draw(t, "params")
		h.Plan.Workloads[0].Digests = rapid.MapOfN(rapid.Int(), text(), 0, 3).Draw(t, "digests")
		h.Plan.Cells[1].Label = text().Draw(t, "label")
		return h
	})
}

func drawTrial(cells int) *rapid.Generator[Trial] {
	nanos := rapid.SliceOfN(rapid.Int64Range(0, math.MaxInt64/8), 0, 6)
	return rapid.Custom(func(t *rapid.T) Trial {
		x := Trial{
			Type: "trial", Cell: rapid.IntRange(0, cells-1).Draw(t, "cell"), Round: rapid.IntRange(0, 9).Draw(t, "round"),
			Attempt: rapid.IntRange(0, 1).Draw(t, "attempt"), Seq: rapid.IntRange(0, math.MaxInt).Draw(t, "seq"), Start: drawTime().Draw(t, "start"),
			Status: rapid.SampledFrom([]Status{OK, TaskFailed, Crashed, TimedOut, Wrong, Protocol}).Draw(t, "status"),
			Reason: text().Draw(t, "reason"), Stderr: text().Draw(t, "stderr"), Tasks: rapid.IntRange(0, 99).Draw(t, "tasks"),
			Warmup: nanos.Draw(t, "warmup"), Wall: nanos.Draw(t, "wall"), OverheadNS: rapid.Int64().Draw(t, "overhead"),
			PeakBytes: rapid.Int64Min(0).Draw(t, "peak"), MHz: rapid.Float64Min(0).Draw(t, "mhz"),
		}
		if rapid.Bool().Draw(t, "known") {
			x.Others = &Outside{Source: text().Draw(t, "source"), Steal: rapid.Float64().Draw(t, "steal"), Flagged: rapid.Bool().Draw(t, "flagged")}
		}
		return x
	})
}

// mustWrite makes a run file in a new directory and returns its path.
func mustWrite(t testing.TB, h Header, trials []*Trial, notes ...Note) string {
	t.Helper()
	path := t.TempDir() + "/run.jsonl"
	w, err := Create(path, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range trials {
		if err := w.Trial(x); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range notes {
		if err := w.Note(n); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}
