package cli

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parbench/parbench/internal/gate"
	"github.com/parbench/parbench/internal/harness"
	"github.com/parbench/parbench/report"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis/comparison"
	"github.com/parbench/parbench/results/analysis/gating"
)

const gateLong = `Decide whether a change may pass: did it make anything slower? Measures two programs of the trial protocol, or any two
commands, in interleaved pairs of fresh processes, looks at the pairs up to three times, confirms what it finds with new
pairs, and ends with one of three verdicts: regressed, passed or inconclusive. Two files of results are judged too, but
nothing protects that against drift.

Commands are split into words by the shell's quoting rules; there is no shell. With --aa the gate is run against itself:
how often does it cry wolf on this machine, and which slowdowns does it find?`

const gateExample = `  parbench gate --base ./old --head ./new                          # two builds of a program of the trial protocol
  parbench gate --base ./old --head ./new -w primes -s pool -c 1,2  # with its speedup on 2 cores
  parbench gate --base-cmd './old --job 1' --head-cmd './new --job 1'
  parbench gate --base ./old --head ./new -f text -f github -f junit=gate.xml   # in CI
  parbench gate --head ./new --baseline main --save-baseline main  # against the stored program; store the new one if it passes
  parbench gate base.jsonl head.jsonl                              # two files: not protected against drift
  parbench gate --base ./old --head ./new -o out/ && parbench gate --from out/run.jsonl --min-effect 5%
  parbench gate --aa --base ./old                                  # the gate's own false alarms and power, here`

const gateExit = `Exit status of a gate: 0 passed, or inconclusive without --fail-on inconclusive; 1 regressed; 2 wrong usage or input; 3
inconclusive, under --fail-on inconclusive; 4 a side failed or computed something else; 5 internal or output error;
130/143 interrupted.`

// gateFlags are the flags of "parbench gate".
type gateFlags struct {
	run                           runFlags
	base, head, baseCmd, headCmd  string
	baseline, save, dir           string
	from, effect, failOn          string
	formats                       []string
	pairs                         int
	different, unlike, unequal    bool
	aa                            bool
	gates, injected               int
	inject                        []string
	rule                          gating.Options
	outputs                       []gateOutput
	baseLabel, headLabel, product string // product: the file that --save-baseline stores
	kind                          string
}

func (a *app) gateCommand() *cobra.Command {
	var f gateFlags
	cmd := &cobra.Command{
		Use: "gate [BASE HEAD]", Short: "Stop a change that made something slower", Long: gateLong + "\n\n" + gateExit, Example: gateExample,
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			mode, err := f.mode(cmd, args, a.fromEnv)
			if err != nil {
				return err
			}
			return mode(a)
		},
	}
	r, fl := &f.run, cmd.Flags()
	fl.StringVar(&f.base, "base", "", "program of the trial protocol to compare against")
	fl.StringVar(&f.head, "head", "", "program that is judged")
	fl.StringVar(&f.baseCmd, "base-cmd", "", "command to compare against")
	fl.StringVar(&f.headCmd, "head-cmd", "", "command that is judged")
	fl.StringVar(&f.baseline, "baseline", "", "compare against the baseline stored under this name")
	fl.StringVar(&f.save, "save-baseline", "", "store the judged side under this name if the gate passes; without another side, just store it")
	fl.StringVar(&f.dir, "baseline-dir", gate.BaselineDir, "directory of the baselines")
	fl.StringArrayVarP(&r.workloads, "workload", "w", nil, "workloads by comma, or one with parameters: primes:limit=50000 (default: the programs' own, else primes)")
	fl.StringArrayVarP(&r.strategies, "strategy", "s", nil, "strategies by comma, or one with parameters (default sequential,pool,process-pool)")
	fl.StringArrayVarP(&r.cores, "cores", "c", nil, "core counts: 1,2,4 or 1-4, or all, or max; several gate the scaling too (default max)")
	fl.StringVar(&f.effect, "min-effect", "2%", "smallest change that matters")
	fl.DurationVar(&r.budget, "budget", harness.DefaultBudget, "time to measure at most; what is open then is inconclusive")
	fl.IntVar(&f.pairs, "pairs", gating.DefaultPairs, "pairs of each comparison at the first look; more where the number of comparisons needs it")
	fl.StringVar(&f.failOn, "fail-on", "regressed", "regressed, or inconclusive as well")
	fl.StringArrayVarP(&f.formats, "format", "f", []string{"text"}, "text, md, json, github or junit, on standard output or FORMAT=FILE; repeat for several")
	fl.StringVarP(&r.output, "output", "o", "", "directory for run.jsonl, from which the decision can be repeated, and gate.md")
	fl.StringVar(&f.from, "from", "", "decide again from the run file of a gate; measure nothing")
	fl.IntVar(&r.tasks, "tasks", 0, "tasks of a batch (default: calibrated with base)")
	fl.IntVar(&r.warmup, "warmup", 1, "least number of warm-up batches of a trial")
	fl.DurationVar(&r.timeout, "timeout", 0, "deadline of one trial (default: ten times the longest expected, at least 30s)")
	fl.Uint64Var(&r.seed, "seed", 0, "seed of the order and of the workloads' inputs (default: random)")
	fl.StringVar(&r.affinity, "affinity", "", "use only these CPUs, such as 0-3,8")
	fl.BoolVar(&r.oversub, "oversubscribe", false, "allow more cores than there are")
	fl.BoolVar(&f.different, "allow-different-results", false, "judge times although the two sides compute different results")
	fl.BoolVar(&f.unlike, "allow-unlike-machines", false, "with two files: judge them although they come from unlike machines")
	fl.BoolVar(&f.unequal, "allow-unequal-work", false, "with two files: compare rows that did different work, marked as such")
	fl.BoolVar(&r.ignoreFailure, "ignore-failure", false, "judge what ran although a side failed")
	fl.BoolVar(&f.aa, "aa", false, "gate base against itself, many times: false alarms and power (default -w spin -s sequential,pool)")
	fl.IntVar(&f.gates, "gates", 60, "with --aa: gates on identical sides; 59 without an alarm show a rate of at most 5 %")
	fl.StringArrayVar(&f.inject, "inject", []string{"2%,3%,5%,10%"}, "with --aa: more work in head, by comma, or none")
	fl.IntVar(&f.injected, "inject-gates", 0, "with --aa: gates with each of --inject (default a third of --gates)")
	r.text.add(fl)
	formats := []string{"text", "md", "json", "github", "junit"}
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("fail-on", cobra.FixedCompletions([]string{"regressed", "inconclusive"}, cobra.ShellCompDirectiveNoFileComp))
	for _, name := range []string{"workload", "strategy"} {
		_ = cmd.RegisterFlagCompletionFunc(name, completeNames(name))
	}
	return cmd
}

// check looks at the flags that every way of gating shares.
func (f *gateFlags) check(cmd *cobra.Command) error {
	if err := f.run.text.check(); err != nil {
		return err
	}
	effect, err := parseShare("min-effect", f.effect)
	if err != nil {
		return err
	}
	const mostPairs = 10_000
	changed := cmd.Flags().Changed
	switch {
	case f.failOn != "regressed" && f.failOn != "inconclusive":
		return usagef("--fail-on %q: write regressed or inconclusive", f.failOn)
	case f.pairs < 1 || f.pairs > mostPairs:
		return usagef("--pairs %d: write a number from 1 to %d", f.pairs, mostPairs)
	case f.run.budget <= 0:
		return usagef("--budget %v: write a positive duration such as 2m", f.run.budget)
	case f.run.timeout < 0 || f.run.timeout == 0 && changed("timeout"):
		return usagef("--timeout %v: write a positive duration such as 30s", f.run.timeout)
	case f.gates < 1 || f.gates > 100_000:
		return usagef("--gates %d: write a number from 1 to 100000", f.gates)
	case f.injected < 0 || f.injected > 100_000:
		return usagef("--inject-gates %d: write a number from 1 to 100000", f.injected)
	}
	f.rule = gating.Options{MinEffect: effect, Confidence: f.run.text.confidence, Pairs: f.pairs, AllowUnlike: f.unlike, AllowUnequalWork: f.unequal}
	if f.from != "" && !changed("min-effect") {
		f.rule.MinEffect = 0 // the file's
	}
	for _, name := range []string{f.baseline, f.save} {
		if name == "" {
			continue
		}
		if err := gate.CheckName(name); err != nil {
			return usagef("--baseline, --save-baseline: %w", err)
		}
	}
	if f.outputs, err = gateOutputs(f.formats, f.aa); err != nil {
		return err
	}
	path := os.Getenv(summaryVariable)
	if path == "" || !slices.ContainsFunc(f.outputs, func(x gateOutput) bool { return x.format == "github" }) {
		return nil
	}
	out, err := openSummary(path) // before anything is measured
	if err != nil {
		return usagef("%s: %w", summaryVariable, err)
	}
	return out.Close()
}

// mode decides which way of gating was asked for, and refuses flags that belong to another.
func (f *gateFlags) mode(cmd *cobra.Command, args []string, fromEnv map[string]bool) (func(*app) error, error) {
	given := func(names ...string) string {
		for _, n := range names {
			if cmd.Flags().Changed(n) && !fromEnv[n] {
				return n
			}
		}
		return ""
	}
	measuring := []string{"workload", "strategy", "cores", "budget", "pairs", "tasks", "warmup", "timeout", "seed", "affinity", "oversubscribe", "output"}
	if n := given("gates", "inject", "inject-gates"); n != "" && !f.aa {
		return nil, usagef("--%s: it goes with --aa", n)
	}
	switch {
	case f.aa:
		if n := given("head", "head-cmd", "from", "save-baseline", "output"); n != "" {
			return nil, usagef("--aa runs base against itself: leave --%s out", n)
		}
		if len(args) > 0 || f.base == "" == (f.baseline == "") || f.baseCmd != "" {
			return nil, usagef("--aa: name one program of the trial protocol with --base or --baseline")
		}
		return func(a *app) error { return a.selfTest(cmd, f) }, nil
	case f.from != "":
		if n := given(append(measuring, "base", "head", "base-cmd", "head-cmd", "baseline", "save-baseline")...); n != "" || len(args) > 0 {
			return nil, usagef("--from %s: it was measured already; leave %s out", f.from, orArguments(n))
		}
		return func(a *app) error { return a.gateFrom(f) }, nil
	case len(args) > 0:
		if n := given(append(measuring, "base", "head", "base-cmd", "head-cmd")...); n != "" {
			return nil, usagef("--%s: two files were measured already; leave it out", n)
		}
		if len(args) == 1 && f.baseline == "" && f.save == "" {
			return nil, usagef("gate %s: name two files, or --from FILE for the run file of a gate", args[0])
		}
		if len(args) == 2 && f.baseline != "" {
			return nil, usagef("--baseline %s: it takes the place of the first file; give one", f.baseline)
		}
		return func(a *app) error { return a.gateFiles(f, args) }, nil
	case f.baseCmd != "" || f.headCmd != "":
		if n := given("base", "head", "baseline", "save-baseline", "workload", "strategy", "tasks", "warmup"); n != "" {
			return nil, usagef("--%s: it does not go with --base-cmd and --head-cmd", n)
		}
		if f.baseCmd == "" || f.headCmd == "" {
			return nil, usagef("--base-cmd, --head-cmd: give both")
		}
		return func(a *app) error { return a.gateCommands(cmd, f) }, nil
	case f.head != "" && f.base == "" && f.baseline == "" && f.save != "":
		return func(a *app) error { return a.storeProgram(f) }, nil
	case f.base != "" && f.baseline != "":
		return nil, usagef("--base and --baseline both say what to compare against: give one")
	case f.head == "" || f.base == "" && f.baseline == "":
		return nil, usagef("gate: name two programs with --base and --head, two commands with --base-cmd and --head-cmd, or two files; see parbench gate --help")
	}
	return func(a *app) error { return a.gatePrograms(cmd, f) }, nil
}

func orArguments(flag string) string {
	if flag == "" {
		return "the arguments"
	}
	return "--" + flag
}

// storeProgram keeps a program as a baseline without measuring.
func (a *app) storeProgram(f *gateFlags) error {
	p, err := protocolProgram("head", f.head)
	if err != nil {
		return err
	}
	p.Label = harness.Head
	if _, err := p.Describe(context.Background()); err != nil {
		return usagef("--head %s: %w", f.head, unusableProgram(err))
	}
	f.product, f.kind = p.Path, gate.KindProgram
	return a.store(f)
}

// store keeps the judged side.
func (a *app) store(f *gateFlags) error {
	if f.save == "" {
		return nil
	}
	b := gate.Baseline{Name: f.save, Kind: f.kind, Created: time.Now(), Tool: versionText()}
	if err := gate.Save(f.dir, b, f.product); err != nil {
		return &exitError{exitInternal, fmt.Errorf("--save-baseline %s: %w", f.save, err)}
	}
	if !a.quiet {
		fmt.Fprintf(a.stderr, "stored %s as baseline %s in %s\n", report.EscapeTerminal(f.product), f.save, report.EscapeTerminal(f.dir))
	}
	return nil
}

// protocolProgram is the program at a path.
func protocolProgram(flag, path string) (harness.Program, error) {
	if err := executable(path); err != nil {
		return harness.Program{}, usagef("--%s %s: %w; a command with arguments goes with --%s-cmd", flag, path, err, flag)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return harness.Program{}, usagef("--%s %s: %w", flag, path, err)
	}
	return harness.Program{Path: abs, Patience: programPatience}, nil
}

// gateFiles judges two files, or one against a stored one.
func (a *app) gateFiles(f *gateFlags, args []string) error {
	f.product, f.kind = args[len(args)-1], gate.KindResults
	if f.save != "" && f.product == "-" {
		return usagef("--save-baseline: standard input cannot be stored; write it to a file")
	}
	if len(args) == 1 && f.baseline == "" {
		if _, err := a.readSuite(f.product); err != nil {
			return err
		}
		return a.store(f)
	}
	before := args[0]
	if f.baseline != "" {
		b, err := a.loadBaseline(f, gate.KindResults)
		if err != nil {
			return err
		}
		before = b.Path()
	}
	if before == "-" && f.product == "-" {
		return usagef("gate - -: standard input can be one side only")
	}
	b, h, err := a.readSuites(before, f.product)
	if err != nil {
		return err
	}
	o, err := gating.Files(b, h, before, f.product, f.rule)
	if err != nil {
		return refused(err)
	}
	if len(o.Families) == 0 {
		return usagef("%s and %s have no benchmark in common (%s against %s); give both the same names", before, f.product, listed(o.OnlyBase), listed(o.OnlyHead))
	}
	return a.concludeGate(f, o, 0)
}

func (a *app) loadBaseline(f *gateFlags, kind string) (*gate.Baseline, error) {
	b, err := gate.Load(f.dir, f.baseline)
	if err != nil {
		return nil, usagef("--baseline %s: %w", f.baseline, err)
	}
	if b.Kind != kind {
		return nil, usagef("--baseline %s: it holds %s; name the same on the other side", f.baseline, map[string]string{gate.KindProgram: "a program, so give --head PROGRAM", gate.KindResults: "a file of results, so give one file"}[b.Kind])
	}
	return b, nil
}

// gateFrom decides again from a file.
func (a *app) gateFrom(f *gateFlags) error {
	run, err := a.readRun(f.from)
	if err != nil {
		return err
	}
	o, err := gating.Replay(run, f.rule)
	if errors.Is(err, gating.ErrNothing) {
		return usagef("--from %s: it holds no pairs of base and head; name two files to compare runs", f.from)
	}
	if err != nil {
		return usagef("--from %s: %w", f.from, err)
	}
	if args := run.Header.Args; len(args) > 2 && args[0] == "gate" {
		o.Base.Label, o.Head.Label = args[1], args[2]
	}
	return a.concludeGate(f, o, 0)
}

// gatePrograms measures two programs.
func (a *app) gatePrograms(cmd *cobra.Command, f *gateFlags) error {
	base, head, err := a.sides(f)
	if err != nil {
		return err
	}
	s, err := a.gateSession(f, base, head)
	if err != nil {
		return err
	}
	f.product, f.kind = head.Path, gate.KindProgram
	spec, fixtures, err := s.gateSpec(cmd, f)
	if err != nil {
		return err
	}
	return a.measureGate(cmd, f, s, fixtures, func(ctx context.Context) (*harness.Pairs, error) {
		return s.h.PreparePairs(ctx, spec, harness.PairOptions{AllowDifferent: f.different, Reference: len(spec.Cores) > 1})
	})
}

// sides finds the two programs.
func (a *app) sides(f *gateFlags) (base, head harness.Program, err error) {
	f.baseLabel, f.headLabel = f.base, f.head
	if f.baseline != "" {
		b, err := a.loadBaseline(f, gate.KindProgram)
		if err != nil {
			return base, head, err
		}
		f.base, f.baseLabel = b.Path(), "baseline "+f.baseline
	}
	if base, err = protocolProgram("base", f.base); err != nil {
		return base, head, err
	}
	if f.head == "" { // --aa
		f.headLabel = f.baseLabel
		head = base
	} else if head, err = protocolProgram("head", f.head); err != nil {
		return base, head, err
	}
	base.Label, head.Label = harness.Base, harness.Head
	return base, head, nil
}

// gateCommands measures two commands.
func (a *app) gateCommands(cmd *cobra.Command, f *gateFlags) error {
	f.baseLabel, f.headLabel = f.baseCmd, f.headCmd
	base, err := commandSide("base", f.baseCmd)
	if err != nil {
		return err
	}
	head, err := commandSide("head", f.headCmd)
	if err != nil {
		return err
	}
	s, err := a.machine(f, harness.Offer{Program: base}, harness.Offer{Program: head})
	if err != nil {
		return err
	}
	s.h.Place = harness.Place(s.usable, false)
	cores := 0
	if len(f.run.cores) > 0 {
		counts, err := parseCores(f.run.cores, s.h.Place.Cores)
		if err != nil {
			return err
		}
		if len(counts) != 1 || counts[0] > len(s.h.Place.CPUs) {
			return usagef("--cores %s: a command runs on one number of cores, up to %d", strings.Join(f.run.cores, ","), len(s.h.Place.CPUs))
		}
		cores = counts[0]
	}
	if err := drawSeed(cmd, &f.run); err != nil {
		return err
	}
	return a.measureGate(cmd, f, s, nil, func(ctx context.Context) (*harness.Pairs, error) {
		return s.h.PrepareCommands(ctx, base, head, cores, f.run.timeout, f.run.seed)
	})
}

// drawSeed chooses a seed where none was given.
func drawSeed(cmd *cobra.Command, r *runFlags) error {
	if cmd.Flags().Changed("seed") {
		return nil
	}
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return fmt.Errorf("draw a seed: %w", err)
	}
	r.seed = binary.LittleEndian.Uint64(b[:])
	return nil
}

// concludeGate writes the outcome in every format and turns it into an exit status. signal is the code of a signal that came.
func (a *app) concludeGate(f *gateFlags, o *gating.Outcome, signal int) error {
	o.Allowed, o.Tolerated = f.different, f.run.ignoreFailure
	if err := a.writeGate(f, o); err != nil {
		return err
	}
	strict := f.failOn == "inconclusive"
	fail := func(code int, format string, args ...any) error {
		return &exitError{code, fmt.Errorf(format, args...)}
	}
	switch {
	case signal != 0:
		return fail(signal, "interrupted; what was measured until then is above")
	case len(o.Failures) > 0 && !f.run.ignoreFailure:
		return fail(exitFailed, "%s of %s failed; the report names the reason", o.Failures[0].Name, o.Failures[0].Side)
	case len(o.Different) > 0 && !f.different:
		return fail(exitFailed, "base and head compute different results of %s: find out which is right, or add --allow-different-results if the change was meant to", strings.Join(o.Different, ", "))
	case o.Verdict == gating.Regressed:
		return fail(exitRegressed, "the gate is closed: %s regressed", plural(o.Count(comparison.Regressed), "comparison"))
	case o.Verdict == gating.Inconclusive && strict:
		return fail(exitInconclusive, "inconclusive, and --fail-on inconclusive was given")
	}
	return a.store(f)
}

// gateOutput is one of the formats that were asked for.
type gateOutput struct{ format, path string }

// gateOutputs reads FORMAT or FORMAT=FILE.
func gateOutputs(values []string, aa bool) (out []gateOutput, err error) {
	formats := []string{"text", "md", "json", "github", "junit"}
	if aa {
		formats = formats[:3]
	}
	for _, v := range values {
		format, path, _ := strings.Cut(v, "=")
		if path == "" {
			path = "-"
		}
		if !slices.Contains(formats, format) {
			return nil, usagef("--format %q: write %s or %s, or FORMAT=FILE", v, strings.Join(formats[:len(formats)-1], ", "), formats[len(formats)-1])
		}
		if path != "-" {
			if fi, err := os.Stat(filepath.Dir(path)); err != nil || !fi.IsDir() {
				return nil, usagef("--format %s: there is no directory %s", v, filepath.Dir(path))
			}
			if err := writable(path); err != nil {
				return nil, usagef("--format %s: cannot be written: %w", v, err)
			}
			if slices.ContainsFunc(out, func(x gateOutput) bool { return filepath.Clean(x.path) == filepath.Clean(path) }) {
				return nil, usagef("--format %s: another format is written to %s already; name another file", v, path)
			}
		}
		out = append(out, gateOutput{format, path})
	}
	return out, nil
}

// writeGate writes the outcome in every format.
func (a *app) writeGate(f *gateFlags, o *gating.Outcome) error {
	strict := f.failOn == "inconclusive"
	for _, x := range f.outputs {
		err := a.emitAs("--format "+x.format+"="+x.path, x.path, func(w io.Writer) error {
			switch x.format {
			case "md":
				return report.GateMarkdown(w, o, report.MDOptions{TimeUnit: f.run.text.unit})
			case "json":
				return report.GateJSON(w, o)
			case "junit":
				return report.GateJUnit(w, o, strict)
			case "github":
				return report.GateAnnotations(w, o, strict)
			}
			return report.GateText(w, o, a.textTo(x.path, &f.run.text))
		})
		if err == nil && x.format == "github" {
			err = a.stepSummary(o, f)
		}
		if err != nil {
			return &exitError{exitInternal, err}
		}
	}
	return nil
}

// mostSummary is how large GitHub lets a step's summary be, and summaryVariable names its file.
const (
	mostSummary     = 1 << 20
	summaryVariable = "GITHUB_STEP_SUMMARY"
)

func openSummary(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
}

// stepSummary appends the outcome to the summary of the step, where GitHub Actions names a file for it.
func (a *app) stepSummary(o *gating.Outcome, f *gateFlags) error {
	path := os.Getenv(summaryVariable)
	if path == "" {
		if !a.quiet {
			fmt.Fprintln(a.stderr, "parbench: "+summaryVariable+" is not set, so that there is no step summary")
		}
		return nil
	}
	var b strings.Builder
	if err := report.GateMarkdown(&b, o, report.MDOptions{TimeUnit: f.run.text.unit}); err != nil {
		return err
	}
	text := b.String()
	if len(text) > mostSummary {
		text = fmt.Sprintf("## parbench gate: %s\n\nThe whole outcome is larger than a summary may be; -f md=FILE writes it.\n", o.Verdict)
	}
	out, err := openSummary(path)
	if err != nil {
		return fmt.Errorf("write the step summary: %w", err)
	}
	_, err = out.WriteString(text + "\n")
	return errors.Join(err, out.Close())
}

// gateHeader is the header of a gate's run file.
func gateHeader(cmd *cobra.Command, f *gateFlags, s *gateSession, p *harness.Pairs) results.Header {
	p.Plan.Rounds, p.Plan.Budget = f.pairs, f.run.budget.Seconds()
	p.Plan.Gate = &results.Gate{MinEffect: f.rule.MinEffect, Looks: gating.DefaultLooks, Pairs: f.pairs}
	p.Plan.Hash = ""
	args := []string{"gate", f.baseLabel, f.headLabel}
	for _, name := range []string{"workload", "strategy", "cores", "min-effect", "pairs", "budget", "tasks", "warmup", "timeout", "affinity", "oversubscribe", "allow-different-results"} {
		if fl := cmd.Flags().Lookup(name); fl.Changed {
			args = append(args, "--"+name+"="+fl.Value.String())
		}
	}
	return results.Header{ID: results.NewID(time.Now(), rand.Reader), Created: time.Now().UTC().Truncate(time.Second), Tool: versionText(),
		Args: append(args, fmt.Sprintf("--seed=%d", f.run.seed)), Environment: s.h.EnvironmentOf(&p.Plan), Plan: p.Plan}
}
