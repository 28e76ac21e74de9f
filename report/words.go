package report

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/quantity"
)

// The functions here put facts of a run into words for every back end. What they return holds untrusted text.

// conduct says how the run went in one line.
func conduct(rep *analysis.Report) string {
	h := &rep.Run.Header
	parts := []string{}
	if !h.Created.IsZero() {
		parts = append(parts, h.Created.UTC().Format("2 Jan 2006 15:04 UTC"))
	}
	parts = append(parts,
		begun(rep.Rounds, h.Plan.Rounds),
		counted(rep.Used, "trial")+" used",
		span(rep.Duration),
		fmt.Sprintf("seed %d", h.Plan.Seed))
	if h.Tool != "" {
		parts = append(parts, h.Tool)
	}
	return strings.Join(parts, " · ")
}

// begun says how many of the planned rounds have taken place.
func begun(rounds, planned int) string {
	if rounds == 0 {
		return "none of " + counted(planned, "round") + " begun"
	}
	return fmt.Sprintf("%d of %s", rounds, counted(planned, "round"))
}

// span writes a duration of a run: seconds, or minutes and more.
func span(seconds float64) string {
	if seconds < 120 {
		return quantity.Fixed(seconds, 1) + " s"
	}
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

// machineLine is the environment in short.
func machineLine(h *results.Header) []string {
	e := &h.Environment
	parts := []string{}
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	add(e.CPUModel)
	if e.LogicalCPUs > 0 {
		add(fmt.Sprintf("%d of %d CPUs usable", e.UsableCores, e.LogicalCPUs))
	} else {
		add(fmt.Sprintf("%d CPUs usable", e.UsableCores))
	}
	if e.MemoryBytes > 0 {
		add(quantity.Size(float64(e.MemoryBytes)))
	}
	add(strings.TrimSpace(e.OS + " " + e.Kernel + " " + e.Arch))
	for _, p := range e.Programs {
		s := p.Runtime
		if len(e.Programs) > 1 {
			s = analysis.ProgramTitle(p.Label) + ": " + s
		}
		add(s)
		for _, name := range slices.Sorted(maps.Keys(p.Libraries)) {
			_, version, _ := strings.Cut(p.Libraries[name], " ")
			add(strings.TrimSpace(name + " " + version))
		}
	}
	if e.Virtualisation != "none" {
		add(e.Virtualisation)
	}
	return parts
}

// describe says what a workload is: kind, what it does, parameters, batch and grain.
func describe(t *analysis.Table) string {
	e := &t.Entry
	parts := []string{}
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	add(e.Kind)
	add(e.Doc)
	add(params(e.Params))
	if e.Tasks > 0 {
		add(counted(e.Tasks, "task") + " a batch")
	}
	if e.GrainNS > 0 {
		add("one task alone: " + quantity.Duration(e.GrainNS/1e9) + " (calibration)")
	}
	return strings.Join(parts, " · ")
}

// counted is "1 task" or "1,000 tasks".
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return quantity.Count(n) + " " + what + "s"
}

func params(p map[string]string) string {
	names := make([]string, 0, len(p))
	for n := range p {
		names = append(names, n)
	}
	sort.Strings(names)
	for i, n := range names {
		names[i] = n + "=" + p[n]
	}
	return strings.Join(names, ", ")
}

// ceilingText says how far this machine itself scaled during the run, or is empty. Estimates without an interval bear no
// such claim. It holds names from the file.
func ceilingText(rep *analysis.Report) string {
	var parts, whys []string
	untold := map[string][]string{} // core counts
	few := false
	for _, c := range rep.Ceiling {
		if why := c.Untold(); c.Cores > 1 && why != "" {
			if untold[why] == nil {
				whys = append(whys, why)
			}
			untold[why] = append(untold[why], fmt.Sprint(c.Cores))
		}
		switch {
		case c.Cores < 2:
		case c.Speedup.Has():
			parts = append(parts, fmt.Sprintf("%s on %d cores", estimate(c.Speedup), c.Cores))
		default:
			few = true
		}
	}
	switch {
	case len(parts) == 0 && few:
		return "Too few rounds to tell how far this machine itself scales."
	case len(parts) == 0:
		return ""
	}
	said := "During this run pinned threads of pure busy work reached a speedup of " + strings.Join(parts, ", ")
	cells := exceeding(rep)
	if len(cells) > 0 {
		said += ", which these exceeded: " + strings.Join(cells, ", ")
	}
	for k, why := range whys {
		if len(parts) > 1 {
			whys[k] += " (on " + strings.Join(untold[why], ", ") + " cores)"
		}
	}
	switch {
	case len(whys) > 0:
		said += "; the interval is " + strings.Join(whys, " or ") + " to tell how far work that computes can scale on this machine"
	case len(cells) == 0:
		said += "; no strategy can be expected to scale work that computes better on this machine"
	}
	return said + "."
}

// exceeding names the cells above the machine's ceiling, the first few of them.
func exceeding(rep *analysis.Report) []string {
	const most = 6
	var cells []string
	for k := range rep.Tables {
		t := &rep.Tables[k]
		for _, c := range rep.Ceiling {
			if c.Cores < 2 {
				continue
			}
			for _, i := range t.Above(c) {
				cells = append(cells, t.Entry.Key+" under "+rowName(&t.Rows[i]))
			}
		}
	}
	if len(cells) > most+1 {
		cells = append(cells[:most], fmt.Sprintf("%d more", len(cells)-most))
	}
	return cells
}

// estimate writes a number with its interval: "1.93 [1.90, 1.96]".
func estimate(iv analysis.Interval) string {
	var e estimates
	e.add(iv, 1)
	return strings.TrimSpace(e.cells()[0])
}

// urgent reports whether a warning belongs at the top, because without it the findings mislead.
func urgent(w analysis.Warning) bool {
	switch w.Code {
	case analysis.CodeQuick, analysis.CodeFewRounds, analysis.CodeIncomplete, analysis.CodeInterference, analysis.CodeJoined:
		return true
	}
	return w.Severity == analysis.Error
}

func (f *failure) words() string {
	s := fmt.Sprintf("failed in %s (%s)", f.count, f.status)
	if len(f.notRun) > 0 {
		s = fmt.Sprintf("failed in calibration, before the first round (%s)", f.status)
	}
	if f.reason != "" {
		s += ": " + f.reason
	}
	if len(f.notRun) > 0 {
		s = strings.TrimSuffix(s, ".") + ". Not run: " + strings.Join(f.notRun, ", ")
	}
	return s
}
