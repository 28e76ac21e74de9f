package harness

import (
	"fmt"

	"github.com/parbench/parbench/results"
)

// Resumable compares what a file was made under with what is here now, and names what differs.
func Resumable(was, is results.Environment) []string {
	var out []string
	if was.BootID != is.BootID {
		out = append(out, "the machine was restarted or is another one")
	}
	if fmt.Sprint(was.UsableCPUs) != fmt.Sprint(is.UsableCPUs) || was.UsableCores != is.UsableCores {
		out = append(out, fmt.Sprintf("usable CPUs were %v and are %v", was.UsableCPUs, is.UsableCPUs))
	}
	for _, p := range was.Programs {
		for _, q := range is.Programs {
			if p.Label == q.Label && p.Hash != q.Hash {
				out = append(out, fmt.Sprintf("program %s was built anew (%.12s, now %.12s)", p.Label, p.Hash, q.Hash))
			}
		}
	}
	return out
}

// Environment is the machine's environment with what only the harness knows of it.
func (h *Harness) Environment(p results.Program) results.Environment {
	e := h.Machine.Environment()
	e.UsableCores = h.Place.Cores
	e.Programs = []results.Program{p}
	return e
}
