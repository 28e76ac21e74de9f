package command

import (
	"syscall"
	"testing"
	"time"

	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// used is a command that ended well with that peak in bytes.
func used(bytes int64, own bool) outcome {
	var u syscall.Rusage
	u.Maxrss = bytes >> 10
	return outcome{state: spawn.Ended(0, u), own: own}
}

// What is not a command's own memory counts only where it cannot be this process's.
func TestAccountPeak(t *testing.T) {
	mine := strategies.PeakMemory()
	if mine == 0 {
		t.Skip("this system does not tell a process's peak")
	}
	small, large := int64(1<<20), 4*mine
	for name, tc := range map[string]struct {
		before, measured []outcome // of the warm-up, and of what is measured
		want             int64
		bound            bool
	}{
		"all launched":                  {nil, []outcome{used(small, true), used(2*small, true)}, 2 * small, false},
		"the first launched":            {nil, []outcome{used(small, true), used(mine, false)}, small, false},
		"the warm-up's first launched":  {[]outcome{used(small, true)}, []outcome{used(mine, false)}, small, false},
		"larger than this process":      {nil, []outcome{used(small, true), used(large, false)}, large, false},
		"as large as this process":      {nil, []outcome{used(mine, false)}, mine, true},
		"larger, nobody launched":       {nil, []outcome{used(large, false)}, large, false},
		"the launched one is larger":    {nil, []outcome{used(2*large, true), used(large, false)}, 2 * large, false},
		"hardly larger, first launched": {nil, []outcome{used(small, true), used(mine+mine/8, false)}, small, false},
	} {
		var k tasks
		for _, x := range tc.before {
			k.ledger.add(x, time.Millisecond)
		}
		k.ledger.take()
		for _, x := range tc.measured {
			k.ledger.add(x, time.Millisecond)
		}
		if a := k.account(); a.PeakBytes>>10 != tc.want>>10 || a.PeakBound != tc.bound {
			t.Errorf("%s: %d bytes, bound %v; want %d, %v", name, a.PeakBytes, a.PeakBound, tc.want, tc.bound)
		}
	}
}

// The launcher starts what is long enough not to notice, and the first of a trial.
func TestLaunches(t *testing.T) {
	var l ledger
	for _, step := range []struct {
		want bool
		wall time.Duration // of the command then
	}{{true, 300 * time.Millisecond}, {true, time.Millisecond}, {true, time.Millisecond}, {true, time.Millisecond}, {false, time.Second}, {true, 0}} {
		if got := l.launches(); got != step.want {
			t.Errorf("after %d commands in %v: %v", l.ran, l.wall, got)
		}
		l.add(used(0, true), step.wall)
	}
}
