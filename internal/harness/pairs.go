package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/parbench/parbench/results"
)

// The labels of the two sides of a pair in a plan.
const (
	Base = "base"
	Head = "head"
)

// Track is one comparison of a plan of pairs: the indices of its two cells.
type Track struct{ Base, Head int }

// SideError says that one side cannot be measured at all. Trial holds the evidence, with the end of its output.
type SideError struct {
	Side, What string // "head", "workload primes"
	Trial      results.Trial
	Reason     string
}

// Error names the side, what failed and how.
func (e *SideError) Error() string {
	s := fmt.Sprintf("%s: %s failed: %s", e.Side, e.What, e.Reason)
	if out := gist(e.Trial.Stderr); out != "" {
		s += "; its last output: " + clip(out, maxReason)
	}
	return s
}

// ResultsError says that the two sides compute different results from the same inputs.
type ResultsError struct{ Workloads []string }

// Error names the first workload and the remedy.
func (e *ResultsError) Error() string {
	more := ""
	if n := len(e.Workloads); n > 1 {
		more = fmt.Sprintf(" (and of %d more)", n-1)
	}
	return fmt.Sprintf("base and head compute different results of workload %s%s from the same inputs: find out which is right, or add --allow-different-results if the change was meant to", e.Workloads[0], more)
}

// PairOptions says how two sides are measured.
type PairOptions struct {
	AllowDifferent bool // measure although the sides compute different results
	Reference      bool // keep the one-core sequential cell even where it was not asked for
}

// Halt says why Measure ended before all of its rounds.
type Halt string

// The reasons to end early. HaltFailed means that every track asked for has failed.
const (
	HaltNone        Halt = ""
	HaltBudget      Halt = "budget"
	HaltInterrupted Halt = "interrupted"
	HaltFailed      Halt = "failed"
)

// Pairs measures two sides against each other: in each round every track runs once on both sides, next to each other and in
// an order drawn for each pair, in fresh processes. A pair that others disturbed is repeated whole at the end of its round.
// Make one with PreparePairs or PrepareCommands; not safe for concurrent use.
type Pairs struct {
	// Plan lists the cells of both sides. Whoever writes it to a file may complete it before the first Measure.
	Plan   results.Plan
	Tracks []Track
	// Different names the workloads of which the sides compute different results, where that was allowed.
	Different []string
	// Deadline is when measuring ends; zero: never.
	Deadline time.Time
	// Record, if set, keeps each trial; Sync is called after each round.
	Record func(*results.Trial) error
	Sync   func() error
	// OnProgress, if set, is called between trials.
	OnProgress func(PairProgress)

	h       *Harness
	cells   []launch
	want    []string
	track   []int        // by cell
	broken  map[int]bool // tracks with a failed trial
	coins   *rand.Rand
	round   int
	seq     int
	pairs   int
	extra   int
	cost    []time.Duration // by track: of all its pairs
	counted []int           // by track: pairs in cost
}

// PairProgress is what Pairs tells between trials.
type PairProgress struct {
	Stage, Round, Rounds int // of this call of Measure, from 0
	Cell                 *results.Cell
	Again                bool
	Pairs                int
	Left                 time.Duration // until the deadline; 0: none
}

// PreparePairs checks a spec against both programs, which are the harness's first and second, calibrates it with base, and
// learns the digests of both. It fails with a *UsageError, a *SideError or a *ResultsError.
func (h *Harness) PreparePairs(ctx context.Context, spec Spec, opt PairOptions) (*Pairs, error) {
	base, head := h.Programs[0], h.Programs[1]
	d, err := sideDraft(spec, base, h.Place.CPUs)
	if err != nil {
		return nil, err
	}
	if _, err := sideDraft(spec, head, h.Place.CPUs); err != nil {
		return nil, err
	}
	d.prune(spec, opt.Reference)
	failed, err := h.calibrate(ctx, d)
	if err != nil {
		return nil, err
	}
	if len(failed) > 0 {
		f := failed[0]
		return nil, &SideError{Base, "workload " + f.Key, f.Trial, f.Reason}
	}
	p := &Pairs{h: h, Plan: h.finish(d, nil).Plan}
	d.offers = append(d.offers, head)
	own, err := h.headDigests(ctx, d)
	if err != nil {
		return nil, err
	}
	for i, e := range d.entries {
		for n, digest := range e.Digests {
			if own[i][n] != digest {
				p.Different = append(p.Different, e.Key)
				break
			}
		}
	}
	if len(p.Different) > 0 && !opt.AllowDifferent {
		return nil, &ResultsError{p.Different}
	}
	for i := range d.cells {
		c := p.Plan.Cells[i]
		c.Program = Head
		p.Tracks = append(p.Tracks, Track{i, len(d.cells) + i})
		p.Plan.Cells = append(p.Plan.Cells, c)
	}
	for i, c := range p.Plan.Cells {
		entry := d.cells[i%len(d.cells)].entry
		offer, digests := base, d.entries[entry].Digests
		if c.Program == Head {
			offer, digests = head, own[entry]
		}
		p.cells = append(p.cells, h.protocolLaunch(offer, p.Plan, c))
		p.want = append(p.want, digests[c.Tasks])
	}
	p.Reset(spec.Seed)
	return p, nil
}

// sideDraft lays out the cells of one side. What it cannot offer is an error: a comparison needs both.
func sideDraft(spec Spec, o Offer, cpus []int) (*draft, error) {
	d, err := newDraft(spec, []Offer{o}, cpus)
	if err != nil {
		return nil, sideUsage(o.Label, err)
	}
	if len(d.unavailable) > 0 {
		u := d.unavailable[0]
		return nil, usage("%s program: %s: %s", o.Label, strings.Join(slices.DeleteFunc([]string{u.Workload, u.Strategy}, func(s string) bool { return s == "" }), " under "), u.Reason)
	}
	return d, nil
}

func sideUsage(side string, err error) error {
	var ue *UsageError
	if errors.As(err, &ue) {
		return usage("%s program: %s", side, ue.Msg)
	}
	return err
}

// prune removes the machine's ceiling, which two programs measured at one time do not need, and the reference unless it
// was asked for.
func (d *draft) prune(spec Spec, reference bool) {
	for _, s := range spec.Strategies {
		st, _ := d.offers[0].strategy(s.Name)
		r, _ := d.offers[0].reference()
		reference = reference || st.Name == r.Name
	}
	if n := len(d.entries); n > 0 && d.entries[n-1].Ceiling {
		d.entries, d.autos, d.owners = d.entries[:n-1], d.autos[:n-1], d.owners[:n-1]
	}
	var keep []draftCell
	for _, c := range d.cells {
		if c.entry < len(d.entries) && (reference || !c.Reference) {
			keep = append(keep, c)
		}
	}
	d.cells = keep
}

// headDigests learns what head, the draft's second program, computes: by entry and number of tasks.
func (h *Harness) headDigests(ctx context.Context, d *draft) ([]map[int]string, error) {
	out := make([]map[int]string, len(d.entries))
	for i := range d.entries {
		e := &d.entries[i]
		counts := d.size(i)
		if len(counts) == 0 {
			continue
		}
		o := h.sequential(ctx, d, i, 1, 1, counts)
		bad, err := calibrationFailure(ctx, e, o)
		if err != nil {
			return nil, err
		}
		if bad != nil {
			return nil, &SideError{Head, "workload " + e.Key, bad.Trial, bad.Reason}
		}
		out[i] = o.digests
	}
	return out, nil
}

// Reset begins anew with another seed: the next pairs have nothing to do with those before.
func (p *Pairs) Reset(seed uint64) {
	p.Plan.Seed = seed
	p.coins = rand.New(rand.NewPCG(seed, 0x9a7e))
	p.round, p.seq, p.pairs, p.extra = 0, 0, 0, 0
	p.broken = map[int]bool{}
	p.track = make([]int, len(p.Plan.Cells))
	for i, t := range p.Tracks {
		p.track[t.Base], p.track[t.Head] = i, i
	}
	if p.cost == nil {
		p.cost, p.counted = make([]time.Duration, len(p.Tracks)), make([]int, len(p.Tracks))
	}
}

// Slow makes head do more of what a parameter counts: factor 1.05 is 5 % more. It returns the parameter's new value, and
// an error where a workload of the plan has no such parameter.
func (p *Pairs) Slow(parameter string, factor float64) error {
	for _, t := range p.Tracks {
		l := &p.cells[t.Head]
		var n float64
		if _, err := fmt.Sscan(p.cells[t.Base].run.Params[parameter], &n); err != nil {
			return usage("--inject: workload %s has no number %s to raise; use -w spin", p.Plan.Cells[t.Base].Workload, parameter)
		}
		params := maps.Clone(l.run.Params)
		params[parameter] = fmt.Sprintf("%.0f", n*factor)
		l.run.Params = params
		p.want[t.Head] = ""
		if factor == 1 {
			p.want[t.Head] = p.want[t.Base]
		}
	}
	return nil
}

// Afford returns how many more rounds of these tracks fit before the deadline, -1 without one. It is a guess until a pair
// of each was measured.
func (p *Pairs) Afford(tracks []int) int {
	if p.Deadline.IsZero() {
		return -1
	}
	var round time.Duration
	for _, t := range tracks {
		if p.counted[t] > 0 {
			round += p.cost[t] / time.Duration(p.counted[t])
		} else {
			c := p.Plan.Cells[p.Tracks[t].Base]
			round += 2 * estimate(c, entryOf(p.Plan, c.Workload))
		}
	}
	left := time.Until(p.Deadline)
	if left <= 0 || round <= 0 {
		return 0
	}
	return int(left / round)
}

// Rounds returns how many rounds were begun since Reset.
func (p *Pairs) Rounds() int { return p.round }

// Measure runs rounds of the given tracks, marked with the stage. A track that fails is not run again; Halt says what
// ended the call early. The error is that of Record or Sync, or of a fixture that died.
func (p *Pairs) Measure(ctx context.Context, stage int, tracks []int, rounds int) (Halt, error) {
	for n := range rounds {
		var again []int
		todo := 0
		for _, k := range p.coins.Perm(len(tracks)) {
			t := tracks[k]
			if p.broken[t] {
				continue
			}
			todo++
			flagged, halt, err := p.pair(ctx, t, 0, PairProgress{Stage: stage, Round: n, Rounds: rounds})
			if err != nil || halt != HaltNone {
				return halt, err
			}
			if p.pairs++; flagged {
				again = append(again, t)
			}
		}
		if todo == 0 {
			return HaltFailed, nil
		}
		for _, t := range again {
			if 5*(p.extra+1) > p.pairs || p.broken[t] { // a fifth more pairs at most
				continue
			}
			p.extra++
			if _, halt, err := p.pair(ctx, t, 1, PairProgress{Stage: stage, Round: n, Rounds: rounds, Again: true}); err != nil || halt != HaltNone {
				return halt, err
			}
		}
		p.round++
		if p.Sync != nil {
			if err := p.Sync(); err != nil {
				return HaltNone, err
			}
		}
		if !p.Deadline.IsZero() && n < rounds-1 && !time.Now().Before(p.Deadline) {
			return HaltBudget, nil
		}
	}
	return HaltNone, nil
}

// pair runs a track once on each side, the first one drawn. flagged says that others disturbed either.
func (p *Pairs) pair(ctx context.Context, t, attempt int, progress PairProgress) (flagged bool, halt Halt, err error) {
	cells := [2]int{p.Tracks[t].Base, p.Tracks[t].Head}
	if p.coins.IntN(2) == 1 {
		cells[0], cells[1] = cells[1], cells[0]
	}
	began := time.Now()
	for _, cell := range cells {
		if p.h.stopped(ctx) {
			return false, HaltInterrupted, nil
		}
		if p.OnProgress != nil {
			progress.Cell, progress.Pairs = &p.Plan.Cells[cell], p.pairs
			if !p.Deadline.IsZero() {
				progress.Left = max(0, time.Until(p.Deadline))
			}
			p.OnProgress(progress)
		}
		trial, err := p.h.observe(ctx, p.cells[cell], p.Plan.Cells[cell], p.want[cell], p.Plan.SharesFixture)
		if errors.Is(err, errInterrupted) {
			return false, HaltInterrupted, nil
		}
		if err != nil {
			return false, HaltNone, err
		}
		trial.Cell, trial.Round, trial.Attempt, trial.Stage, trial.Seq = cell, p.round, attempt, progress.Stage, p.seq
		p.seq++
		flagged = flagged || trial.Disturbed()
		if trial.Status != results.OK {
			p.broken[t] = true
		}
		if p.Record != nil {
			if err := p.Record(trial); err != nil {
				return false, HaltNone, err
			}
		}
		if p.broken[t] {
			return false, HaltNone, nil
		}
	}
	p.cost[t] += time.Since(began)
	p.counted[t]++
	return flagged, HaltNone, nil
}
