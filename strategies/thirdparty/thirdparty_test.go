package thirdparty

import (
	"strings"
	"testing"

	"github.com/parbench/parbench/strategies/strategytest"
)

func TestMain(m *testing.M) { strategytest.Main(m) }

func TestConformance(t *testing.T) {
	for _, s := range All() {
		t.Run(s.Info().Name, func(t *testing.T) { strategytest.Run(t, s, strategytest.Options{}) })
	}
}

func TestInfo(t *testing.T) {
	seen := ""
	for _, s := range All() {
		i := s.Info()
		if i.Name <= seen || !strings.Contains(i.Doc, s.(library).module) || !strings.HasPrefix(i.Library, s.(library).module+" ") {
			t.Errorf("%q: %q", i.Name, i.Doc)
		}
		seen = i.Name
	}
}
