package gating

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/comparison"
	"github.com/parbench/parbench/results/analysis/quantity"
	"github.com/parbench/parbench/results/codec"
	"github.com/parbench/parbench/results/stat"
)

// ErrNothing says that a plan has no cell on both sides.
var ErrNothing = errors.New("gating: base and head have no cell in common")

// everything takes the pairs of all stages.
func everything(int) bool { return true }

// decision is a gate at work.
type decision struct {
	src    Source
	opt    Options
	tracks []track
	asks   []question
	level  float64 // of each family at each look
	floor  int     // pairs with which every comparison could be the only finding

	data     collected
	families [kinds]comparison.Family
	index    [][2]int // of each question: family and row
	verdict  []comparison.Verdict
	detail   []Detail
	looks    int
	short    bool // the budget cut a look
	stop     Stop
	spent    Stop // why the source affords nothing more
}

// Decide measures until every comparison is decided, the looks are used up, or the source stops.
//
// At each look a comparison is a candidate when it differs significantly over its family (Benjamini–Hochberg at the Pocock
// level, shared between the families) and its estimate lies beyond MinEffect. It has then to be confirmed: new pairs alone
// must show the same direction with p < .05, and all pairs together an estimate beyond MinEffect. Otherwise it is
// equivalent when two one-sided tests at that level place it within MinEffect; otherwise it stays open for the next look.
// How many pairs a look has follows from the spread of those before, never from the effect they show. Errors: impossible
// options, ErrNothing, and what the source returns.
func Decide(src Source, opt Options) (*Outcome, error) { return decideUntil(StopBudget, src, opt) }

// decideUntil is Decide with a source that affords nothing more for that reason.
func decideUntil(spent Stop, src Source, opt Options) (*Outcome, error) {
	opt, err := opt.resolve()
	if err != nil {
		return nil, err
	}
	d := &decision{src: src, opt: opt, spent: spent}
	plan := &src.Run().Header.Plan
	if d.tracks = tracks(plan); len(d.tracks) == 0 {
		return nil, ErrNothing
	}
	d.asks = questions(plan, d.tracks)
	d.verdict, d.detail = make([]comparison.Verdict, len(d.asks)), make([]Detail, len(d.asks))
	if err := d.levels(); err != nil {
		return nil, err
	}
	if err := d.run(); err != nil {
		return nil, err
	}
	return d.outcome(), nil
}

// levels shares the level of a look between the families and finds the floor.
func (d *decision) levels() error {
	rows := [kinds]int{}
	for _, q := range d.asks {
		d.index = append(d.index, [2]int{q.about, rows[q.about]})
		rows[q.about]++
	}
	families := 0
	for _, n := range rows {
		if n > 0 {
			families++
		}
	}
	for _, n := range rows {
		if n == 0 {
			continue
		}
		design, err := stat.NewDesign(n, d.opt.Looks)
		if err != nil {
			return err
		}
		d.level = design.Level / float64(families)
		floor, err := stat.PairFloor(n, d.level)
		if err != nil {
			return err
		}
		d.floor = max(d.floor, floor)
	}
	return nil
}

func (d *decision) run() error {
	have, want := 0, max(d.opt.Pairs, d.floor)
	for look := range d.opt.Looks {
		open := d.open()
		ask := d.tracksOf(open)
		rounds := d.affordable(ask, want-have, d.floor-have)
		if rounds == 0 {
			d.stop = d.spent
			break
		}
		d.short = d.short || rounds < want-have
		stop, err := d.src.Measure(2*look, ask, rounds)
		if err != nil {
			return err
		}
		d.looks = look + 1
		if err := d.judge(look); err != nil {
			return err
		}
		have = want
		if d.stop = stop; stop == StopNone {
			if err := d.confirm(look); err != nil {
				return err
			}
		}
		if d.stop != StopNone || len(d.open()) == 0 {
			break
		}
		if look == d.opt.Looks-1 {
			if d.stop = StopLimit; d.short {
				d.stop = StopBudget
			}
			break
		}
		need := 0
		for _, i := range d.open() {
			need = max(need, d.row(i).Need)
		}
		want = min(max(need, leastGrowth*have), mostGrowth*have)
	}
	if len(d.open()) == 0 {
		d.stop = StopNone
	}
	return d.judge(-1)
}

// affordable is the number of rounds to measure next: a third of what there is time for is kept for confirming what they
// show, unless that would leave fewer than the floor.
func (d *decision) affordable(ask []int, rounds, floor int) int {
	a := d.src.Afford(ask)
	if a < 0 || rounds <= a*2/3 {
		return rounds
	}
	return min(rounds, max(a*2/3, min(a, floor)))
}

func (d *decision) row(i int) *comparison.Row {
	at := d.index[i]
	return &d.families[at[0]].Rows[at[1]]
}

// open lists the questions without an answer that still have tracks to measure.
func (d *decision) open() (list []int) {
	for i := range d.asks {
		if d.verdict[i] == "" && !d.dead(i) {
			list = append(list, i)
		}
	}
	return list
}

// dead reports whether a track of the question has failed.
func (d *decision) dead(i int) bool {
	return d.data.failed != nil && slices.ContainsFunc(d.asks[i].tracks, func(t int) bool { return d.data.failed[t] != [2]int{} })
}

// tracksOf is the tracks that the questions need, each once.
func (d *decision) tracksOf(list []int) (out []int) {
	for _, i := range list {
		out = append(out, d.asks[i].tracks...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// judge takes in what was measured and judges every family anew; look −1 only brings the rows up to date. Rows that are
// decided stay so, and stay in the correction.
func (d *decision) judge(look int) error {
	d.data = collect(d.src.Run(), d.tracks)
	subjects := [kinds][]comparison.Subject{}
	disturbed := [kinds][]int{}
	for i := range d.asks {
		q := &d.asks[i]
		s := d.data.answer(q, everything)
		subjects[q.about] = append(subjects[q.about], comparison.Subject{Name: q.name, Base: s.base, Head: s.head, Rounds: s.rounds, Paired: true})
		disturbed[q.about] = append(disturbed[q.about], s.disturbed)
	}
	for about := range subjects {
		if len(subjects[about]) == 0 {
			continue
		}
		f, err := comparison.Judge(kindOf(about), subjects[about], comparison.Options{Alpha: d.level, MinEffect: d.opt.MinEffect, Confidence: d.opt.Confidence})
		if err != nil {
			return err
		}
		for k := range f.Rows {
			f.Rows[k].Base.Disturbed, f.Rows[k].Head.Disturbed = disturbed[about][k], disturbed[about][k]
		}
		d.families[about] = f
	}
	for i := range d.asks {
		if d.verdict[i] == "" && look >= 0 && !d.dead(i) {
			d.detail[i].Looks = look + 1
			if d.row(i).Verdict == comparison.Equivalent {
				d.verdict[i] = comparison.Equivalent
			}
		}
	}
	return nil
}

// confirm measures the candidates of a look again and decides those that hold.
func (d *decision) confirm(look int) error {
	var candidates []int
	for _, i := range d.open() {
		if v := d.row(i).Verdict; v == comparison.Regressed || v == comparison.Improved {
			candidates = append(candidates, i)
		}
	}
	if len(candidates) == 0 {
		return nil
	}
	rounds := leastConfirming
	for _, i := range candidates {
		s := d.data.answer(&d.asks[i], everything)
		// Sized for the smallest effect that matters. The effect found is no guide: it was chosen for being large.
		if n, err := stat.NeededPairs(spread(s), math.Log1p(d.opt.MinEffect), confirmLevel, confirmPower); err == nil {
			rounds = max(rounds, min(n, len(s.base)))
		}
	}
	ask := d.tracksOf(candidates)
	if a := d.src.Afford(ask); a >= 0 {
		rounds = min(rounds, a)
	}
	if rounds < floorConfirming {
		d.stop = d.spent
		return nil
	}
	stage := 2*look + 1
	stop, err := d.src.Measure(stage, ask, rounds)
	if err != nil {
		return err
	}
	if err := d.judge(-1); err != nil {
		return err
	}
	for _, i := range candidates {
		if d.dead(i) {
			continue
		}
		c := d.confirmation(&d.asks[i], stage)
		d.detail[i].Confirmation = c
		if c.Confirmed {
			d.verdict[i] = comparison.Improved
			if worse(d.asks[i].about, c.Ratio.Point) {
				d.verdict[i] = comparison.Regressed
			}
		}
	}
	d.stop = stop
	return nil
}

// worse reports whether a ratio is on the bad side of 1.
func worse(about int, ratio float64) bool { return (about == aboutSpeedup) == (ratio < 1) }

// confirmation puts a finding to the pairs of one stage alone, and its size to all of them.
func (d *decision) confirmation(q *question, stage int) Confirmation {
	s := d.data.answer(q, func(st int) bool { return st == stage })
	c := Confirmation{Pairs: len(s.base), P: 1}
	if c.Pairs == 0 {
		return c
	}
	iv, p, err := stat.PairedRatio(s.head, s.base, d.opt.Confidence)
	if err != nil {
		return c
	}
	c.P, c.Ratio = p, analysis.Interval(iv)
	all := d.data.answer(q, everything)
	pooled, _, err := stat.PairedRatio(all.head, all.base, d.opt.Confidence)
	if err != nil {
		return c
	}
	c.Confirmed = p < confirmLevel && comparison.Beyond(pooled.Point, d.opt.MinEffect) && (iv.Point > 1) == (pooled.Point > 1)
	return c
}

// spread is the deviation of the log ratios.
func spread(s samples) float64 {
	l := make([]float64, len(s.base))
	for i := range l {
		l[i] = math.Log(s.head[i] / s.base[i])
	}
	var mean, sum float64
	for _, v := range l {
		mean += v / float64(len(l))
	}
	for _, v := range l {
		sum += (v - mean) * (v - mean)
	}
	if len(l) < 2 {
		return 0
	}
	return math.Sqrt(sum / float64(len(l)-1))
}

// outcome is what the gate has found.
func (d *decision) outcome() *Outcome {
	run := d.src.Run()
	o := &Outcome{Rule: d.opt, Level: d.level, Looks: d.looks, Stop: d.stop, Failures: d.data.failures, Repeated: d.data.repeated,
		Machine: &run.Header.Environment, Seconds: elapsed(run)}
	if d.stop == StopLimit && len(d.open()) == 0 {
		o.Stop = StopNone
	}
	o.Report.Paired = true
	o.Options = comparison.Options{Alpha: d.level, MinEffect: d.opt.MinEffect, Confidence: d.opt.Confidence}
	o.Base, o.Head = side(run, base), side(run, head)
	for i := range d.asks {
		d.settle(i)
	}
	for about := range d.families {
		f := &d.families[about]
		if len(f.Rows) == 0 {
			continue
		}
		f.Restate(o.Options)
		var details []Detail
		for i := range d.asks {
			if d.index[i][0] == about {
				details = append(details, d.detail[i])
			}
		}
		o.Families, o.Details = append(o.Families, *f), append(o.Details, details)
	}
	for _, pairs := range d.data.pairs {
		o.Pairs += len(pairs)
		for _, p := range pairs {
			if p.disturbed {
				o.Disturbed++
			}
		}
	}
	if w, ok := comparison.Libraries(codec.Libraries(run, base), codec.Libraries(run, head)); ok {
		o.Warnings = append(o.Warnings, w)
	}
	o.finish()
	return o
}

// settle gives a row its final verdict, and an open one its reason.
func (d *decision) settle(i int) {
	r, x := d.row(i), &d.detail[i]
	found := r.Verdict
	effect := quantity.Percent(d.opt.MinEffect)
	if r.Verdict = d.verdict[i]; r.Verdict != "" {
		r.Undecidable, r.Need = "", 0
		return
	}
	r.Verdict = comparison.Inconclusive
	near := ""
	if r.Undecidable == "" && r.Need > 0 && r.Need <= r.Pairs { // more than would show a change of that size where there is none
		r.Need, near = 0, fmt.Sprintf("; it may lie close to %s, where more pairs seldom decide", effect)
	}
	switch {
	case d.dead(i):
		for _, t := range d.asks[i].tracks {
			for side, n := range d.data.failed[t] {
				if n > 0 && r.Undecidable == "" {
					r.Undecidable = "failed in " + [2]string{base, head}[side]
				}
			}
		}
		r.Need = 0
		x.Why = r.Undecidable
	case r.Pairs == 0 && !d.measured(i):
		r.Undecidable, r.Need = "no pair was measured", d.floor
		x.Why = fmt.Sprintf("no pair was measured; at least %s are needed", pairs(d.floor))
	case r.Undecidable != "":
		x.Why = "cannot be decided: " + r.Undecidable
	case found == comparison.Regressed || found == comparison.Improved:
		r.Need = max(r.Need, r.Pairs+leastConfirming)
		x.Why = fmt.Sprintf("%s was found, and not yet put to pairs of its own", comparison.Change(r.Ratio))
		if n := x.Confirmation.Pairs; n > 0 {
			x.Why = fmt.Sprintf("%s was found, and %d new pairs did not confirm it", comparison.Change(r.Ratio), n)
		}
	case x.Confirmation.Pairs > 0:
		x.Why = fmt.Sprintf("a change beyond %s was found first, and %d new pairs did not confirm it", effect, x.Confirmation.Pairs)
	default:
		x.Why = fmt.Sprintf("neither a change beyond %s nor the absence of one was shown%s", effect, near)
	}
}

// measured reports whether each track of the question has a pair.
func (d *decision) measured(i int) bool {
	return !slices.ContainsFunc(d.asks[i].tracks, func(t int) bool { return len(d.data.rounds[t]) == 0 })
}

// side says where one side comes from.
func side(run *results.Run, label string) comparison.Source {
	s := comparison.Source{Label: label, Tool: "parbench", Run: run.Header.ID}
	for _, p := range run.Header.Environment.Programs {
		if p.Label == label {
			s.Version = p.Version
		}
	}
	return s
}

// elapsed is the time from the first trial's start to the last one's end, in seconds.
func elapsed(run *results.Run) float64 {
	if len(run.Trials) == 0 {
		return 0
	}
	first, last := run.Trials[0].Start, run.Trials[0].Start
	for i := range run.Trials {
		t := &run.Trials[i]
		if end := t.Start.Add(nanoseconds(t.TotalNS)); end.After(last) {
			last = end
		}
		if t.Start.Before(first) {
			first = t.Start
		}
	}
	return last.Sub(first).Seconds()
}
