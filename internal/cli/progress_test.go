package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/parbench/parbench/internal/harness"
)

// TestOverrunNamesTheFlag: a plan that takes longer than aimed at is told once, with the flag that has the aim.
func TestOverrunNamesTheFlag(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out, false, false, time.Minute)
	for _, phase := range []string{"calibrating", "measuring", "measuring"} {
		p.update(harness.Progress{Phase: phase, Rounds: 10, Total: 4, Overrun: true, ETA: 3 * time.Minute})
	}
	if got := out.String(); strings.Count(got, "the 10 rounds do not fit into --budget 1m0s; the run takes about ") != 1 {
		t.Errorf("%q", got)
	}
}
