package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/crossover"
	"github.com/parbench/parbench/results/analysis/quantity"
)

// environment lists what the numbers depend on, as name and value; what is unknown is left out.
func environment(run *results.Run) [][2]string {
	e := &run.Header.Environment
	var rows [][2]string
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, [2]string{name, value})
		}
	}
	add("CPU", e.CPUModel)
	add("Topology", strings.Join(filled(
		some(e.Sockets, "socket"), some(e.PhysicalCores, "physical core"), some(e.LogicalCPUs, "logical CPU"), prefixed("SMT ", e.SMT)), ", "))
	usable := fmt.Sprint(e.UsableCores)
	if e.QuotaCores > 0 {
		usable += fmt.Sprintf(" (cgroup quota of %s)", quantity.Digits(e.QuotaCores, 2))
	}
	add("Usable cores", usable)
	var caches []string
	for _, c := range e.Caches {
		s := fmt.Sprintf("L%d %s", c.Level, quantity.Size(float64(c.Bytes)))
		if c.Shared > 1 {
			s += fmt.Sprintf(" shared by %d CPUs", c.Shared)
		}
		caches = append(caches, s)
	}
	add("Caches", strings.Join(caches, ", "))
	if e.MaxMHz > 0 {
		add("Highest clock", quantity.Fixed(e.MaxMHz, 0)+" MHz")
	}
	add("Clock control", strings.Join(filled(prefixed("governor ", e.Governor), prefixed("turbo ", e.Turbo)), ", "))
	if e.MemoryBytes > 0 {
		s := quantity.Size(float64(e.MemoryBytes))
		if e.MemoryLimit > 0 {
			s += fmt.Sprintf(" (cgroup limit %s)", quantity.Size(float64(e.MemoryLimit)))
		}
		if e.SwapBytes > 0 {
			s += fmt.Sprintf(", swap %s", quantity.Size(float64(e.SwapBytes)))
		}
		add("Memory", s)
	}
	add("System", strings.Join(filled(e.OS, e.Kernel, e.Arch), " "))
	add("Virtualisation", e.Virtualisation)
	for _, name := range slices.Sorted(maps.Keys(e.GoSettings)) {
		add("Set for Go programs", name+"="+e.GoSettings[name])
	}
	if e.Clock != "" {
		s := e.Clock
		if e.ClockCostNS > 0 || e.ClockStepNS > 0 {
			s += fmt.Sprintf(" (a reading costs %s ns, smallest step %d ns)", quantity.Digits(e.ClockCostNS, 2), e.ClockStepNS)
		}
		add("Clock", s)
	}
	for _, p := range e.Programs {
		add(programTitle(e.Programs, &p), strings.Join(filled(p.Version, p.Runtime), ", "))
		for _, s := range slices.Sorted(maps.Keys(p.Libraries)) {
			add(libraryTitle(e.Programs, &p, s), p.Libraries[s])
		}
	}
	if !run.Header.Created.IsZero() {
		add("Measured", run.Header.Created.UTC().Format("2 January 2006, 15:04 UTC"))
	}
	return rows
}

func filled(s ...string) []string {
	var out []string
	for _, v := range s {
		if v != "" {
			out = append(out, v)
		}
	}
	return out
}

func some(n int, what string) string {
	switch {
	case n <= 0:
		return ""
	case n == 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// programTitle heads what is said of one of a run's programs. One by itself needs no label.
func programTitle(all []results.Program, p *results.Program) string {
	if len(all) == 1 {
		return "Program"
	}
	return "Program " + analysis.ProgramTitle(p.Label)
}

// libraryTitle heads what a strategy is made of.
func libraryTitle(all []results.Program, p *results.Program, strategy string) string {
	if len(all) == 1 {
		return "Strategy " + strategy
	}
	return fmt.Sprintf("Strategy %s (%s)", strategy, analysis.ProgramTitle(p.Label))
}

// about says in a sentence what a workload does and how it was run.
func about(t *analysis.Table) string {
	e := &t.Entry
	s := e.Doc
	if s == "" {
		s = "no description"
	}
	s += " (kind: " + e.Kind + ")."
	if len(e.Params) > 0 {
		s += " Parameters: " + params(e.Params) + "."
	}
	if e.Tasks > 0 {
		s += " A batch has " + counted(e.Tasks, "task")
		if e.GrainNS > 0 {
			s += "; in calibration one alone took about " + quantity.Duration(e.GrainNS/1e9)
		}
		s += "."
	}
	if e.OwnN {
		s += " Each cell chooses its own number of tasks, so there are no speedups and no winner."
	}
	if e.Fixture != "" {
		s += " The tasks use a service (" + e.Fixture + ") that ran in a process of its own, the same for all."
	}
	return s
}

// counts says what became of the trials.
func counts(rep *analysis.Report) string {
	s := fmt.Sprintf("Of %s planned %s entered the statistics", counted(rep.Planned, "trial"), quantity.Count(rep.Used))
	if rep.Failed > 0 {
		s += fmt.Sprintf("; failed: %s", quantity.Count(rep.Failed))
	}
	if rep.Repeated > 0 {
		s += fmt.Sprintf("; repeated because others used the machine: %s", quantity.Count(rep.Repeated))
	}
	s += fmt.Sprintf(". Measuring took %s.", span(rep.Duration))
	if o := overheadText(rep); o != "" {
		s += " " + o
	}
	return s
}

// roundsWord is "1 **round**" or "10 **rounds**", as Markdown of this package's own.
func roundsWord(n int) string {
	if n == 1 {
		return "1 **round**"
	}
	return fmt.Sprintf("%d **rounds**", n)
}

// command is the line that repeats the run, quoted for a shell, with the seed that it had.
func command(h *results.Header) string {
	words := []string{"parbench"}
	seeded := false
	for _, a := range h.Args {
		words = append(words, QuoteShell(a))
		seeded = seeded || a == "--seed" || strings.HasPrefix(a, "--seed=")
	}
	if !seeded {
		words = append(words, "--seed", fmt.Sprint(h.Plan.Seed))
	}
	return EscapeTerminal(strings.Join(words, " "))
}

// remedy is what a warning of a table advises, as Markdown, with the command that does it.
func remedy(t *analysis.Table, w analysis.Warning) string {
	advice, command := advised(t, w)
	if command == "" {
		return EscapeMarkdown(sentence(advice)) + "."
	}
	return EscapeMarkdown(sentence(advice)) + ": " + codeSpan(command)
}

// advised is what a warning of a table advises, and the command that does it, quoted for a shell, where there is one.
func advised(t *analysis.Table, w analysis.Warning) (advice, command string) {
	if w.Code != analysis.CodeUnequalWorkers || len(t.EvenWorkers) == 0 {
		return w.Remedy, ""
	}
	return w.Remedy + fillIn(t.EvenWorkers), again(t.EvenWorkers)
}

// taskSizeText and taskSizeSwept introduce the command of taskSize.
const (
	taskSizeText  = "From which task size on processes pay off is not seen with tasks of one size; this measures it"
	taskSizeSwept = "From which task size on processes pay off is told by all sizes of a workload in this run's file"
)

// taskSize is the line that tells it, quoted for a shell, and what introduces it; both are empty where the run does not call
// for it.
func taskSize(rep *analysis.Report) (text, command string) {
	switch {
	case len(rep.TaskSize) == 0:
		return "", ""
	case crossover.Sweeps(rep.Run):
		return taskSizeSwept, "parbench crossover --from run.jsonl"
	}
	return taskSizeText, again(rep.TaskSize)
}

// again is a command line of parbench, quoted for a shell.
func again(args []string) string {
	words := []string{"parbench"}
	for _, a := range args {
		words = append(words, QuoteShell(a))
	}
	return EscapeTerminal(strings.Join(words, " "))
}

// fillIn says which parts of a command are places for paths of the reader's own, or nothing.
func fillIn(args []string) string {
	var places []string
	for _, a := range args {
		for _, part := range strings.FieldsFunc(a, func(r rune) bool { return r == '=' || r == ',' }) {
			if strings.HasPrefix(part, results.PathPlaceholder) && !slices.Contains(places, part) {
				places = append(places, part)
			}
		}
	}
	if len(places) == 0 {
		return ""
	}
	return ", with a path on your machine in the place of " + strings.Join(places, " and ")
}

// QuoteShell puts a word into single quotes where a shell would take it apart.
func QuoteShell(s string) string {
	safe := s != ""
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_=.,:/@%+", r)) {
			safe = false
		}
	}
	if safe {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// short is the beginning of a hash.
func short(hash string) string {
	if len(hash) > 12 {
		return hash[:12]
	}
	return hash
}

// overheadText says what a trial cost beside its own work, empty where no trial tells.
func overheadText(rep *analysis.Report) string {
	if rep.Overhead.N == 0 {
		return ""
	}
	without := ""
	if rep.Overhead.N < rep.Used {
		without = "; strategies with processes and probes that choose their number of tasks are left out of it"
	}
	return fmt.Sprintf("Starting, following and ending a trial cost %s (median; 95th percentile %s), which no other figure contains%s.",
		quantity.Duration(rep.Overhead.Point), quantity.Duration(rep.OverheadP95), without)
}
