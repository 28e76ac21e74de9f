package harness

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/results"
)

func TestDraftRefusesWhatCannotBe(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*Spec)
		want []string
	}{
		{"workload", func(s *Spec) { s.Workloads[0].Name = "wrk" }, []string{`--workload "wrk"`, "did you mean work? there are work, wait"}},
		{"parameter", func(s *Spec) { s.Workloads[0].Params = map[string]string{"limt": "3"} }, []string{"--workload work", `no parameter "limt"`, "behave, limit"}},
		{"value", func(s *Spec) { s.Workloads[0].Params = map[string]string{"limit": "many"} }, []string{`"many" is not a whole number`}},
		{"range", func(s *Spec) { s.Workloads[0].Params = map[string]string{"limit": "101"} }, []string{"between 1 and 100"}},
		{"strategy", func(s *Spec) { s.Strategies[0].Name = "pol" }, []string{`--strategy "pol"`, "there are sequential, gil"}},
		{"mode", func(s *Spec) { s.Strategies[0] = parseSel("procs:mode=mpa") }, []string{"one of map, apply", "workers=N"}},
		{"workers", func(s *Spec) { s.Strategies[0] = parseSel("threads:workers=0") }, []string{"workers=\"0\""}},
		{"no workers", func(s *Spec) { s.Strategies[0] = parseSel("sequential:workers=2") }, []string{"leave workers=2 out"}},
		{"cores", func(s *Spec) { s.Cores = []int{1, 99} }, []string{"--cores 99", "only 2 cores are usable", "--oversubscribe"}},
		{"twice", func(s *Spec) { s.Strategies = append(s.Strategies, s.Strategies[0]) }, []string{"the same as threads"}},
		{"twice with a default spelt out", func(s *Spec) { s.Strategies = []Selection{parseSel("procs"), parseSel("procs:mode=map")} }, []string{"procs:mode=map: the same as procs"}},
		{"twice the same workload", func(s *Spec) { s.Workloads = append(s.Workloads, parseSel("work:limit=10")) }, []string{"given twice"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := quickSpec("work", "threads", 1, 2)
			c.edit(&spec)
			_, err := newDraft(spec, selfOffer(), []int{0, 1})
			var ue *UsageError
			if !errors.As(err, &ue) {
				t.Fatalf("got %v, want a usage error", err)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q lacks %q", err, w)
				}
			}
		})
	}
}

func cellText(c results.Cell) string {
	s := c.Label
	if c.Ceiling {
		s = "ceiling"
	}
	return s + " " + string(rune('0'+c.Cores)) + "/" + string(rune('0'+c.Workers%10))
}

func TestLayOut(t *testing.T) {
	offer := selfOffer()
	spec := quickSpec("work", "gil", 1, 2)
	spec.Strategies = append(spec.Strategies, parseSel("threads"), parseSel("threads:workers=7"))
	d, err := newDraft(spec, offer, []int{3, 1})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range d.cells {
		got = append(got, cellText(c.Cell))
	}
	want := []string{"sequential 1/1", "gil 2/2", "threads 1/1", "threads 2/2", "threads:workers=7 1/7", "threads:workers=7 2/7"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("cells %q, want %q", got, want)
	}
	if c := d.cells[3]; !reflect.DeepEqual(c.CPUs, []int{3, 1}) {
		t.Errorf("cell %+v", c)
	}
	if !d.cells[0].Reference {
		t.Error("sequential is the reference")
	}
	// Work that waits gets 16 workers at every core count.
	d, err = newDraft(quickSpec("wait", "threads", 1, 2), offer, []int{3, 1})
	if err != nil {
		t.Fatal(err)
	}
	if d.cells[1].Workers != 16 || d.cells[2].Workers != 16 || d.cells[0].Workers != 1 {
		t.Errorf("workers of waiting work: %+v", d.cells)
	}
}

func TestKeysTellSweptWorkloadsApart(t *testing.T) {
	spec := quickSpec("work:limit=1", "threads", 1)
	spec.Workloads = append(spec.Workloads, parseSel("work:limit=2"))
	d, err := newDraft(spec, selfOffer(), []int{0})
	if err != nil {
		t.Fatal(err)
	}
	if d.entries[0].Key != "work{limit=1}" || d.entries[1].Key != "work{limit=2}" {
		t.Errorf("keys %q, %q", d.entries[0].Key, d.entries[1].Key)
	}
}

func TestTasks(t *testing.T) {
	spec := quickSpec("work", "threads", 1, 2)
	spec.Tasks = 0
	d, err := newDraft(spec, selfOffer(), []int{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		grain time.Duration
		want  int
	}{
		{time.Second, 8},                // four for each of two workers
		{time.Millisecond, 40},          // 20 ms on two cores
		{3 * time.Millisecond / 2, 32},  // 26.7, in eight equal chunks
		{0, 8},                          // too short to see
		{time.Nanosecond, 10_000_000},   // bounded
		{100 * time.Nanosecond, 400000}, //
	} {
		if got := d.tasks(0, c.grain); got != c.want {
			t.Errorf("grain %v: %d tasks, want %d", c.grain, got, c.want)
		}
	}
}

func TestDefaultCores(t *testing.T) {
	for n, want := range map[int][]int{1: {1}, 2: {1, 2}, 3: {1, 2, 3}, 4: {1, 2, 4}, 8: {1, 2, 8}, 16: {1, 4, 16}, 64: {1, 8, 64}, 96: {1, 8, 96}, 128: {1, 8, 128}} {
		if got := DefaultCores(n); !reflect.DeepEqual(got, want) && !(n == 8 && reflect.DeepEqual(got, []int{1, 4, 8})) && !(n == 128 && reflect.DeepEqual(got, []int{1, 16, 128})) {
			t.Errorf("%d usable: %v, want %v", n, got, want)
		}
	}
}

func TestPlace(t *testing.T) {
	u := host.Usable{CPUs: []int{2, 3, 1, 0}, Cores: 4}
	if p := Place(u, true); p.Cores != 3 || p.Shares || !reflect.DeepEqual(p.Fixture, []int{0}) || !reflect.DeepEqual(p.CPUs, []int{2, 3, 1}) {
		t.Errorf("four CPUs with fixtures: %+v", p)
	}
	if p := Place(u, false); p.Cores != 4 || p.Shares {
		t.Errorf("four CPUs without: %+v", p)
	}
	u.Cores = 2 // a quota
	if p := Place(u, true); p.Cores != 2 || !p.Shares || !reflect.DeepEqual(p.CPUs, []int{2, 3}) {
		t.Errorf("four CPUs, quota of two: %+v", p)
	}
}

func TestOutside(t *testing.T) {
	at := time.Unix(100, 0)
	sample := func(total, steal time.Duration, tick int64, after time.Duration) host.Sample {
		return host.Sample{At: at.Add(after), TotalNS: total.Nanoseconds(), StealNS: steal.Nanoseconds(), TickNS: tick}
	}
	group := func(total, steal, after, self, fix time.Duration) reading {
		return reading{sample: sample(total, steal, 1, after), ok: true, source: "cgroup-v1", harness: self, fixtures: fix}
	}
	const ms = time.Millisecond
	// 100 ms of wall: 190 in all, 150 the trial's, 10 the harness's, 20 the fixtures': 10 of others, a tenth of a core.
	o := outside(group(0, 0, 0, 0, 0), group(190*ms, 0, 100*ms, 10*ms, 20*ms), 150*ms, false)
	if o == nil || o.CPUShare < 0.0999 || o.CPUShare > 0.1001 || !o.Flagged {
		t.Errorf("others: %+v", o)
	}
	if o := outside(group(0, 0, 0, 0, 0), group(184*ms, 0, 100*ms, 10*ms, 20*ms), 150*ms, false); o.Flagged {
		t.Errorf("4 %% of a core: %+v", o)
	}
	if o := outside(group(0, 0, 0, 0, 0), group(150*ms, 10*ms, 100*ms, 0, 0), 150*ms, false); o.Flagged {
		t.Errorf("a single tick of stolen time says nothing: %+v", o)
	}
	if o := outside(group(0, 0, 0, 0, 0), group(150*ms, 20*ms, 100*ms, 0, 0), 150*ms, false); !o.Flagged {
		t.Errorf("a fifth of a core stolen: %+v", o)
	}
	tick := func(total, after time.Duration) reading {
		return reading{sample: sample(total, 0, (10 * ms).Nanoseconds(), after), ok: true, source: "proc-stat"}
	}
	if o := outside(tick(0, 0), tick(500*ms, 399*ms), 0, false); o != nil {
		t.Errorf("too short for ticks: %+v", o)
	}
	if o := outside(tick(0, 0), tick(500*ms, 500*ms), 400*ms, false); o == nil || !o.Flagged {
		t.Errorf("long enough for ticks: %+v", o)
	}
	// Where fixtures share the cells' CPUs, per-CPU counters hold their time too: it is not others'.
	shared := tick(500*ms, 500*ms)
	shared.fixtures = 90 * ms
	if o := outside(tick(0, 0), shared, 400*ms, true); o == nil || o.Flagged {
		t.Errorf("100 ms beside the trial, 90 of them the fixtures': %+v", o)
	}
	if o := outside(reading{}, tick(0, ms), 0, false); o != nil {
		t.Errorf("no counters: %+v", o)
	}
}

// TestEnvironmentOf: the run file has the libraries of the plan's strategies, by program, and no others.
func TestEnvironmentOf(t *testing.T) {
	one, two := fakeOffer(), fakeOffer()
	one.Strategies[2].Library, one.Strategies[3].Library = "example.com/a v1.0.0", "example.com/b v1.0.0"
	two.Strategies[3].Library = "example.com/b v2.0.0"
	h := &Harness{Machine: host.Open(""), Programs: []Offer{
		{Program: Program{Label: "base"}, Description: one, Identity: results.Program{Label: "base", Hash: "1"}},
		{Program: Program{Label: "head"}, Description: two, Identity: results.Program{Label: "head", Hash: "2"}},
		{Program: Program{Label: "idle"}, Description: one, Identity: results.Program{Label: "idle", Hash: "3"}},
	}}
	plan := &results.Plan{Cells: []results.Cell{{Program: "base", Strategy: "sequential"}, {Program: "base", Strategy: "threads"}, {Program: "head", Strategy: "threads"}}}
	var got []map[string]string
	for _, p := range h.EnvironmentOf(plan).Programs {
		got = append(got, p.Libraries)
	}
	want := []map[string]string{{"threads": "example.com/b v1.0.0"}, {"threads": "example.com/b v2.0.0"}, nil}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestResumable(t *testing.T) {
	e := results.Environment{BootID: "a", UsableCPUs: []int{0, 1}, UsableCores: 2, Programs: []results.Program{{Label: "self", Hash: "h"}}}
	if d := Resumable(e, e); d != nil {
		t.Errorf("same: %v", d)
	}
	o := e
	o.BootID, o.UsableCPUs, o.Programs = "b", []int{0}, []results.Program{{Label: "self", Hash: "i"}}
	if d := Resumable(e, o); len(d) != 3 {
		t.Errorf("all differ: %v", d)
	}
}
