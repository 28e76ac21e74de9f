package harness

import (
	"fmt"
	"os"
	"slices"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/results"
)

// Missing counts the trials that a run's plan asks for and that are neither there nor given up because their cell failed.
func Missing(run *results.Run) int {
	r := newRunner(run.Header.Plan)
	r.takeOver(run)
	n := 0
	for cell, left := range r.left {
		if !r.broken[cell] {
			n += left
		}
	}
	return n
}

// Resumable compares what a file was made under with what is here now, and names what differs.
func Resumable(was, is results.Environment) []string {
	var out []string
	if was.BootID != is.BootID {
		out = append(out, "the machine was restarted or is another one")
	}
	if fmt.Sprint(was.UsableCPUs) != fmt.Sprint(is.UsableCPUs) {
		out = append(out, fmt.Sprintf("usable CPUs were %s and are %s (--affinity chooses them)", host.FormatList(was.UsableCPUs), host.FormatList(is.UsableCPUs)))
	} else if was.UsableCores != is.UsableCores {
		out = append(out, fmt.Sprintf("%d cores were usable and %d are (a quota decides)", was.UsableCores, is.UsableCores))
	}
	if fmt.Sprint(was.GoSettings) != fmt.Sprint(is.GoSettings) {
		out = append(out, fmt.Sprintf("GOGC, GOMEMLIMIT or GODEBUG were set otherwise (%v, now %v)", was.GoSettings, is.GoSettings))
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

// EnvironmentOf is Environment with the libraries that the plan's strategies are made of. Others that a program has change
// nothing of what is measured.
func (h *Harness) EnvironmentOf(plan *results.Plan) results.Environment {
	e := h.Environment()
	for i := range e.Programs {
		p := &e.Programs[i]
		at := slices.IndexFunc(h.Programs, func(o Offer) bool { return o.Label == p.Label })
		for _, c := range plan.Cells {
			if c.Program != p.Label {
				continue
			}
			if s, ok := h.Programs[at].strategy(c.Strategy); ok && s.Library != "" {
				if p.Libraries == nil {
					p.Libraries = map[string]string{}
				}
				p.Libraries[c.Strategy] = s.Library
			}
		}
	}
	return e
}

// Environment is the machine's environment with what only the harness knows of it.
func (h *Harness) Environment() results.Environment {
	e := h.Machine.Environment()
	e.UsableCores = h.Place.Cores
	e.UsableCPUs = h.Place.All
	for _, name := range []string{"GOGC", "GOMEMLIMIT", "GODEBUG"} {
		if v := os.Getenv(name); v != "" {
			if e.GoSettings == nil {
				e.GoSettings = map[string]string{}
			}
			e.GoSettings[name] = v
		}
	}
	for _, o := range h.Programs {
		if o.Identity.Hash != "" { // one that cannot run has no part in the numbers
			e.Programs = append(e.Programs, o.Identity)
		}
	}
	return e
}
