package report

import (
	"strings"

	"github.com/parbench/parbench/results"
)

// LeftOut says what a plan was asked for and could not measure here, in a line for each program and reason. The lines hold
// untrusted text.
func LeftOut(plan *results.Plan) []string {
	type why struct{ program, reason string }
	var order []why
	what := map[why][]string{}
	for _, u := range plan.Unavailable {
		k := why{u.Program, u.Reason}
		name := u.Strategy
		switch {
		case name == "":
			name = u.Workload
		case u.Workload != "":
			name += " on " + u.Workload
		}
		if len(what[k]) == 0 {
			order = append(order, k)
		}
		what[k] = append(what[k], name)
	}
	var lines []string
	for _, k := range order {
		line := k.program // which could not even be asked
		if names := and(what[k]); names != "" {
			line = names + " (" + k.program + ")"
		}
		lines = append(lines, line+": "+strings.TrimSuffix(k.reason, "."))
	}
	return lines
}

// severalPrograms reports whether the cells of a plan are those of more than one program. The one that only measures the
// machine's own scaling does not count.
func severalPrograms(plan *results.Plan) bool {
	first := ""
	for _, c := range plan.Cells {
		switch {
		case c.Ceiling:
		case first == "":
			first = c.Program
		case c.Program != first:
			return true
		}
	}
	return false
}
