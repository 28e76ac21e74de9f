package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/parbench/parbench/internal/harness"
	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/report"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/stat"
	"github.com/parbench/parbench/strategies/command"
	"github.com/parbench/parbench/workloads/builtin"
)

func (a *app) listCommand() *cobra.Command {
	var format string
	var programs []string
	cmd := &cobra.Command{
		Use: "list [workloads|strategies]", Short: "List what can be measured, with parameters", Args: cobra.MaximumNArgs(1),
		ValidArgs: []string{"workloads", "strategies"},
		Example: `  parbench list
  parbench list strategies
  parbench list -f json
  parbench list --program ./mybench`,
		RunE: func(_ *cobra.Command, args []string) error {
			what := ""
			if len(args) == 1 {
				what = args[0]
			}
			if what != "" && what != "workloads" && what != "strategies" {
				return usagef("list %q: write workloads or strategies, or nothing for both", what)
			}
			if format != "text" && format != "json" {
				return usagef("--format %q: write text or json", format)
			}
			if len(programs) > 0 {
				return a.listPrograms(programs, what, format)
			}
			self, err := harness.Self()
			if err != nil {
				return err
			}
			offer, err := self.Describe(context.Background())
			if err != nil {
				return err
			}
			py := pythonOffer(context.Background())
			return a.emit("-", func(w io.Writer) error {
				if format == "json" {
					return listJSON(w, offer, py, what)
				}
				return listText(w, offer, py, what)
			})
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "text", "text or json")
	cmd.Flags().StringArrayVar(&programs, "program", nil, "list what a program of yours offers: ./mybench; repeat for several")
	return cmd
}

// listPrograms lists what the user's programs offer.
func (a *app) listPrograms(paths []string, what, format string) error {
	u, err := a.askPrograms(paths)
	if err != nil {
		return err
	}
	a.leftOut(results.Plan{Unavailable: u.missing})
	return a.emit("-", func(w io.Writer) error {
		if format == "json" {
			return listProgramsJSON(w, u.offers, what)
		}
		for i, o := range u.offers {
			if i > 0 {
				fmt.Fprintln(w)
			}
			fmt.Fprintf(w, "Program %s: %s, %s\n\n", report.EscapeTerminal(o.Label), report.EscapeTerminal(o.Description.Program), report.EscapeTerminal(o.Runtime))
			listOffer(w, o.Description, what)
		}
		return nil
	})
}

func listProgramsJSON(w io.Writer, offers []harness.Offer, what string) error {
	type program struct {
		Label      string              `json:"label"`
		Program    string              `json:"program"`
		Runtime    string              `json:"runtime"`
		Workloads  []protocol.Workload `json:"workloads,omitempty"`
		Strategies []protocol.Strategy `json:"strategies,omitempty"`
	}
	var list []program
	for _, o := range offers {
		p := program{Label: o.Label, Program: o.Description.Program, Runtime: o.Runtime}
		if what != "strategies" {
			p.Workloads = o.Workloads
		}
		if what != "workloads" {
			p.Strategies = o.Strategies
		}
		list = append(list, p)
	}
	return encodeIndented(w, map[string]any{"programs": list})
}

func encodeIndented(w io.Writer, doc any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

func listJSON(w io.Writer, o *protocol.Description, py harness.Offer, what string) error {
	doc := map[string]any{}
	if what != "strategies" {
		doc["workloads"] = o.Workloads
	}
	if what != "workloads" {
		doc["strategies"] = slices.Concat(o.Strategies, py.Strategies)
		doc["command_strategies"] = commandStrategyList()
	}
	return encodeIndented(w, doc)
}

func listText(w io.Writer, o *protocol.Description, py harness.Offer, what string) error {
	listOffer(w, o, what)
	if what != "workloads" {
		with := py.Runtime
		if py.Runtime == "" {
			with = "none of them is available here"
		}
		fmt.Fprintf(w, "\nPython strategies (python=INTERPRETER chooses for one, --python for all; %s):\n", report.EscapeTerminal(with))
		listStrategies(w, py.Strategies)
		fmt.Fprintln(w, "\nStrategies of commands (run --cmd LINE -s NAME; pool and per-core also take workers=N):")
		listStrategies(w, commandStrategyList())
	}
	return nil
}

// commandStrategyList describes the strategies that --cmd chooses from, which are none of the others.
func commandStrategyList() []protocol.Strategy {
	var out []protocol.Strategy
	for _, s := range command.Strategies() {
		i := s.Info()
		out = append(out, protocol.Strategy{Name: i.Name, Doc: i.Doc, OneCore: i.OneCore, OneWorker: i.OneWorker})
	}
	return out
}

// listOffer lists the workloads, the strategies, or both, of one program.
func listOffer(w io.Writer, o *protocol.Description, what string) {
	if what != "strategies" {
		fmt.Fprintln(w, "Workloads (-w NAME or -w NAME:parameter=value):")
		for _, x := range o.Workloads {
			kind := x.Kind
			if x.Probe {
				kind += ", probe"
			}
			if _, err := builtin.Registry().Lookup(x.Name); err == nil && !isBuiltin(x) {
				kind += ", not the built-in one of this name"
			}
			fmt.Fprintf(w, "\n  %s  (%s)  %s\n", report.EscapeTerminal(x.Name), kind, report.EscapeTerminal(x.Doc))
			listParams(w, x.Params)
		}
	}
	if what == "" {
		fmt.Fprintln(w)
	}
	if what != "workloads" {
		fmt.Fprintln(w, "Strategies (-s NAME or -s NAME:parameter=value; all but sequential and goroutines also take workers=N):")
		listStrategies(w, o.Strategies)
	}
}

func listStrategies(w io.Writer, list []protocol.Strategy) {
	for _, x := range list {
		fmt.Fprintf(w, "\n  %s  %s\n", report.EscapeTerminal(x.Name), report.EscapeTerminal(x.Doc))
		listParams(w, x.Params)
		if x.TaskCap > 0 {
			fmt.Fprintf(w, "      runs at most %d tasks a batch\n", x.TaskCap)
		}
		if x.Unavailable != "" {
			fmt.Fprintf(w, "      not available: %s\n", report.EscapeTerminal(x.Unavailable))
		}
	}
}

func listParams(w io.Writer, ps []protocol.Param) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range ps {
		def := p.Default
		switch {
		case strings.HasPrefix(p.Auto, "calibrate:"):
			def = "calibrated"
		case p.Auto != "":
			def = "by machine"
		case p.Type == "choice":
			def = strings.Join(p.Choices, "|") + " (default " + p.Default + ")"
		}
		fmt.Fprintf(tw, "      %s=%s\t%s\n", report.EscapeTerminal(p.Name), report.EscapeTerminal(def), report.EscapeTerminal(p.Doc))
		for _, v := range slices.Sorted(maps.Keys(p.Unavailable)) {
			fmt.Fprintf(tw, "      \t%s is not available: %s\n", report.EscapeTerminal(v), report.EscapeTerminal(p.Unavailable[v]))
		}
	}
	tw.Flush()
}

// printPlan shows a dry run: what would be measured, and roughly how long it would take.
func printPlan(w io.Writer, p *harness.Prepared, place harness.Placement) error {
	plan := p.Plan
	var b strings.Builder
	fmt.Fprintf(&b, "%s × %s in random order from seed %d: %s, about %s (a guess: nothing was measured)\n", plural(len(plan.Cells), "cell"),
		plural(plan.Rounds, "round"), plan.Seed, plural(len(plan.Cells)*plan.Rounds, "trial"), roughly(secondsToDuration(plan.Estimate)))
	if plan.Budget > 0 && plan.Estimate > plan.Budget {
		fmt.Fprintf(&b, "longer than the target of %v: fewer rounds or cells would fit it\n", secondsToDuration(plan.Budget))
	}
	if place.Shares {
		fmt.Fprintln(&b, "the fixtures share the measured CPUs")
	}
	fmt.Fprintf(&b, "a trial is given up after %v; task counts are chosen by a calibration before the first round\n\n", secondsToDuration(plan.Timeout))
	programs := map[string]map[string]bool{} // of each workload and strategy
	row := func(c results.Cell) string { return c.Workload + "\x00" + c.Label }
	for _, c := range plan.Cells {
		if programs[row(c)] == nil {
			programs[row(c)] = map[string]bool{}
		}
		programs[row(c)][c.Program] = true
	}
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "WORKLOAD\tSTRATEGY\tCORES\tWORKERS\tTASKS\tNOTE")
	for _, c := range plan.Cells {
		tasks, workers := fmt.Sprintf("~%d", c.Tasks), fmt.Sprint(c.Workers)
		if c.Tasks == 0 {
			tasks = "by probe"
		}
		if c.Workers == c.Tasks && c.Strategy == "goroutines" {
			workers = "a task each"
		}
		strategy := c.Label
		if len(programs[row(c)]) > 1 { // named as reports name it
			strategy = c.Program + "/" + strategy
		}
		fmt.Fprintf(tw, "%s\t%s\t%d\t%s\t%s\t%s\n", report.EscapeTerminal(c.Workload), report.EscapeTerminal(strategy), c.Cores, workers, tasks, cellNote(c))
	}
	tw.Flush()
	fmt.Fprintln(&b)
	for _, e := range plan.Workloads {
		if !e.Ceiling {
			fmt.Fprintf(&b, "%s: %s (%s)\n", report.EscapeTerminal(e.Key), report.EscapeTerminal(e.Doc), e.Kind)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// warnRounds says before anything is measured that the rounds will be too few to tell a winner, because the correction for
// many comparisons asks for more.
func (a *app) warnRounds(plan results.Plan) {
	cells, commands := map[string]int{}, map[string]int{}
	for _, c := range plan.Cells {
		if !c.Ceiling {
			cells[c.Workload]++
			commands[fmt.Sprintf("%d %s", c.Cores, c.Label)]++ // what is compared where commands are
		}
	}
	most, of := 0, "cells of a workload"
	for _, n := range cells {
		most = max(most, n)
	}
	for _, n := range commands {
		if plan.Commands != nil && n > most {
			most, of = n, "commands"
		}
	}
	floor, err := stat.PairFloor(max(1, most-1), 0.05)
	if a.quiet || err != nil || plan.Quick || most < 2 || plan.Rounds >= floor {
		return
	}
	fmt.Fprintf(a.stderr, "parbench: %s cannot tell which of %d %s is fastest: that takes %d (--rounds %d), or fewer of them\n",
		plural(plan.Rounds, "round"), most, of, floor, floor)
}

func cellNote(c results.Cell) string {
	var notes []string
	if c.Reference && !c.Ceiling {
		notes = append(notes, "reference")
	}
	if c.Ceiling {
		notes = append(notes, "the machine's own scaling")
	}
	if c.Capped {
		notes = append(notes, "capped")
	}
	if c.Oversub {
		notes = append(notes, "more cores than there are")
	}
	return strings.Join(notes, ", ")
}
