package harness

import (
	"testing"

	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/workloads"
)

// What ran out of time says what to do, the same in calibration and in a round, and which command it was.
func TestOverdue(t *testing.T) {
	const (
		smaller = "; end what hangs, give the workload smaller parameters, or allow more with --timeout"
		more    = "; end what hangs, or allow more with --timeout"
	)
	command := launch{kind: string(workloads.Command), run: protocol.Run{Workload: "sleep 9"}}
	for _, c := range []struct {
		l            launch
		status       results.Status
		reason, want string
	}{
		{launch{kind: "cpu"}, results.OK, "", ""},
		{launch{kind: "cpu"}, results.Crashed, "it ended", "it ended"},
		{launch{kind: "cpu", run: protocol.Run{Workload: "sha256"}}, results.TimedOut, "not finished within 5s", "not finished within 5s" + smaller},
		{command, results.TimedOut, "not finished within 5s", `"sleep 9": not finished within 5s` + more},
		{command, results.TimedOut, `task 2: "sleep 9": not finished within 5s`, `task 2: "sleep 9": not finished within 5s` + more},
		{command, results.TimedOut, `--setup "x": not finished within 5s`, `--setup "x": not finished within 5s` + more},
		{launch{command: true}, results.TimedOut, "it did not end within 5s", "it did not end within 5s" + more},
	} {
		tr := results.Trial{Status: c.status, Reason: c.reason}
		if overdue(&tr, c.l); tr.Reason != c.want {
			t.Errorf("%q became %q, want %q", c.reason, tr.Reason, c.want)
		}
	}
}
