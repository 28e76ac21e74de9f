package analysis

import (
	"fmt"
	"sort"
	"strings"

	"github.com/parbench/parbench/results/analysis/quantity"
)

// runWarnings are about the whole run, most severe first and otherwise in a fixed order.
func (a *analyser) runWarnings(rep *Report) []Warning {
	var w warnings
	a.runState(&w, rep)
	a.runData(&w, rep)
	a.machine(&w)
	sort.SliceStable(w, func(i, j int) bool { return w[i].Severity > w[j].Severity })
	return w
}

// runState warns about the file and about how the run went.
func (a *analyser) runState(w *warnings, rep *Report) {
	run := a.run
	if rep.Failed > 0 {
		w.add(Error, CodeFailedCells, "read the reasons in the list of failures; the other cells are not affected",
			"%s failed in %s", a.failedCells(), trials(rep.Failed))
	}
	if !rep.Complete {
		reason := ""
		if n := len(run.Notes); n > 0 && run.Notes[n-1].Type == "end" && run.Notes[n-1].Reason != "" {
			reason = " (" + run.Notes[n-1].Reason + ")"
		}
		w.add(Warn, CodeIncomplete, "finish it with --resume FILE", "the run did not finish%s: %s of %s planned trials are usable",
			reason, quantity.Count(rep.Used), quantity.Count(rep.Planned))
	}
	if c := run.Header.Plan.Commands; c != nil && c.ShowOutput {
		w.add(Warn, CodeShown, "measure again without --show-output before relying on the times",
			"what the commands wrote was shown while they were measured, which takes time")
	}
	if run.Torn > 0 {
		w.add(Warn, CodeTorn, "nothing is to be done for the rest of the file; --resume FILE repeats what is missing",
			"the file's last line is unfinished; %s bytes were skipped", quantity.Count(run.Torn))
	}
	if run.Skipped > 0 {
		w.add(Warn, CodeSkipped, "read it with the parbench that wrote it ("+run.Header.Tool+")",
			"%s records of an unknown type were skipped", quantity.Count(run.Skipped))
	}
	if a.foreign > 0 {
		w.add(Warn, CodeForeign, "check where the file comes from", "%s to no cell of the plan: left out", verb(a.foreign, "belongs", "belong"))
	}
	a.resumes(w)
}

// failedCells counts the cells with a failed trial among those that have a row in a table, and apart from them among those
// of the machine's ceiling, which have none.
func (a *analyser) failedCells() string {
	var failed, all [2]int
	for i := range a.cells {
		of := 0
		if a.run.Header.Plan.Cells[i].Ceiling {
			of = 1
		}
		all[of]++
		if a.cells[i].failed > 0 {
			failed[of]++
		}
	}
	var said []string
	for of, what := range []string{"", " of the machine ceiling"} {
		if failed[of] > 0 {
			said = append(said, fmt.Sprintf("%d of %s%s", failed[of], plural(all[of], "cell"), what))
		}
	}
	return list(said)
}

func (a *analyser) resumes(w *warnings) {
	resumed := 0
	var differs []string
	joined := false
	for _, n := range a.run.Notes {
		if n.Type == "resume" {
			resumed++
			joined = joined || n.Joined
			differs = append(differs, n.Differs...)
		}
	}
	switch {
	case joined:
		what := "conditions"
		if len(differs) > 0 {
			what = strings.Join(differs, ", ")
		}
		w.add(Warn, CodeJoined, "measure again in one go before relying on differences between rounds",
			"parts measured under different conditions were joined on request: %s", what)
	case resumed == 1:
		w.add(Note, CodeResumed, "nothing to do: plan, programs, boot and CPUs were the same", "the run was interrupted and resumed")
	case resumed > 1:
		w.add(Note, CodeResumed, "nothing to do: plan, programs, boot and CPUs were the same",
			"the run was interrupted and resumed %d times", resumed)
	}
}

// runData warns about what the trials show.
func (a *analyser) runData(w *warnings, rep *Report) {
	plan := &a.run.Header.Plan
	if plan.Quick {
		w.add(Warn, CodeQuick, "run without --quick before you rely on or publish a number", "this is a first look (--quick), not a measurement")
	}
	if n, need := a.rounds(), a.minRounds(); n > 0 && n < need {
		remedy := fmt.Sprintf("run at least %d rounds", need)
		floor := 0 // what the answers say is needed to tell cells apart
		for i := range rep.Tables {
			if w := rep.Tables[i].Winner; w != nil {
				floor = max(floor, w.Floor)
			}
		}
		for i := range rep.Commands {
			if w := rep.Commands[i].Winner; w != nil {
				floor = max(floor, w.Floor)
			}
		}
		if floor > need {
			remedy += fmt.Sprintf(" for intervals and %d to tell cells apart", floor)
		}
		if max(need, floor) < 10 {
			remedy += ", better 10"
		}
		remedy += " (--rounds)"
		w.add(Warn, CodeFewRounds, remedy,
			"%s: too few for a %s interval or for any comparison", rounds(n), quantity.Level(a.opt.Level))
	}
	if rep.Used > 0 && a.flaggedUsed > 0 {
		share := float64(a.flaggedUsed) / float64(rep.Used)
		remedy := disturbedHint
		if share > 0.2 {
			remedy = quietMachine
		}
		w.add(Warn, CodeInterference, remedy, "others used the machine during %s of %s used trials (%s)",
			quantity.Count(a.flaggedUsed), quantity.Count(rep.Used), quantity.Percent(share))
	}
	if rep.Used > 0 && float64(a.unknown) > unknownShare*float64(rep.Used) {
		w.add(Note, CodeUnknown, "run where a cgroup can be made, or with longer batches (--tasks), to see it",
			"whether others used the machine is unknown for %s of %s used trials", quantity.Count(a.unknown), quantity.Count(rep.Used))
	}
	if a.steal > stealLimit {
		w.add(Warn, CodeSteal, "use a dedicated host, or run at a quieter hour", "the hypervisor took %s of a core away on average", quantity.Percent(a.steal))
	}
	if rep.Repeated > 0 {
		w.add(Note, CodeRepeats, "nothing to do: repeats are chosen by what others did, never by the measured value",
			"%s repeated because others used the machine", verb(rep.Repeated, "was", "were"))
	}
	if change, n, ok := a.drift(); ok && (change > driftEffect || change < -driftEffect) {
		verb := "slower"
		if change < 0 {
			verb, change = "faster", -change
		}
		w.add(Warn, CodeDrift, "compare speedups, which are paired within rounds, rather than times; let the machine warm up or cool down",
			"times drifted over the run: about %s %s in the last round than in the first (Mann–Kendall over %d rounds, p < .01)",
			quantity.Percent(change), verb, n)
	}
}

// machine warns about what the environment does to numbers.
func (a *analyser) machine(w *warnings) {
	e := &a.run.Header.Environment
	cores := 0
	for _, c := range a.run.Header.Plan.Cells {
		cores = max(cores, c.Cores)
	}
	if e.UsableCores == 1 {
		w.add(Warn, CodeOneCore, "use a machine, affinity mask or quota with more cores", "only one core is usable here: no scaling can be shown")
	}
	if e.PhysicalCores > 0 && cores > e.PhysicalCores && e.SMT == "on" {
		w.add(Note, CodeSiblings, "judge scaling up to that number only", "core counts above %d share physical cores (SMT)", e.PhysicalCores)
	}
	if e.QuotaCores > 0 {
		w.add(Note, CodeQuota, "raise the quota to use more", "a cgroup quota of %s cores holds", quantity.Digits(e.QuotaCores, 2))
	}
	if e.Virtualisation != "" && e.Virtualisation != "none" {
		w.add(Note, CodeVirtual, "repeat on bare metal before you generalise", "measured inside a virtual machine or container (%s): neighbours are not visible from here", e.Virtualisation)
	}
	if e.Governor != "" && e.Governor != "performance" {
		w.add(Warn, CodeGovernor, "set it to performance for the time of the run (cpupower frequency-set -g performance)",
			"the CPU frequency governor is %s: short trials may run at a lower clock", e.Governor)
	}
	if e.Turbo == "on" {
		w.add(Note, CodeTurbo, "compare with the machine ceiling in this report, or switch turbo off",
			"turbo is on: one busy core may run at a higher clock than many, which lowers every speedup")
	}
	if cpus := max(e.UsableCores, 1); e.Load1 > busyLoad*float64(cpus) {
		w.add(Note, CodeBusyMachine, quietMachine, "the machine was busy before the run: load average %s on %s", quantity.Digits(e.Load1, 2), plural(cpus, "usable core"))
	}
}

func trials(n int) string { return plural(n, "trial") }
func rounds(n int) string { return plural(n, "round") }

// verb is "1 trial was" or "5 trials were".
func verb(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return trials(n) + " " + many
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return quantity.Count(n) + " " + what + "s"
}
