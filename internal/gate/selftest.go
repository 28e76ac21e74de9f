package gate

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/parbench/parbench/internal/harness"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis/gating"
)

// SelfTest is a gate against itself. Run it once.
type SelfTest struct {
	Pairs  *harness.Pairs
	Header results.Header
	// Gates is how many gates are run without a difference, and Injected how many with each of Slowdowns.
	Gates, Injected int
	Slowdowns       []float64 // shares: 0.05 is 5 % more work in head
	Parameter       string    // what is raised: a number of the workload's parameters
	Budget          time.Duration
	Seed            uint64
	Rule            gating.Options
	// OnGate, if set, is called before each gate.
	OnGate func(done, total int, slowdown float64)
}

// Run runs all gates, those of the different slowdowns mixed in random order, so that a slow change of the machine meets
// them alike. Every gate has pairs of its own. An interruption ends it early; what was counted until then is returned.
func (s *SelfTest) Run(ctx context.Context) (*gating.SelfTest, error) {
	var todo []float64
	for range s.Gates {
		todo = append(todo, 0)
	}
	for _, x := range s.Slowdowns {
		for range s.Injected {
			todo = append(todo, x)
		}
	}
	r := rand.New(rand.NewPCG(s.Seed, 0xaa))
	r.Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })
	out := gating.NewSelfTest(s.Slowdowns)
	for i, slowdown := range todo {
		if s.OnGate != nil {
			s.OnGate(i, len(todo), slowdown)
		}
		if len(s.Slowdowns) > 0 {
			if err := s.Pairs.Slow(s.Parameter, 1+slowdown); err != nil {
				return nil, err
			}
		}
		s.Pairs.Reset(r.Uint64())
		s.Pairs.Deadline = time.Now().Add(s.Budget)
		began := time.Now()
		src := NewSource(ctx, s.Pairs, s.Header, nil)
		o, err := gating.Decide(src, s.Rule)
		if err != nil {
			return nil, err
		}
		if o.Stop == gating.StopInterrupted {
			break
		}
		o.Seconds = time.Since(began).Seconds()
		out.Add(slowdown, o, src.Run())
		if len(o.Failures) > 0 {
			break
		}
	}
	out.Finish()
	return out, nil
}
