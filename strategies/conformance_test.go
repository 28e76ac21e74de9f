package strategies_test

import (
	"testing"

	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/strategies/strategytest"
)

func TestMain(m *testing.M) { strategytest.Main(m) }

// TestConformance runs the suite over every built-in strategy, and over every mode of those that have some.
func TestConformance(t *testing.T) {
	for _, s := range strategies.Builtin().All() {
		modes := []string{""}
		for _, p := range s.Info().Params {
			if p.Name == "mode" {
				modes = p.Choices
			}
		}
		for _, mode := range modes {
			if mode == "" {
				t.Run(s.Info().Name, func(t *testing.T) { strategytest.Run(t, s, strategytest.Options{}) })
				continue
			}
			o := strategytest.Options{Params: map[string]string{"mode": mode}}
			o.OneAtATime = mode == "apply"
			// A pool runs every item whatever becomes of the others, as Python's does.
			o.KeepsSiblings = true
			o.Prefetches = s.Info().Processes
			t.Run(s.Info().Name+" "+mode, func(t *testing.T) { strategytest.Run(t, s, o) })
		}
	}
}
