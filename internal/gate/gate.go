// Package gate runs gates: it measures two programs or commands in interleaved pairs as results/analysis/gating asks for
// them, keeps the pairs, gates a program against itself, and stores baselines. Non-goals: the rule (results/analysis/gating)
// and what a person reads (report, internal/cli).
package gate

import (
	"context"

	"github.com/parbench/parbench/internal/harness"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis/gating"
)

// Source measures for a gate with a harness. Make one with NewSource; not safe for concurrent use.
type Source struct {
	ctx    context.Context
	pairs  *harness.Pairs
	run    *results.Run
	writer *results.Writer
}

// NewSource returns a source whose trials are kept under the header, and in the file as well if w is not nil. The header's
// plan is that of the pairs. Nothing is measured after ctx has ended.
func NewSource(ctx context.Context, p *harness.Pairs, h results.Header, w *results.Writer) *Source {
	s := &Source{ctx: ctx, pairs: p, run: &results.Run{Header: h}, writer: w}
	p.Record = s.record
	if p.Sync = nil; w != nil {
		p.Sync = w.Sync
	}
	return s
}

func (s *Source) record(t *results.Trial) error {
	s.run.Trials = append(s.run.Trials, *t)
	if s.writer == nil {
		return nil
	}
	return s.writer.Trial(t)
}

// Run returns everything measured so far.
func (s *Source) Run() *results.Run { return s.run }

// Afford returns how many more rounds of the tracks there is time for, −1 without a budget.
func (s *Source) Afford(tracks []int) int { return s.pairs.Afford(tracks) }

// Measure adds rounds of the tracks.
func (s *Source) Measure(stage int, tracks []int, rounds int) (gating.Stop, error) {
	halt, err := s.pairs.Measure(s.ctx, stage, tracks, rounds)
	switch halt {
	case harness.HaltBudget:
		return gating.StopBudget, err
	case harness.HaltInterrupted:
		return gating.StopInterrupted, err
	case harness.HaltFailed:
		return gating.StopFailed, err
	}
	return gating.StopNone, err
}

var _ gating.Source = (*Source)(nil)
