package analysis

import (
	"strings"
	"time"

	"github.com/parbench/parbench/results/analysis/quantity"
)

// FarFromAsked is the factor beyond which a task does not have the size that was asked for.
const FarFromAsked = 2

// LongerWaits is what to do about waits that timers cannot keep.
const LongerWaits = "ask for several milliseconds: docs/workloads.md says how long short waits take in Go and in Python"

// waits holds, by parbench's own workloads that do nothing but wait, the parameter that says how long.
var waits = map[string]string{"sleep": "duration", "http": "latency"}

// Waited returns how long a task alone took in a program, in seconds, where that is far longer than its parameter asks
// for: ok is false where it is not, where the work does more than wait, and where it is a user's and not parbench's own.
func (t *Table) Waited(program string) (seconds float64, ok bool) {
	asked, err := time.ParseDuration(t.Entry.Params[waits[t.Entry.Name]])
	if err != nil || asked <= 0 || t.Entry.Kind != "io" {
		return 0, false
	}
	for i := range t.Rows {
		r := &t.Rows[i]
		ours := r.Cell.Program == "self" || strings.HasPrefix(r.Cell.Strategy, "py-")
		if r.Cell.Program != program || !r.Cell.Reference || !ours || r.OK == 0 || r.HasFailed() {
			continue
		}
		seconds = r.PerTask.Point
		return seconds, seconds > FarFromAsked*asked.Seconds()
	}
	return 0, false
}

// waitedLonger warns where timers, which cannot be as short as was asked for, decide what tasks take.
func waitedLonger(w *warnings, t *Table) {
	var took []string
	for i := range t.Rows {
		c := &t.Rows[i].Cell
		if !c.Reference {
			continue
		}
		if s, ok := t.Waited(c.Program); ok {
			took = append(took, quantity.Duration(s)+" in "+programWord(c.Program))
		}
	}
	if len(took) > 0 {
		name := waits[t.Entry.Name]
		w.add(Warn, CodeShortWait, LongerWaits, "one task alone took %s where %s=%s was asked for: timers decide that, not strategies",
			list(took), name, t.Entry.Params[name])
	}
}
