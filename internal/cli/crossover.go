package cli

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parbench/parbench/internal/harness"
	"github.com/parbench/parbench/report"
	"github.com/parbench/parbench/report/plot"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis/crossover"
)

const crossoverLong = `Find how large a task must be for one strategy to pay over another, and over running the tasks one after another. Measures
the workload over a grid of grains (how long one task takes alone), models the cost of a task under each strategy as
overhead + grain/parallelism, and reports the break-even grain of each two strategies with its interval, or "no crossing in
the measured range". Writes run.jsonl, crossover.md and a figure to the output directory. With --from it works from the
file of such a run, or of any run that swept a workload over three or more grains; with --resume it finishes one that was
interrupted.`

const crossoverExample = `  parbench crossover -w spin --grains 1us..10ms -s pool,process-pool
  parbench crossover --grains 1us,10us,100us,1ms -s goroutines,pool -c 1,2 --rounds 5
  parbench crossover --grains 100us..100ms -s py-threads,py-pool        # when processes pay off in Python
  parbench crossover --from out/run.jsonl -f json
  parbench crossover --resume out/run.jsonl                             # finish an interrupted one`

// crossoverFlags are the flags of "parbench crossover".
type crossoverFlags struct {
	run                         runFlags
	workload, grains, parameter string
	strategies                  []string
	from, format                string
	text                        textFlags
}

func (a *app) crossoverCommand() *cobra.Command {
	var f crossoverFlags
	cmd := &cobra.Command{
		Use: "crossover", Short: "Find the task size at which one strategy pays over another", Long: crossoverLong, Example: crossoverExample, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.text.check(); err != nil {
				return err
			}
			switch f.format {
			case "text", "md", "json", "csv":
			default:
				return usagef("--format %q: write text, md, json or csv", f.format)
			}
			f.run.verb, f.run.text = cmd.Name(), f.text
			f.run.show = func(path, dir string) error { return a.showCrossover(&f, path, dir) }
			switch {
			case f.from != "":
				return a.crossoverFrom(cmd, &f)
			case f.run.resume != "":
				return a.crossoverResume(cmd, &f)
			}
			return a.crossoverRun(cmd, &f)
		},
	}
	r, fl := &f.run, cmd.Flags()
	fl.StringVarP(&f.workload, "workload", "w", "spin", "workload whose grain is swept; it may have parameters: spin:grain is set by --grains")
	fl.StringVar(&f.grains, "grains", "1us..10ms", "grains: FROM..TO (two in each power of ten), or a list by comma")
	fl.StringVar(&f.parameter, "parameter", "grain", "the workload's parameter that is the grain, a duration")
	fl.StringArrayVarP(&f.strategies, "strategy", "s", []string{"pool", "process-pool"}, "two or more strategies by comma, or one with parameters: pool:workers=4")
	fl.StringArrayVar(&r.programs, "program", nil, "measure a workload of a program of yours: ./mybench")
	fl.StringArrayVar(&r.python, "python", nil, "interpreters of the Python strategies by comma: python3.11,python3.13t or paths (default python3 on PATH)")
	fl.StringArrayVarP(&r.cores, "cores", "c", []string{"max"}, "core counts: 1,2,4 or 1-4, or all, or max")
	fl.StringVar(&f.from, "from", "", "work from the run in this file, - is standard input; measure nothing")
	fl.StringVarP(&f.format, "format", "f", "text", "text, md, json or csv")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "md", "json", "csv"}, cobra.ShellCompDirectiveNoFileComp))
	fl.IntVarP(&r.rounds, "rounds", "r", harness.DefaultRounds, "rounds: trials of every cell")
	fl.IntVar(&r.tasks, "tasks", 0, "tasks of a batch (default: calibrated for each grain)")
	fl.IntVar(&r.warmup, "warmup", 1, "least number of warm-up batches of a trial")
	fl.DurationVar(&r.budget, "budget", harness.DefaultBudget, "time to aim at; given explicitly, a plan that does not fit is refused")
	fl.DurationVar(&r.timeout, "timeout", 0, "deadline of one trial (default: ten times the longest expected, at least 30s)")
	fl.Uint64Var(&r.seed, "seed", 0, "seed of the order and of the workload's inputs (default: random)")
	fl.StringVarP(&r.output, "output", "o", "", "directory for run.jsonl, crossover.md and plots/ (default parbench-out/<run id>); with --from - is standard output")
	fl.StringVar(&r.resume, "resume", "", "finish the run in this file")
	fl.BoolVar(&r.join, "join", false, "with --resume: join although the machine or program differs, and mark it")
	fl.StringVar(&r.affinity, "affinity", "", "use only these CPUs, such as 0-3,8")
	fl.BoolVar(&r.oversub, "oversubscribe", false, "allow more cores than there are")
	fl.BoolVar(&r.quick, "quick", false, fmt.Sprintf("%d rounds: a first look, marked as one", harness.QuickRounds))
	fl.BoolVar(&r.rigorous, "rigorous", false, fmt.Sprintf("%d rounds", harness.RigorousRounds))
	fl.BoolVar(&r.dry, "dry-run", false, "print the plan and measure nothing")
	fl.BoolVar(&r.ignoreFailure, "ignore-failure", false, "exit 0 although a cell failed")
	f.text.add(fl)
	cmd.MarkFlagsMutuallyExclusive(roundFlags...)
	cmd.MarkFlagsMutuallyExclusive("from", "resume")
	return cmd
}

// crossoverFrom works from a file.
func (a *app) crossoverFrom(cmd *cobra.Command, f *crossoverFlags) error {
	for _, name := range []string{"workload", "grains", "parameter", "strategy", "program", "cores", "rounds", "tasks", "warmup", "budget", "timeout", "seed", "quick", "rigorous", "dry-run"} {
		if cmd.Flags().Changed(name) && !a.fromEnv[name] {
			return usagef("--from %s: --%s says what to measure, and the file was measured already; leave it out", f.from, name)
		}
	}
	run, err := a.readRun(f.from)
	if err != nil {
		return err
	}
	if err := sweeps("from", f.from, run); err != nil {
		return err
	}
	return a.presentCrossover(f, run, f.run.output)
}

// sweeps refuses the file of a flag whose run has no crossing to look for.
func sweeps(flag, path string, run *results.Run) error {
	if !crossover.Sweeps(run) {
		return usagef("--%s %s: it holds no workload under %d or more grains; measure with parbench crossover", flag, path, crossover.LeastGrains)
	}
	return nil
}

// crossoverResume finishes what crossoverRun began.
func (a *app) crossoverResume(cmd *cobra.Command, f *crossoverFlags) error {
	run, err := results.ReadFile(f.run.resume)
	if err != nil {
		return usagef("--resume %s: %w", f.run.resume, err)
	}
	if err := sweeps("resume", f.run.resume, run); err != nil {
		return err
	}
	return a.resumeRun(cmd, &f.run)
}

// presentCrossover writes to standard output, or into a directory with the figures.
func (a *app) presentCrossover(f *crossoverFlags, run *results.Run, dir string) error {
	rep, err := f.text.analyse(run)
	if err != nil {
		return usagef("%w", err)
	}
	x, err := crossover.Analyse(rep, f.text.confidence)
	if err != nil {
		return usagef("%w", err)
	}
	return a.withFigures(dir, outputName("crossover", f.format), plot.Crossover(x), a.crossoverWriter(f, x, dir))
}

func (a *app) crossoverWriter(f *crossoverFlags, x *crossover.Report, dir string) func(io.Writer, []report.PlotRef) error {
	return func(w io.Writer, plots []report.PlotRef) error {
		switch f.format {
		case "md":
			return report.CrossoverMarkdown(w, x, report.MDOptions{Plots: plots, TimeUnit: f.text.unit})
		case "json":
			return report.CrossoverJSON(w, x)
		case "csv":
			return report.CrossoverCSV(w, x)
		}
		return report.CrossoverText(w, x, a.textTo(dir, &f.text))
	}
}

// crossoverRun measures, through the same plan and harness as parbench run.
func (a *app) crossoverRun(cmd *cobra.Command, f *crossoverFlags) error {
	values, err := parseGrains(f.grains)
	if err != nil {
		return err
	}
	name, _, _ := strings.Cut(f.workload, ":")
	if strings.Contains(name, ",") || name == "all" {
		return usagef("--workload %q: a crossover is of one workload; run the command once for each", f.workload)
	}
	f.run.workloads, f.run.strategies = []string{f.workload}, f.strategies
	f.run.lists = []string{name + "." + f.parameter + "=" + strings.Join(values, ",")}
	f.run.ownGrains = true
	f.run.repeats = []string{"-w", f.workload, "--grains=" + f.grains, "--parameter=" + f.parameter}
	return a.newRun(cmd, &f.run)
}

// showCrossover writes the page with its figures into a directory, and the report in its format to standard output.
func (a *app) showCrossover(f *crossoverFlags, path, dir string) error {
	run, err := results.ReadFile(path)
	if err != nil {
		return &exitError{exitInternal, err}
	}
	page := *f
	page.format = "md"
	quiet := a.quiet
	a.quiet = true // the paths are said once, below
	err = a.presentCrossover(&page, run, dir)
	a.quiet = quiet
	if err != nil {
		return &exitError{exitInternal, err}
	}
	if err := a.presentCrossover(f, run, "-"); err != nil {
		return err
	}
	if !a.quiet {
		fmt.Fprintf(a.stderr, "\nreport: %s\ndata:   %s\n", report.EscapeTerminal(filepath.Join(dir, "crossover.md")), report.EscapeTerminal(path))
	}
	return nil
}

// leastGrain and mostGrain bound what parseGrains takes; perDecade is how many grains FROM..TO has in each power of ten.
const (
	leastGrain = 10 * time.Nanosecond
	mostGrain  = 10 * time.Second
	mostGrains = 60
	perDecade  = 2
)

// parseGrains reads "1us..10ms", whose values are spaced evenly on the logarithmic scale and rounded to two digits, or
// "1us,10us,100us".
func parseGrains(text string) ([]string, error) {
	duration := func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(strings.TrimSpace(s))
		if err != nil || d < leastGrain || d > mostGrain {
			return 0, usagef("--grains %q: %q is not a duration from %v to %v such as 50us", text, s, leastGrain, mostGrain)
		}
		return d, nil
	}
	var out []string
	seen := map[string]bool{}
	add := func(d time.Duration) {
		if s := d.String(); !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	if from, to, ranged := strings.Cut(text, ".."); ranged {
		lo, err := duration(from)
		if err != nil {
			return nil, err
		}
		hi, err := duration(to)
		if err != nil {
			return nil, err
		}
		if hi <= lo {
			return nil, usagef("--grains %q: it must rise, as 1us..10ms does", text)
		}
		steps := max(crossover.LeastGrains-1, int(math.Round(math.Log10(float64(hi)/float64(lo))*perDecade)))
		for i := range steps + 1 {
			d := float64(lo) * math.Pow(float64(hi)/float64(lo), float64(i)/float64(steps))
			switch i {
			case 0:
				add(lo)
			case steps:
				add(hi)
			default:
				rounded, err := strconv.ParseFloat(strconv.FormatFloat(d, 'g', 2, 64), 64)
				if err != nil {
					return nil, err
				}
				add(time.Duration(rounded))
			}
		}
	} else {
		for _, s := range strings.Split(text, ",") {
			d, err := duration(s)
			if err != nil {
				return nil, err
			}
			add(d)
		}
	}
	switch {
	case len(out) < crossover.LeastGrains:
		return nil, usagef("--grains %q: a crossing takes %d different grains or more, better ten", text, crossover.LeastGrains)
	case len(out) > mostGrains:
		return nil, usagef("--grains %q: %d grains; %d are enough", text, len(out), mostGrains)
	}
	return out, nil
}
