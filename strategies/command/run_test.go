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
		ran   []outcome
		line  string
		want  int64
		bound bool
	}{
		"all launched":                 {[]outcome{used(small, true), used(2*small, true)}, "true", 2 * small, false},
		"some launched":                {[]outcome{used(small, true), used(mine, false)}, "true", small, false},
		"larger than this process":     {[]outcome{used(small, true), used(large, false)}, "true", large, false},
		"as large as this process":     {[]outcome{used(mine, false)}, "true", mine, true},
		"larger, nobody launched":      {[]outcome{used(large, false)}, "true", large, false},
		"the launched one is larger":   {[]outcome{used(2*large, true), used(large, false)}, "true", 2 * large, false},
		"hardly larger, some launched": {[]outcome{used(small, true), used(mine+mine/8, false)}, "true", small, false},
		"of its own, some launched":    {[]outcome{used(small, true), used(mine, false)}, "true {i}", mine, true},
		"of its own, all launched":     {[]outcome{used(small, true), used(2*small, true)}, "true {i}", 2 * small, false},
		"of its own, larger":           {[]outcome{used(small, true), used(large, false)}, "true {i}", large, false},
		"of its own, one task":         {[]outcome{used(mine, false)}, "true {i}", mine, true},
	} {
		var k tasks // without a launcher
		var err error
		if k.command, err = parse("", tc.line, func(string) (string, bool) { return "", false }); err != nil {
			t.Fatal(err)
		}
		k.ledger.add(0, used(8*large, true), time.Second)
		k.take() // the warm-up's
		for i, x := range tc.ran {
			k.ledger.add(i, x, time.Millisecond)
		}
		if a := k.account(t.Context()); a.PeakBytes>>10 != tc.want>>10 || a.PeakBound != tc.bound {
			t.Errorf("%s: %d bytes, bound %v; want %d, %v", name, a.PeakBytes, a.PeakBound, tc.want, tc.bound)
		}
	}
}

// The launcher starts what is long enough not to notice, as far as that is known.
func TestStarter(t *testing.T) {
	const short, long = launchFrom - 1, launchFrom
	for name, tc := range map[string]struct {
		expected  time.Duration
		warmed, k []time.Duration // what commands took, before and in the measured batches
		want      bool
	}{
		"nothing known":              {0, nil, nil, false},
		"said to be short":           {short, nil, nil, false},
		"said to be long":            {long, nil, nil, true},
		"short, against expectation": {long, nil, []time.Duration{short}, false},
		"long, against expectation":  {short, nil, []time.Duration{long}, true},
		"short on average":           {0, nil, []time.Duration{long, short, short}, false},
		"long warm-up":               {short, []time.Duration{long}, nil, true},
		"short warm-up":              {long, []time.Duration{short}, nil, false},
	} {
		k := tasks{grain: tc.expected, launcher: new(spawn.Launcher)}
		for _, wall := range tc.warmed {
			k.ledger.add(0, used(0, false), wall)
		}
		k.take()
		for _, wall := range tc.k {
			k.ledger.add(0, used(0, false), wall)
		}
		if got := k.starter() != nil; got != tc.want {
			t.Errorf("%s: by the launcher: %v", name, got)
		}
	}
}
