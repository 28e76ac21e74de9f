package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parbench/parbench/internal/harness"
	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/report"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/strategies/command"
	"github.com/parbench/parbench/strategies/python"
	"github.com/parbench/parbench/workloads/builtin"
)

// runName is the run file's name inside the output directory.
const runName = "run.jsonl"

// runFlags are the flags of "parbench run".
type runFlags struct {
	workloads, strategies, cores []string
	lists, scans                 []string
	programs                     []string
	python                       []string
	pythonWorkload               string
	pythons                      []string // all interpreters that flags have named
	rounds, tasks, warmup, split int
	budget, timeout              time.Duration
	seed                         uint64
	output, resume, affinity     string
	quick, rigorous, dry         bool
	oversub, join                bool
	ignore                       string // as it was given to "run"
	ignoreFailure                bool
	command                      commandFlags
	text                         textFlags
	// ownGrains has each program calibrate for itself.
	ownGrains bool
	// verb is the command that measures: run or crossover.
	verb string
	// repeats is what the command line that repeats the run says to measure, for commands other than run.
	repeats []string
	// show reports from the finished file in place of present, for commands that measure with another question.
	show func(path, dir string) error
}

const runLong = `Measure every selected workload under every selected strategy on every core count, in rounds of random order, each trial in a
fresh process pinned to its CPUs. Prints a table and a finding per workload, and writes run.jsonl, report.md and plots/ to
the output directory.`

const runExample = `  parbench run                                                # the default experiment
  parbench run -w primes,http -s sequential,goroutines,process-pool -c 1,2 --rounds 15 -o out/
  parbench run -w primes -L primes.limit=10000,50000 -s pool -s 'process-pool:mode=imap-unordered,chunk=16'
  parbench run -w all -s all -c all                           # everything
  parbench run --quick                                        # 3 rounds: a first look
  parbench run --program ./mybench                            # a Go program of your own that calls trial.Main
  parbench run --dry-run                                      # the plan, without measuring
  parbench run --resume out/run.jsonl                         # finish an interrupted run`

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use: "run", Short: "Measure workloads × strategies × cores, and report", Long: runLong, Example: runExample, Args: noRunArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.text.check(); err != nil {
				return err
			}
			f.verb = cmd.Name()
			if f.resume != "" {
				return a.resumeRun(cmd, &f)
			}
			return a.newRun(cmd, &f)
		},
	}
	fl := cmd.Flags()
	fl.StringArrayVarP(&f.workloads, "workload", "w", nil, "workloads by comma, or one with parameters: primes:limit=50000; or all (default primes,http,triad)")
	fl.StringArrayVarP(&f.strategies, "strategy", "s", nil, "strategies by comma, or one with parameters: pool:workers=4; or all (default all but process-per-task)")
	fl.StringArrayVarP(&f.cores, "cores", "c", nil, "core counts: 1,2,4 or 1-4, or all, or max (default: 1, about the square root, and all)")
	fl.StringArrayVarP(&f.lists, "parameter-list", "L", nil, "sweep a parameter over values: primes.limit=10000,50000")
	fl.StringArrayVarP(&f.scans, "parameter-scan", "P", nil, "sweep a parameter over a range: primes.limit=1000..16000*2 or 1000..5000+1000")
	fl.StringArrayVar(&f.programs, "program", nil, "measure a program of yours that calls trial.Main: ./mybench; repeat for several")
	fl.StringArrayVar(&f.python, "python", nil, "interpreters of the Python strategies by comma: python3.11,python3.13t or paths (default python3 on PATH)")
	fl.StringVar(&f.pythonWorkload, "python-workload", "", "measure task(i, params) of this Python file under the Python strategies")
	fl.IntVarP(&f.rounds, "rounds", "r", harness.DefaultRounds, "rounds: trials of every cell")
	fl.IntVar(&f.tasks, "tasks", 0, "tasks of a batch (default: calibrated)")
	fl.IntVar(&f.warmup, "warmup", 1, "least number of warm-up batches of a trial")
	fl.IntVar(&f.split, "split-rounds", harness.DefaultProbes, "rounds whose trials run one more batch (commands: none more), to see where the time goes; 0: none")
	fl.DurationVar(&f.budget, "budget", harness.DefaultBudget, "time to aim at; given explicitly, a plan that does not fit is refused")
	fl.DurationVar(&f.timeout, "timeout", 0, "deadline of one trial (default: ten times the longest expected, at least 30s)")
	fl.Uint64Var(&f.seed, "seed", 0, "seed of the order and of the workloads' inputs (default: random)")
	fl.StringVarP(&f.output, "output", "o", "", "directory for run.jsonl, report.md and plots/ (default parbench-out/<run id>)")
	fl.StringVar(&f.resume, "resume", "", "finish the run in this file")
	fl.BoolVar(&f.join, "join", false, "with --resume: join although the machine or program differs, and mark it")
	fl.StringVar(&f.affinity, "affinity", "", "use only these CPUs, such as 0-3,8")
	fl.BoolVar(&f.oversub, "oversubscribe", false, "allow more cores than there are")
	fl.BoolVar(&f.quick, "quick", false, fmt.Sprintf("%d rounds: a first look, marked as one", harness.QuickRounds))
	fl.BoolVar(&f.rigorous, "rigorous", false, fmt.Sprintf("%d rounds", harness.RigorousRounds))
	fl.BoolVar(&f.dry, "dry-run", false, "print the plan and measure nothing")
	fl.StringVarP(&f.ignore, "ignore-failure", "i", "", "exit 0 although a workload failed; with --cmd: exit codes (1,2) that are no failure, or all")
	fl.Lookup("ignore-failure").NoOptDefVal = command.AllFailures
	f.command.add(fl)
	f.text.add(fl)
	cmd.MarkFlagsMutuallyExclusive(roundFlags...)
	for _, name := range []string{"workload", "strategy"} {
		_ = cmd.RegisterFlagCompletionFunc(name, completeNames(name)) // fails only for a flag that is not there
	}
	return cmd
}

// noRunArgs refuses arguments: most who give one mean a command line.
func noRunArgs(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("%q: run takes no arguments; did you mean --cmd %s? It measures a command line, -w a workload", args[0], report.QuoteShell(args[0]))
}

// completeNames completes the last of the names that a list flag has so far.
func completeNames(flag string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		var names []string
		if own := namedPrograms(cmd.Flags()); len(own) > 0 {
			names = offeredNames(flag, own)
		} else if flag == "strategy" && cmd.Flags().Changed("cmd") {
			for _, s := range command.Strategies() {
				names = append(names, s.Info().Name)
			}
		} else if flag == "workload" {
			for _, w := range builtin.Registry().All() {
				names = append(names, w.Info().Name)
			}
		} else {
			for _, s := range ownStrategies().All() {
				names = append(names, s.Info().Name)
			}
			for _, s := range python.Offer().Strategies {
				names = append(names, s.Name)
			}
		}
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		for i := range names {
			names[i] = before + names[i]
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// given says which flags were typed: those that variables have set give way where they do not fit.
func (a *app) given(cmd *cobra.Command) func(name string) bool {
	return func(name string) bool { return cmd.Flags().Changed(name) && !a.fromEnv[name] }
}

// roundFlags exclude each other: each says how many rounds there are.
var roundFlags = []string{"quick", "rigorous", "rounds"}

// session is what a run needs besides its plan.
type session struct {
	h      *harness.Harness
	user   *userPrograms // nil: this program is measured
	python *interpreters // nil: no Python strategy takes part
	say    func(line string)
}

// open describes this program and the machine.
func (a *app) open(f *runFlags) (*session, host.Usable, error) {
	self, err := harness.Self()
	if err != nil {
		return nil, host.Usable{}, err
	}
	var own harness.Offer
	if f.command.all != nil {
		own, err = f.command.program(context.Background(), a.stderr)
	} else {
		own, err = harness.Ask(context.Background(), self)
	}
	if err != nil {
		return nil, host.Usable{}, err
	}
	m := host.Open("")
	u, err := m.Usable()
	if err != nil {
		return nil, u, fmt.Errorf("find the usable CPUs: %w", err)
	}
	if f.affinity != "" {
		if u, err = restrict(u, f.affinity); err != nil {
			return nil, u, err
		}
	}
	s := &session{h: &harness.Harness{Machine: m, Programs: []harness.Offer{own}}}
	if !a.quiet {
		s.say = func(line string) { fmt.Fprintln(a.stderr, "parbench: "+report.EscapeTerminal(line)) }
	}
	if len(f.programs) == 0 || f.resume != "" {
		return s, u, nil
	}
	user, err := a.askPrograms(f.programs)
	if err != nil {
		return nil, u, err
	}
	s.withPrograms(user)
	return s, u, nil
}

// restrict keeps the CPUs that the user listed.
func restrict(u host.Usable, text string) (host.Usable, error) {
	want, err := host.ParseList(text)
	if err != nil || len(want) == 0 {
		return u, usagef("--affinity %q: write CPU numbers such as 0-3,8; usable are %s", text, sortedList(u.CPUs))
	}
	set := map[int]bool{}
	for _, c := range want {
		set[c] = true
	}
	var keep []int
	for _, c := range u.CPUs {
		if set[c] {
			keep = append(keep, c)
			delete(set, c)
		}
	}
	if len(set) > 0 {
		return u, usagef("--affinity %q: not all of these CPUs may be used here; usable are %s", text, sortedList(u.CPUs))
	}
	u.CPUs, u.Cores = keep, min(u.Cores, len(keep))
	return u, nil
}

func sortedList(cpus []int) string { return host.FormatList(slices.Sorted(slices.Values(cpus))) }

// spec turns flags into what the harness understands.
func (s *session) spec(cmd *cobra.Command, f *runFlags, u host.Usable) (harness.Spec, []string, error) {
	var spec harness.Spec
	s.defaults(f)
	var ws, ss []harness.Selection
	var err error
	if c := &f.command; c.all != nil {
		ws, ss, err = c.selections(f.lists, f.scans)
	} else {
		ws, ss, err = selections(f, s.offered())
	}
	if err != nil {
		return spec, nil, err
	}
	if ss, err = s.withPython(context.Background(), f, ss); err != nil {
		return spec, nil, err
	}
	fixtures := harness.FixturesOf(ws, s.h.Programs)
	s.h.Place = harness.Place(u, len(fixtures) > 0)
	cores, err := parseCores(f.cores, s.h.Place.Cores)
	if err != nil {
		return spec, nil, err
	}
	spec = harness.Spec{
		Workloads: ws, Strategies: ss, Cores: cores, Rounds: f.rounds, Tasks: f.tasks, Seed: f.seed, Budget: f.budget,
		Hard: cmd.Flags().Changed("budget"), Timeout: f.timeout, Warmup: f.warmup, Probes: f.split, Quick: f.quick, Oversub: f.oversub,
		Commands: f.command.all, OwnGrains: f.ownGrains,
	}
	if s.user != nil {
		spec.Missing = s.user.missing
	}
	least := 1 // warm-up batches
	if f.command.all != nil {
		least = 0
	}
	switch {
	case f.quick:
		spec.Rounds = harness.QuickRounds
	case f.rigorous:
		spec.Rounds = harness.RigorousRounds
	}
	const maxRounds, maxTasks, maxWarmup = 100_000, 10_000_000, 1000
	switch {
	case spec.Rounds < 1 || spec.Rounds > maxRounds:
		return spec, nil, usagef("--rounds %d: write a number from 1 to %d", spec.Rounds, maxRounds)
	case f.tasks < 0 || f.tasks > maxTasks || f.tasks == 0 && cmd.Flags().Changed("tasks"):
		return spec, nil, usagef("--tasks %d: write a number from 1 to %d, or leave it out to have it calibrated", f.tasks, maxTasks)
	case f.warmup < least || f.warmup > maxWarmup:
		return spec, nil, usagef("--warmup %d: write a number from %d to %d", f.warmup, least, maxWarmup)
	case f.split < 0 || f.split > maxRounds:
		return spec, nil, usagef("--split-rounds %d: write a number from 0 to %d", f.split, maxRounds)
	case spec.Hard && f.budget <= 0:
		return spec, nil, usagef("--budget %v: write a positive duration such as 2m", f.budget)
	case f.timeout < 0 || f.timeout == 0 && cmd.Flags().Changed("timeout"):
		return spec, nil, usagef("--timeout %v: write a positive duration such as 30s", f.timeout)
	}
	if err := drawSeed(cmd, f); err != nil {
		return spec, nil, err
	}
	spec.Seed = f.seed
	return spec, fixtures, nil
}

// selections parses -w, -s, -L and -P.
func selections(f *runFlags, offer *protocol.Description) (ws, ss []harness.Selection, err error) {
	switch own := f.pythonWorkload; {
	case len(f.workloads) > 0:
	case own != "":
		f.workloads = []string{python.WorkloadName(own)}
	default:
		f.workloads = harness.DefaultWorkloads
	}
	switch {
	case len(f.strategies) > 0:
	case f.pythonWorkload != "":
		f.strategies = pythonStrategies
	default:
		f.strategies = harness.DefaultStrategies
	}
	if ws, err = parseSelections("workload", f.workloads, workloadNames(offer)); err != nil {
		return nil, nil, err
	}
	if ss, err = parseSelections("strategy", f.strategies, strategyNames(offer)); err != nil {
		return nil, nil, err
	}
	sweeps, err := parseSweeps(f.lists, f.scans)
	if err != nil {
		return nil, nil, err
	}
	used := map[string]bool{}
	if ws, err = applySweeps(ws, sweeps, used); err != nil {
		return nil, nil, err
	}
	if ss, err = applySweeps(ss, sweeps, used); err != nil {
		return nil, nil, err
	}
	return ws, ss, unusedSweep(sweeps, used)
}

func (a *app) newRun(cmd *cobra.Command, f *runFlags) error {
	if f.join {
		return usagef("--join: it only goes with --resume FILE")
	}
	if err := f.commands(a.given(cmd)); err != nil {
		return err
	}
	defer f.command.close()
	s, u, err := a.open(f)
	if err != nil {
		return err
	}
	spec, fixtures, err := s.spec(cmd, f, u)
	defer s.python.close()
	if err != nil {
		return err
	}
	draft, err := s.h.Draft(spec)
	if err != nil {
		return err
	}
	a.sayTwice(s.python)
	a.leftOut(draft.Plan)
	a.warnRounds(draft.Plan)
	if hint := f.command.hint(); hint != "" && !a.quiet {
		fmt.Fprintln(a.stderr, "parbench: "+report.EscapeTerminal(hint))
	}
	if f.dry {
		if spec.Hard && draft.Plan.Estimate > spec.Budget.Seconds() {
			fmt.Fprintf(a.stderr, "parbench: --budget %v looks too small for this plan; without --dry-run the calibration decides\n", spec.Budget)
		}
		return outputError("standard output", printPlan(a.stdout, draft, s.h.Place))
	}
	id := results.NewID(time.Now(), rand.Reader)
	dir := f.output
	if dir == "" {
		dir = filepath.Join("parbench-out", id)
	}
	path := filepath.Join(dir, runName)
	if _, err := os.Lstat(path); err == nil {
		return usagef("--output %s: it holds a run already; finish it with --resume %s, or choose another directory", dir, path)
	}
	made, err := harness.Writable(dir)
	if err != nil {
		return err
	}
	begin := func(ctx context.Context) (results.Plan, *results.Run, *results.Writer, error) {
		p, err := s.h.Prepare(ctx, spec)
		if err != nil {
			return results.Plan{}, nil, nil, err
		}
		w, err := results.Create(path, results.Header{
			Type: "run", Schema: results.Schema, Version: results.Version, ID: id, Created: time.Now().UTC().Truncate(time.Second),
			Tool: versionText(), Args: repeatArgs(cmd, f, spec, s), Environment: s.h.EnvironmentOf(&p.Plan), Plan: p.Plan,
		})
		if err != nil {
			return p.Plan, nil, nil, outputError(path, err)
		}
		if err := harness.RecordFailures(p.Plan, p.Failed, w); err != nil {
			return p.Plan, nil, w, outputError(path, err)
		}
		run, err := results.ReadFile(path)
		return p.Plan, run, w, err
	}
	err = a.measure(s, f, fixtures, dir, begin)
	made.Undo() // where nothing was written: it removes empty directories only
	return err
}

// repeatArgs is the command line that repeats a run, made from what was understood, so that it holds whatever came from
// variables and defaults, and no path of this machine.
func repeatArgs(cmd *cobra.Command, f *runFlags, spec harness.Spec, s *session) []string {
	args := []string{f.verb}
	if s.user != nil {
		for _, o := range s.user.offers {
			args = append(args, "--program="+namedHere(o.Label))
		}
	}
	switch {
	case f.repeats != nil:
		args = append(args, f.repeats...)
	case f.command.all != nil:
		args = append(args, f.command.again()...)
	default:
		for _, w := range spec.Workloads {
			args = append(args, "-w", w.Label())
		}
	}
	for _, x := range spec.Strategies {
		args = append(args, "-s", s.python.repeated(x))
	}
	if f.pythonWorkload != "" {
		args = append(args, "--python-workload="+filepath.Base(f.pythonWorkload))
	}
	var counts []string
	for _, k := range spec.Cores {
		counts = append(counts, strconv.Itoa(k))
	}
	args = append(args, "-c", strings.Join(counts, ","))
	if f.quick {
		args = append(args, "--quick")
	} else {
		args = append(args, "--rounds", strconv.Itoa(spec.Rounds))
	}
	for _, name := range []string{"tasks", "warmup", "timeout", "affinity", "oversubscribe"} {
		if fl := cmd.Flags().Lookup(name); fl.Changed {
			args = append(args, "--"+name+"="+fl.Value.String())
		}
	}
	if fl := cmd.Flags().Lookup("split-rounds"); fl != nil && spec.Probes != harness.DefaultProbes {
		args = append(args, "--split-rounds="+strconv.Itoa(spec.Probes))
	}
	return append(args, "--seed", strconv.FormatUint(spec.Seed, 10))
}

func (a *app) resumeRun(cmd *cobra.Command, f *runFlags) error {
	for _, name := range []string{
		"workload", "strategy", "cores", "parameter-list", "parameter-scan", "rounds", "tasks", "warmup", "split-rounds", "budget", "timeout",
		"seed", "output", "oversubscribe", "quick", "rigorous", "dry-run", "cmd", "command-name", "prepare", "setup", "cleanup",
		"shell", "input", "command-output", "check-output", "parameter-step-size", "reference", "show-output",
		"grains", "parameter", // of crossover
	} {
		if cmd.Flags().Changed(name) && !a.fromEnv[name] {
			return usagef("--resume %s: --%s cannot be changed, the plan is in the file; leave it out", f.resume, name)
		}
	}
	w, run, err := results.Append(f.resume)
	if err != nil {
		return usagef("--resume %s: %w", f.resume, err)
	}
	f.command.resume(&run.Header.Plan)
	defer f.command.close()
	s, u, err := a.open(f)
	if err != nil {
		w.Close()
		return err
	}
	defer func() { s.python.close() }()
	if err := s.resumePrograms(a, f, run, isInterpreter(run)); err != nil {
		w.Close()
		return err
	}
	if err := s.resumePython(context.Background(), f, run); err != nil {
		w.Close()
		return err
	}
	fixtures := planFixtures(run.Header.Plan)
	s.h.Place = harness.Place(u, len(fixtures) > 0)
	if err := resumable(s, f, run); err != nil {
		w.Close()
		return err
	}
	if harness.Missing(run) == 0 {
		if err := finish(w, run); err != nil {
			return outputError(f.resume, err)
		}
		if !a.quiet {
			fmt.Fprintln(a.stderr, "parbench: nothing is missing in "+report.EscapeTerminal(f.resume)+"; reporting it")
		}
		return a.present(f, f.resume, filepath.Dir(f.resume))
	}
	f.budget = time.Duration(run.Header.Plan.Budget * float64(time.Second))
	differs := harness.Resumable(run.Header.Environment, s.h.Environment())
	return a.measure(s, f, fixtures, filepath.Dir(f.resume), func(context.Context) (results.Plan, *results.Run, *results.Writer, error) {
		err := w.Note(results.Note{Type: "resume", Time: time.Now().UTC(), Joined: len(differs) > 0, Differs: differs})
		return run.Header.Plan, run, w, outputError(f.resume, err)
	})
}

// begin makes or reopens the run file, once fixtures are up.
type begin func(ctx context.Context) (plan results.Plan, done *results.Run, w *results.Writer, err error)

// measure opens the harness, runs the plan to its end or to an interruption, and reports from the file.
func (a *app) measure(s *session, f *runFlags, fixtures []string, dir string, begin begin) error {
	path := filepath.Join(dir, runName)
	if f.resume != "" {
		path = f.resume
	}
	bar := newProgress(a.stderr, a.quiet, a.verbose, f.budget)
	if f.command.all != nil && f.command.all.ShowOutput {
		bar.live = false // other lines come between
	}
	// Between trials only the harness draws; a signal's line may come in the middle of one, which is then being given up.
	stop := watchInterrupts(a.say)
	defer stop.release()
	defer keepPipeErrors()()
	s.h.Stop, s.h.OnProgress = stop.Stop, bar.update
	defer s.h.Close()
	if err := s.h.Open(stop.Now, fixtures); err != nil {
		return a.stopped(stop, err)
	}
	plan, done, w, err := begin(stop.Until())
	bar.clear()
	if w != nil {
		defer w.Close()
	}
	if err != nil {
		return a.stopped(stop, err)
	}
	out, err := s.h.Run(stop.Now, plan, done, w)
	bar.clear()
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	s.h.Close()
	if err != nil {
		code := exitInternal
		if c := stop.code(); c != 0 {
			code = c
		}
		return &exitError{code, fmt.Errorf("%w; nothing that was written is lost: %s", err, again(path, f))}
	}
	if rerr := a.present(f, path, dir); rerr != nil {
		if code := stop.code(); code != 0 && out.Interrupted {
			complain(a.stderr, rerr)
			return &exitError{code, nil}
		}
		return rerr
	}
	switch {
	case out.Interrupted:
		return &exitError{stop.code(), fmt.Errorf("interrupted; finish it with: %s", again(path, f))}
	case out.Failed > 0 && !f.ignoreFailure:
		return &exitError{exitFailed, fmt.Errorf("%s failed; the report above names each with its reason", plural(out.Failed, "cell"))}
	}
	return nil
}

// again is the command that finishes the run in a file, as this program was called.
func again(path string, f *runFlags) string {
	name := os.Args[0]
	switch {
	case strings.Contains(name, "/go-build"):
		name = "go run ."
	case !strings.Contains(name, "/"):
		name = "parbench"
	default:
		name = report.QuoteShell(name)
	}
	name += " " + f.verb + " --resume " + report.QuoteShell(path)
	for _, p := range f.programs {
		name += " --program " + report.QuoteShell(p)
	}
	if f.pythonWorkload != "" {
		name += " --python-workload " + report.QuoteShell(f.pythonWorkload)
	}
	if len(f.pythons) > 0 {
		name += " --python " + report.QuoteShell(strings.Join(f.pythons, ","))
	}
	return name
}

// stopped gives an error that came with an interruption the exit code of the signal.
func (a *app) stopped(stop *interrupts, err error) error {
	if code := stop.code(); code != 0 {
		return &exitError{code, errors.New("interrupted before the first trial; nothing was measured")}
	}
	return err
}
