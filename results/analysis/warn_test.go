package analysis_test

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/runtest"
)

// codes lists the codes of all warnings of a report.
func codes(rep *analysis.Report) []string {
	var out []string
	add := func(ws []analysis.Warning) {
		for _, w := range ws {
			out = append(out, w.Code)
		}
	}
	add(rep.Warnings)
	for _, t := range rep.Tables {
		add(t.Warnings)
		for _, r := range t.Rows {
			add(r.Warnings)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// calm is a run on a machine about which nothing is to be said: every test below differs from it in one thing.
func calm() runtest.Spec {
	s := spec("cpu", cell("sequential", 1, 10, .001), cell("pool", 1, 10.1, .001), cell("pool", 2, 5.2, .001), cell("threads", 2, 5.6, .001))
	e := runtest.Machine()
	e.Virtualisation, e.LogicalCPUs, e.PhysicalCores = "none", 4, 4
	e.Governor, e.Turbo, e.UsableCPUs, e.UsableCores = "performance", "off", []int{1, 2, 3, 0}, 4
	s.Environment = e
	return s
}

// TestFailedCellsAreThoseOfTheTables: the cells of the machine's ceiling have no row, and are counted apart when they fail.
func TestFailedCellsAreThoseOfTheTables(t *testing.T) {
	for _, tt := range []struct {
		row, ceiling bool
		want         string
	}{
		{true, false, "1 of 4 cells failed in 6 trials"},
		{false, true, "1 of 2 cells of the machine ceiling failed in 6 trials"},
		{true, true, "1 of 4 cells and 1 of 2 cells of the machine ceiling failed in 12 trials"},
	} {
		s := withCeiling(calm(), .5, .001)
		if tt.row {
			s.Workloads[0].Cells[2] = failing(s.Workloads[0].Cells[2], results.Crashed, 4)
		}
		if tt.ceiling {
			s.Workloads[1].Cells[1] = failing(s.Workloads[1].Cells[1], results.Crashed, 4)
		}
		rep := analyse(t, runtest.Build(s))
		at := slices.IndexFunc(rep.Warnings, func(w analysis.Warning) bool { return w.Code == analysis.CodeFailedCells })
		if at < 0 || rep.Warnings[at].Text != tt.want {
			t.Errorf("row %t, ceiling %t: warnings %v, want %q", tt.row, tt.ceiling, rep.Warnings, tt.want)
		}
	}
}

func TestCalmRunHasNoWarning(t *testing.T) {
	if got := codes(analyse(t, smooth(runtest.Build(calm())))); len(got) > 0 {
		t.Errorf("warnings %v", got)
	}
}

// smooth removes outliers by chance: the observations of a cell become an even ladder.
func smooth(run *results.Run) *results.Run {
	base := map[int]int64{}
	for i := range run.Trials {
		tr := &run.Trials[i]
		if len(tr.Wall) > 0 && base[tr.Cell] == 0 {
			base[tr.Cell] = tr.Wall[0]
		}
		for j := range tr.Wall {
			// The order of the ladder's steps has no trend over the rounds, and differs between cells.
			step := int64((7*tr.Round + 3*tr.Cell) % 10)
			tr.Wall[j] = base[tr.Cell] / 10000 * (10000 + step)
		}
	}
	return run
}

func TestWarnings(t *testing.T) {
	type change struct {
		spec func(*runtest.Spec)
		run  func(*results.Run)
	}
	env := func(f func(*results.Environment)) change {
		return change{spec: func(s *runtest.Spec) { f(&s.Environment) }}
	}
	trials := func(f func(*results.Trial)) change {
		return change{run: func(r *results.Run) {
			for i := range r.Trials {
				f(&r.Trials[i])
			}
		}}
	}
	tests := []struct {
		code string
		change
		text string // in the warning
	}{
		{analysis.CodeFewRounds, change{spec: func(s *runtest.Spec) { s.Rounds = 5 }}, "5 rounds: too few for a 95 % interval"},
		{analysis.CodeQuick, change{run: func(r *results.Run) { r.Header.Plan.Quick = true }}, "first look"},
		{analysis.CodeIncomplete, change{run: func(r *results.Run) { r.Trials, r.Notes[0].Reason = r.Trials[:33], "interrupted" }},
			"did not finish (interrupted): 33 of 40 planned trials are usable"},
		{analysis.CodeIncomplete, change{run: func(r *results.Run) { r.Trials, r.Notes = r.Trials[:33], nil }}, "did not finish: 33 of 40"},
		{analysis.CodeTorn, change{run: func(r *results.Run) { r.Torn = 1234 }}, "1,234 bytes were skipped"},
		{analysis.CodeSkipped, change{run: func(r *results.Run) { r.Skipped = 3 }}, "3 records"},
		{analysis.CodeForeign, change{run: func(r *results.Run) { r.Trials = append(r.Trials, results.Trial{Cell: 99, Status: results.TimedOut}) }}, "1 trial belongs"},
		{analysis.CodeResumed, change{run: func(r *results.Run) { r.Notes = append([]results.Note{{Type: "resume"}}, r.Notes...) }}, "interrupted and resumed"},
		{analysis.CodeJoined, change{run: func(r *results.Run) {
			r.Notes = append([]results.Note{{Type: "resume", Joined: true, Differs: []string{"boot", "program self"}}}, r.Notes...)
		}}, "boot, program self"},
		{analysis.CodeInterference, trials(func(tr *results.Trial) { tr.Others.Flagged = tr.Round == 2 }), "during 4 of 40 used trials (10 %)"},
		{analysis.CodeUnknown, trials(func(tr *results.Trial) {
			if tr.Round < 3 {
				tr.Others = nil
			}
		}), "unknown for 12 of 40"},
		{analysis.CodeRepeats, change{spec: func(s *runtest.Spec) { s.Disturbed = 30 }}, "1 trial was repeated"},
		{analysis.CodeRefFailed, change{spec: func(s *runtest.Spec) { s.Workloads[0].Cells[0] = failing(s.Workloads[0].Cells[0], results.TimedOut, 1) }}, "from the 1 round in"},
		{analysis.CodeSteal, trials(func(tr *results.Trial) { tr.Others.Steal = .07 }), "took 7 % of a core"},
		{analysis.CodeDrift, change{spec: func(s *runtest.Spec) { s.Drift = .2 }}, "slower in the last round"},
		{analysis.CodeDrift, change{spec: func(s *runtest.Spec) { s.Drift = -.2 }}, "faster in the last round"},
		{analysis.CodeOneCore, env(func(e *results.Environment) { e.UsableCores = 1 }), "only one core"},
		{analysis.CodeSiblings, env(func(e *results.Environment) { e.PhysicalCores, e.SMT = 1, "on" }), "above 1 share"},
		{analysis.CodeQuota, env(func(e *results.Environment) { e.QuotaCores = 1.5 }), "quota of 1.5 cores"},
		{analysis.CodeVirtual, env(func(e *results.Environment) { e.Virtualisation = "kvm" }), "(kvm)"},
		{analysis.CodeGovernor, env(func(e *results.Environment) { e.Governor = "powersave" }), "powersave"},
		{analysis.CodeTurbo, env(func(e *results.Environment) { e.Turbo = "on" }), "turbo is on"},
		{analysis.CodeBusyMachine, env(func(e *results.Environment) { e.Load1 = 3 }), "load average 3.0 on 4 usable cores"},
		{analysis.CodeBusyMachine, env(func(e *results.Environment) { e.Load1, e.UsableCores = 3, 1 }), "load average 3.0 on 1 usable core"},
		{analysis.CodeFailed, change{spec: func(s *runtest.Spec) { s.Workloads[0].Cells[2] = failing(s.Workloads[0].Cells[2], results.Crashed, 0) }}, "no trial ended well"},
		{analysis.CodeFailed, change{spec: func(s *runtest.Spec) { s.Workloads[0].Cells[2] = failing(s.Workloads[0].Cells[2], results.Crashed, 4) }}, "cannot win"},
		{analysis.CodeFailed, change{spec: func(s *runtest.Spec) { s.Workloads[0].Cells[2] = failing(s.Workloads[0].Cells[2], results.Wrong, 4) }}, "must not be used"},
		{analysis.CodeFailedCells, change{spec: func(s *runtest.Spec) { s.Workloads[0].Cells[2] = failing(s.Workloads[0].Cells[2], results.Crashed, 4) }}, "1 of 4 cells failed in 6 trials"},
		{analysis.CodeRefFailed, change{spec: func(s *runtest.Spec) { s.Workloads[0].Cells[0] = failing(s.Workloads[0].Cells[0], results.TimedOut, 0) }}, "there are no speedups"},
		{analysis.CodeRefFailed, change{spec: func(s *runtest.Spec) { s.Workloads[0].Cells[0] = failing(s.Workloads[0].Cells[0], results.TimedOut, 8) }}, "from the 8 rounds"},
		{analysis.CodeRefFailed, change{spec: func(s *runtest.Spec) { s.Workloads[0].Cells[0] = failing(s.Workloads[0].Cells[0], results.Wrong, 8) }}, "something else than was expected"},
		{analysis.CodeNoReference, change{spec: func(s *runtest.Spec) { s.Workloads[0].Cells[0].Reference = false }}, "no sequential reference"},
		{analysis.CodeOversubscribed, change{spec: func(s *runtest.Spec) { s.Workloads[0].Cells[2].Oversub = true }}, "more cores asked for"},
		{analysis.CodeCapped, change{spec: func(s *runtest.Spec) { c := &s.Workloads[0].Cells[2]; c.Capped, c.Tasks = true, 16 }}, "capped at 16 tasks"},
		{analysis.CodeFewTasks, change{spec: func(s *runtest.Spec) { s.Workloads[0].Cells[2].Workers = 20 }}, "fewer than 2 tasks per worker"},
		{analysis.CodeFewTasks, change{spec: func(s *runtest.Spec) {
			s.Workloads[0].Cells[2].StrategyParams = map[string]string{"mode": "map", "chunk": "16"}
		}}, "fewer than 2 chunks of tasks per worker"},
		{analysis.CodeFitsCache, change{spec: func(s *runtest.Spec) {
			s.Workloads[0].Entry.Kind, s.Workloads[0].Entry.Params = "memory", map[string]string{"bytes": "1048576"}
		}}, "its 1.00 MiB would fit in the last-level cache of 260 MiB"},
		{analysis.CodeWide, trials(func(tr *results.Trial) {
			if tr.Cell == 3 {
				tr.Wall[0] += tr.Wall[0] * int64(tr.Round%5) / 3
			}
		}), "more than 5 % to a side"},
		{analysis.CodeOutliers, trials(func(tr *results.Trial) {
			if tr.Cell == 3 && tr.Round == 4 {
				tr.Wall[0] *= 2
			}
		}), "Tukey"},
		{analysis.CodeClock, env(func(e *results.Environment) { e.ClockStepNS = 4e6 }), "resolution"},
		{analysis.CodeSetup, change{spec: func(s *runtest.Spec) { s.Workloads[0].Cells[2].Setup = 1 }}, "longer than a batch"},
		{analysis.CodeStarved, change{spec: func(s *runtest.Spec) { s.Workloads[0].Cells[0].Busy = .8 }}, "less than 90 %"},
		{analysis.CodeSuperlinear, change{spec: func(s *runtest.Spec) { s.Workloads[0].Cells[2].PerTask = 4e-3 }}, "faster than its cores explain"},
		{analysis.CodeManyRivals, change{spec: func(s *runtest.Spec) {
			s.Rounds = 7
			for _, n := range []string{"a", "b", "c", "d", "e"} {
				s.Workloads[0].Cells = append(s.Workloads[0].Cells, cell(n, 2, 5.3, .001))
			}
		}}, "7 rounds are too few to tell any of 9 cells from the best: the correction for so many comparisons needs 9"},
		{analysis.CodeMissingRounds, change{run: func(r *results.Run) {
			r.Trials = slices.DeleteFunc(r.Trials, func(tr results.Trial) bool { return tr.Cell == 3 && tr.Round > 3 })
		}}, "fewer usable trials"},
		{analysis.CodeSplit, change{spec: func(s *runtest.Spec) {
			s.Probes = 6
			s.Workloads[0].Cells[1].Split = &runtest.Split{}
		}, run: func(r *results.Run) {
			for i := range r.Trials {
				if p := r.Trials[i].Split; p != nil {
					p.WallNS, p.ExecutionNS = 2*p.WallNS, 2*p.ExecutionNS
				}
			}
		}}, "its probed batches took another time than the measured ones, by more than 10 %"},
		{analysis.CodeExits, change{run: func(r *results.Run) {
			r.Header.Plan.Commands = &results.Commands{Allow: "2"}
			r.Trials[0].Exits = map[string]int{"0": 3, "2": 1}
		}}, "1 of 4 commands ended with status 2, which --ignore-failure allows"},
		{analysis.CodeShown, change{run: func(r *results.Run) {
			r.Header.Plan.Commands = &results.Commands{ShowOutput: true}
		}}, "what the commands wrote was shown while they were measured, which takes time"},
		{analysis.CodeShortWait, change{spec: func(s *runtest.Spec) {
			e := &s.Workloads[0].Entry
			e.Name, e.Kind, e.Params = "sleep", "io", map[string]string{"duration": "4.9ms"} // the reference takes 10 ms
		}}, "one task alone took 10.0 ms in parbench where duration=4.9ms was asked for"},
		{analysis.CodeFixtureShares, change{spec: func(s *runtest.Spec) {
			s.SharesFixture = true // though there are four CPUs: a quota or --affinity leaves fewer
			s.Workloads[0].Entry.Fixture = "http"
			s.Workloads[0].Cells[0].Fixture = .2
		}}, "the http service ran on the same CPUs as the tasks, in every cell alike, and took 20 % of a core"},
		{analysis.CodeUnequalWorkers, change{spec: func(s *runtest.Spec) {
			s.Workloads[0].Entry.Kind = "io"
			s.Workloads[0].Cells[2].Workers = 16
		}}, "16 for "},
	}
	tested := map[string]bool{}
	for _, tt := range tests {
		tested[tt.code] = true
		t.Run(tt.code, func(t *testing.T) {
			s := calm()
			if tt.spec != nil {
				tt.spec(&s)
			}
			run := runtest.Build(s)
			if s.Drift == 0 {
				smooth(run)
			}
			if tt.run != nil {
				tt.run(run)
			}
			rep := analyse(t, run)
			if !slices.Contains(codes(rep), tt.code) {
				t.Fatalf("codes %v lack %s", codes(rep), tt.code)
			}
			found := false
			each(rep, func(w analysis.Warning) {
				found = found || w.Code == tt.code && strings.Contains(w.Text, tt.text)
				if w.Text == "" || w.Remedy == "" || strings.HasSuffix(w.Text, ".") || strings.HasSuffix(w.Remedy, ".") {
					t.Errorf("%s: text %q, remedy %q: both are needed, without a full stop", w.Code, w.Text, w.Remedy)
				}
			})
			if !found {
				each(rep, func(w analysis.Warning) { t.Logf("%s: %s", w.Code, w.Text) })
				t.Errorf("no %s says %q", tt.code, tt.text)
			}
		})
	}
	for _, c := range analysis.Codes() {
		if !tested[c] {
			t.Errorf("code %s has no test", c)
		}
	}
}

// TestShortWaitsOfParbenchOnly: what a user's program waits for is its own affair, and so are waits that are about as long as
// asked for and work that does more than wait.
func TestShortWaitsOfParbenchOnly(t *testing.T) {
	for name, change := range map[string]func(w *runtest.Workload){
		"a user's program": func(w *runtest.Workload) {
			for i := range w.Cells {
				w.Cells[i].Program = "logbench"
			}
		},
		"about as asked":     func(w *runtest.Workload) { w.Entry.Params["duration"] = "5.1ms" },
		"another workload":   func(w *runtest.Workload) { w.Entry.Name = "naps" },
		"no duration":        func(w *runtest.Workload) { w.Entry.Params["duration"] = "short" },
		"something it lacks": func(w *runtest.Workload) { w.Entry.Params = nil },
	} {
		s := calm()
		w := &s.Workloads[0]
		w.Entry.Name, w.Entry.Kind, w.Entry.Params = "sleep", "io", map[string]string{"duration": "1ms"}
		change(w)
		if got := codes(analyse(t, smooth(runtest.Build(s)))); slices.Contains(got, analysis.CodeShortWait) {
			t.Errorf("%s: warnings %v", name, got)
		}
	}
}

// TestFixtureOfItsOwnIsNotWarnedAbout: few CPUs alone do not mean that the fixture shares them.
func TestFixtureOfItsOwnIsNotWarnedAbout(t *testing.T) {
	s := calm()
	s.Environment.UsableCPUs = []int{1, 0}
	s.Workloads[0].Entry.Fixture = "http"
	s.Workloads[0].Cells[0].Fixture = .2
	if got := codes(analyse(t, smooth(runtest.Build(s)))); slices.Contains(got, analysis.CodeFixtureShares) {
		t.Errorf("codes %v of a run whose plan does not share CPUs with fixtures", got)
	}
}

// TestLargeEnoughIsNotWarnedAbout: chunks that leave every worker two, and data that no cache holds.
func TestLargeEnoughIsNotWarnedAbout(t *testing.T) {
	s := calm()
	w := &s.Workloads[0]
	w.Entry.Kind, w.Entry.Params = "memory", map[string]string{"bytes": "272629760"} // all of the cache
	w.Cells[2].StrategyParams = map[string]string{"mode": "map", "chunk": "8"}
	if got := codes(analyse(t, smooth(runtest.Build(s)))); slices.Contains(got, analysis.CodeFewTasks) || slices.Contains(got, analysis.CodeFitsCache) {
		t.Errorf("warnings %v", got)
	}
	w.Entry.Kind, w.Entry.Params["bytes"] = "cpu", "24"
	if got := codes(analyse(t, smooth(runtest.Build(s)))); slices.Contains(got, analysis.CodeFitsCache) {
		t.Errorf("warnings %v about work that computes", got)
	}
}

// TestWarningsFollowTheLevel: how many rounds an interval needs depends on the confidence asked for.
func TestWarningsFollowTheLevel(t *testing.T) {
	for _, tt := range []struct {
		level  float64
		rounds int
		remedy string // of few-rounds; empty: it is not there
	}{
		{.95, 5, "at least 6 rounds for intervals and 7 to tell cells apart, better 10 (--rounds)"}, {.95, 6, ""}, {.98, 6, "at least 7 rounds"}, {.98, 7, ""},
		{.99, 7, "at least 8 rounds for intervals and 10 to tell cells apart (--rounds)"}, {.99, 8, ""}, {.9999, 14, "at least 15 rounds for intervals and 16 to tell cells apart (--rounds)"}, {.9999, 15, ""},
		{.9, 4, "at least 5 rounds"}, {.9, 5, ""},
	} {
		s := calm()
		s.Rounds = tt.rounds
		rep, err := analysis.Analyse(smooth(runtest.Build(s)), analysis.Options{Level: tt.level})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, w := range rep.Warnings {
			if w.Code == analysis.CodeFewRounds {
				got = w.Remedy
			}
		}
		if (got == "") != (tt.remedy == "") || !strings.Contains(got, tt.remedy) {
			t.Errorf("%v with %d rounds: remedy %q, want %q", tt.level, tt.rounds, got, tt.remedy)
		}
		if has := rep.Tables[0].Rows[2].PerTask.Has(); has != (tt.remedy == "") {
			t.Errorf("%v with %d rounds: an interval is %v", tt.level, tt.rounds, has)
		}
	}
}

func each(rep *analysis.Report, f func(analysis.Warning)) {
	all := slices.Clone(rep.Warnings)
	for _, t := range rep.Tables {
		all = append(all, t.Warnings...)
		for _, r := range t.Rows {
			all = append(all, r.Warnings...)
		}
	}
	for _, w := range all {
		f(w)
	}
}

// TestCodesAreDocumented compares the codes in the source, in Codes and on the page.
func TestCodesAreDocumented(t *testing.T) {
	src, err := os.ReadFile("codes.go")
	if err != nil {
		t.Fatal(err)
	}
	var declared []string
	for _, m := range regexp.MustCompile(`(?m)^\tCode\w+\s*= "([a-z-]+)"$`).FindAllSubmatch(src, -1) {
		declared = append(declared, string(m[1]))
	}
	listed := analysis.Codes()
	if !slices.IsSorted(listed) {
		t.Errorf("Codes is not sorted: %v", listed)
	}
	page, err := os.ReadFile("../../docs/method.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := bytes.Cut(page, []byte("\n## Warnings\n"))
	if !ok {
		t.Fatal("docs/method.md has no section Warnings")
	}
	if before, _, more := bytes.Cut(section, []byte("\n## ")); more {
		section = before
	}
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllSubmatch(section, -1) {
		documented = append(documented, string(m[1]))
	}
	slices.Sort(declared)
	slices.Sort(documented)
	if !slices.Equal(declared, listed) {
		t.Errorf("declared %v\nlisted   %v", declared, listed)
	}
	if !slices.Equal(documented, listed) {
		t.Errorf("documented %v\nlisted     %v", documented, listed)
	}
}
