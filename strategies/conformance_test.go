package strategies_test

import (
	"testing"

	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/strategies/strategytest"
)

func TestMain(m *testing.M) { strategytest.Main(m) }

func TestConformance(t *testing.T) {
	for _, s := range strategies.Builtin().All() {
		t.Run(s.Info().Name, func(t *testing.T) { strategytest.Run(t, s, strategytest.Options{}) })
	}
}
