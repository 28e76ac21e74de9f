package gating

import (
	"fmt"
	"slices"
	"strings"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/comparison"
	"github.com/parbench/parbench/results/codec"
)

// machineFields are the fields of an environment that say on what was measured. A kernel or a runtime of another version
// is named in a warning; another machine is refused.
var machineFields = []string{"os", "arch", "cpu_model", "sockets", "physical_cores", "logical_cpus", "usable_cores", "quota_cores",
	"memory_bytes", "memory_limit_bytes", "smt", "virtualisation", "goos", "goarch", "cpu", "num_cpus"}

// UnlikeError says that two files were measured on unlike machines.
type UnlikeError struct{ Differences []string }

// Error names what differs and the remedy.
func (e *UnlikeError) Error() string {
	return "the two files come from unlike machines: " + strings.Join(e.Differences, "; ") +
		"; measure both on one machine, best together (--base, --head), or add --allow-unlike-machines"
}

// Files judges two files of results as a gate with one look and no confirmation: they were measured at different times,
// and nothing protects such a verdict against drift. Errors: *UnlikeError, *comparison.UnequalWorkError, impossible options.
func Files(b, h *codec.Suite, baseLabel, headLabel string, opt Options) (*Outcome, error) {
	opt, err := opt.resolve()
	if err != nil {
		return nil, err
	}
	opt.Looks = 1
	asks := sideQuestions(b.Run, h.Run)
	families := 1
	for i, q := range asks {
		if i == 0 || asks[i-1].about != q.about {
			families++
		}
	}
	o := &Outcome{Rule: opt, Looks: 1, Level: .05 / float64(families)}
	rep, err := comparison.Files(b, h, baseLabel, headLabel, comparison.Options{Alpha: o.Level, MinEffect: opt.MinEffect, Confidence: opt.Confidence,
		AllowUnequalWork: opt.AllowUnequalWork})
	if err != nil {
		return nil, err
	}
	o.Report = *rep
	o.Hidden = nil // a gate judges primary metrics
	if err := o.alike(opt); err != nil {
		return nil, err
	}
	for first := 0; first < len(asks); {
		last := first
		var subjects []comparison.Subject
		for ; last < len(asks) && asks[last].about == asks[first].about; last++ {
			subjects = append(subjects, asks[last].subject)
		}
		f, err := comparison.Judge(kindOf(asks[first].about), subjects, o.Options)
		if err != nil {
			return nil, err
		}
		o.Families = append(o.Families, f)
		first = last
	}
	for i := range o.Families {
		f := &o.Families[i]
		details := make([]Detail, len(f.Rows))
		for k := range f.Rows {
			r := &f.Rows[k]
			details[k].Looks = 1
			if r.Digest {
				o.Different = append(o.Different, r.Title())
			}
			for _, s := range []struct {
				name string
				side comparison.Side
			}{{base, r.Base}, {head, r.Head}} {
				if s.side.Failed > 0 {
					o.Failures = append(o.Failures, Failure{Side: s.name, Name: r.Title(), Status: "failed", Reason: s.side.Reason})
				}
			}
			if r.Undecidable != "" {
				details[k].Why = "cannot be decided: " + r.Undecidable
			} else if r.Verdict == comparison.Inconclusive {
				details[k].Why = "neither a change nor the absence of one was shown"
				if r.Need <= min(r.Base.N, r.Head.N) {
					r.Need = 0
				}
			}
		}
		o.Details = append(o.Details, details)
	}
	for _, s := range []struct {
		side, label string
		suite       *codec.Suite
	}{{base, baseLabel, b}, {head, headLabel, h}} {
		if s.suite.Broken != "" {
			o.Failures = append(o.Failures, Failure{Side: s.side, Name: s.label, Status: "failed", Reason: s.suite.Broken})
		}
	}
	kept := o.Warnings
	o.finish()
	o.Warnings = kept // the comparison's own say the same of failures and results
	return o, nil
}

// alike refuses what was measured on another machine, or on the same one in another state.
func (o *Outcome) alike(opt Options) error {
	if opt.AllowUnlike {
		return nil
	}
	var unlike []string
	for _, d := range o.Environment {
		if slices.Contains(machineFields, d.Field) && d.Base != "" && d.Head != "" {
			unlike = append(unlike, fmt.Sprintf("%s is %q and %q", d.Field, d.Base, d.Head))
		}
	}
	for _, w := range o.Warnings {
		if w.Code == comparison.CodeMachine {
			unlike = append(unlike, w.Text)
		}
	}
	if len(unlike) > 0 {
		return &UnlikeError{unlike}
	}
	return nil
}

// sideQuestion is a question that two files answer independently of each other.
type sideQuestion struct {
	about   int
	subject comparison.Subject
}

// sideQuestions asks two runs what a plan of pairs would be asked, the time of each cell aside, which comparison.Files
// compares already.
func sideQuestions(b, h *results.Run) (out []sideQuestion) {
	if b == nil || h == nil {
		return nil
	}
	plan := results.Plan{Workloads: b.Header.Plan.Workloads}
	add := func(run *results.Run, label string) {
		for _, c := range run.Header.Plan.Cells {
			c.Program = label
			if c.Ceiling {
				c.Program = "" // no side
			}
			plan.Cells = append(plan.Cells, c)
		}
	}
	for _, run := range []*results.Run{b, h} {
		program := ""
		for _, c := range run.Header.Plan.Cells {
			switch {
			case c.Ceiling: // which parbench itself measures beside a user's program
			case program == "":
				program = c.Program
			case c.Program != program:
				return nil // several programs: which of them would be compared?
			}
		}
	}
	add(b, base)
	add(h, head)
	list := tracks(&plan)
	before := len(b.Header.Plan.Cells)
	x, y := observed(b), observed(h)
	for _, q := range questions(&plan, list) {
		if q.about == aboutTime {
			continue
		}
		var cells, others []int
		for _, t := range q.tracks {
			cells, others = append(cells, list[t].base), append(others, list[t].head-before)
		}
		out = append(out, sideQuestion{q.about, comparison.Subject{Name: q.name, Base: perRound(x, cells, q.value), Head: perRound(y, others, q.value)}})
	}
	return out
}

// observed is a run's observations by cell and round.
func observed(run *results.Run) map[int]map[int]float64 {
	out := map[int]map[int]float64{}
	for _, i := range run.Used() {
		t := &run.Trials[i]
		if out[t.Cell] == nil {
			out[t.Cell] = map[int]float64{}
		}
		out[t.Cell][t.Round], _ = t.Observation()
	}
	return out
}

// perRound computes a value in each round that all cells have.
func perRound(of map[int]map[int]float64, cells []int, value func([]float64) (float64, bool)) (out []float64) {
	var rounds []int
	for r := range of[cells[0]] {
		rounds = append(rounds, r)
	}
	slices.Sort(rounds)
	times := make([]float64, len(cells))
next:
	for _, r := range rounds {
		for k, c := range cells {
			v, ok := of[c][r]
			if !ok {
				continue next
			}
			times[k] = v
		}
		if v, ok := value(times); ok {
			out = append(out, v)
		}
	}
	return out
}

// replay is a Source that measured already.
type replay struct {
	whole *results.Run
	shown results.Run
	last  int // stage
	stop  Stop
}

// Replay decides again from the run file of a gate, as the gate did: its stages are those of the file. The zero Options
// take the rule in the file. Errors: as Decide.
func Replay(run *results.Run, opt Options) (*Outcome, error) {
	if g := run.Header.Plan.Gate; g != nil {
		if opt.MinEffect == 0 {
			opt.MinEffect = g.MinEffect
		}
		opt.Looks, opt.Pairs = g.Looks, g.Pairs
	}
	s := &replay{whole: run, shown: results.Run{Header: run.Header}, stop: StopInterrupted} // without an end: it was killed
	for i := range run.Trials {
		s.last = max(s.last, run.Trials[i].Stage)
	}
	for _, n := range run.Notes {
		if n.Type == "end" {
			switch n.Reason {
			case string(StopBudget):
				s.stop = StopBudget
			case "complete":
				s.stop = StopFile
			}
		}
	}
	o, err := decideUntil(s.stop, s, opt)
	if err == nil && run.Header.Plan.Gate == nil {
		o.warn(analysis.Note, comparison.CodeSkipped, "the file was not written by parbench gate, so that there is one look at it and no confirmation", "measure with parbench gate")
	}
	return o, err
}

func (s *replay) Run() *results.Run { return &s.shown }

// Afford lets the decision ask for what the file holds, and for nothing beyond.
func (s *replay) Afford([]int) int {
	if next := s.stage(); next > s.last {
		return 0
	}
	return -1
}

// stage is the first one that was not shown yet.
func (s *replay) stage() int {
	next := 0
	for i := range s.shown.Trials {
		next = max(next, s.shown.Trials[i].Stage+1)
	}
	return next
}

// Measure shows the pairs of a stage. One that the file lacks although it has later ones was not needed by the rule that
// measured: there is nothing to confirm with, and the next look has its pairs all the same.
func (s *replay) Measure(stage int, _ []int, _ int) (Stop, error) {
	found := stage < s.last
	for i := range s.whole.Trials {
		if t := &s.whole.Trials[i]; t.Stage == stage {
			s.shown.Trials = append(s.shown.Trials, *t)
			found = true
		}
	}
	if n := len(s.whole.Notes); stage == s.last && (n == 0 || s.whole.Notes[n-1].Reason != "complete") || !found {
		return s.stop, nil
	}
	return StopNone, nil
}
