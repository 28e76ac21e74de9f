package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parbench/parbench/internal/gate"
	"github.com/parbench/parbench/internal/harness"
	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/internal/words"
	"github.com/parbench/parbench/report"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/gating"
)

// gateSession is a session of two programs, base and head.
type gateSession struct {
	session
	usable host.Usable
}

// The default selection of a gate: a workload of pure computing and the three ways to run tasks that most changes touch.
var (
	gateWorkloads  = []string{"primes"}
	gateStrategies = []string{"sequential", "pool", "process-pool"}
)

// machine readies a session on this machine.
func (a *app) machine(f *gateFlags, sides ...harness.Offer) (*gateSession, error) {
	m := host.Open("")
	u, err := m.Usable()
	if err != nil {
		return nil, fmt.Errorf("find the usable CPUs: %w", err)
	}
	if f.run.affinity != "" {
		if u, err = restrict(u, f.run.affinity); err != nil {
			return nil, err
		}
	}
	return &gateSession{session: session{h: &harness.Harness{Machine: m, Programs: sides}}, usable: u}, nil
}

// gateSession asks both programs what they offer.
func (a *app) gateSession(f *gateFlags, base, head harness.Program) (*gateSession, error) {
	var sides []harness.Offer
	for i, p := range []harness.Program{base, head} {
		offer, err := harness.Ask(context.Background(), p)
		if err != nil {
			return nil, usagef("--%s %s: %w; for any other command use --%s-cmd", p.Label, []string{f.base, f.head}[i], unusableProgram(err), p.Label)
		}
		sides = append(sides, offer)
	}
	return a.machine(f, sides...)
}

// gateSpec turns flags into what the harness understands.
func (s *gateSession) gateSpec(cmd *cobra.Command, f *gateFlags) (harness.Spec, []string, error) {
	both := func(names func(*protocol.Description) []string) (out []string) {
		other := names(s.h.Programs[1].Description)
		for _, n := range names(s.h.Programs[0].Description) {
			if slices.Contains(other, n) {
				out = append(out, n)
			}
		}
		return out
	}
	if len(f.run.workloads) == 0 {
		f.run.workloads = ownWorkloads(s.h.Programs[0].Description, both(measurable))
	}
	if len(f.run.strategies) == 0 {
		offered := both(strategyNames)
		f.run.strategies = slices.DeleteFunc(slices.Clone(gateStrategies), func(n string) bool { return !slices.Contains(offered, n) })
		if len(f.run.strategies) == 0 {
			f.run.strategies = offered
		}
	}
	if len(f.run.workloads) == 0 || len(f.run.strategies) == 0 {
		return harness.Spec{}, nil, usagef("--base, --head: the two programs have no workload, or no strategy, in common")
	}
	for _, n := range f.run.strategies {
		if strings.HasPrefix(n, "py-") {
			return harness.Spec{}, nil, usagef("--strategy %s: the Python strategies are parbench's own program, and the same on both sides; gate two commands with --base-cmd and --head-cmd", n)
		}
	}
	if len(f.run.cores) == 0 {
		f.run.cores = []string{"max"}
	}
	f.run.rounds = f.pairs
	return s.spec(cmd, &f.run, s.usable)
}

// measurable are the workloads of a program that are no probes.
func measurable(o *protocol.Description) (names []string) {
	for _, w := range o.Workloads {
		if !w.Probe {
			names = append(names, w.Name)
		}
	}
	return names
}

// commandSide is a command line as something to run.
func commandSide(side, line string) (harness.Program, error) {
	list, err := words.Split(line)
	if err != nil {
		return harness.Program{}, usagef("--%s-cmd %q: %w", side, line, err)
	}
	path, err := exec.LookPath(list[0])
	if err != nil {
		return harness.Program{}, usagef("--%s-cmd %q: %s: no such executable (%v)", side, line, list[0], errors.Unwrap(err))
	}
	return harness.Program{Label: side, Path: path, Args: list[1:]}, nil
}

// writeSelfTest writes a self-test in every format.
func (a *app) writeSelfTest(f *gateFlags, t *gating.SelfTest) error {
	for _, x := range f.outputs {
		err := a.emitAs("--format "+x.format+"="+x.path, x.path, func(w io.Writer) error {
			switch x.format {
			case "md":
				return report.SelfTestMarkdown(w, t)
			case "json":
				return report.SelfTestJSON(w, t)
			}
			return report.SelfTestText(w, t, a.textTo(x.path, &f.run.text))
		})
		if err != nil {
			return &exitError{exitInternal, err}
		}
	}
	return nil
}

func holdsRun(dir string) error {
	return usagef("--output %s: it holds a run already; choose another directory", dir)
}

// unwritten is an error of measuring. A gate is not resumed: what its file holds can be decided from.
func unwritten(err error) error {
	if we, ok := errors.AsType[*results.WriteError](err); ok {
		return fmt.Errorf("%s %s: %w; every earlier pair is safe: parbench gate --from %s says what they show", we.Op, we.Path, cause(we.Err), we.Path)
	}
	return err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// measureGate prepares the pairs, measures until the gate is decided, and concludes.
func (a *app) measureGate(cmd *cobra.Command, f *gateFlags, s *gateSession, fixtures []string, prepare func(context.Context) (*harness.Pairs, error)) error {
	var made *harness.Made
	path := ""
	if dir := f.run.output; dir != "" {
		var err error
		if made, err = harness.Writable(dir); err != nil {
			return err
		}
		defer made.Undo() // where nothing was written
		path = filepath.Join(dir, runName)
		if exists(path) {
			return holdsRun(dir)
		}
	}
	deadline := time.Now().Add(f.run.budget)
	bar := newProgress(a.stderr, a.quiet, a.verbose, f.run.budget)
	stop := watchInterrupts(a.say)
	defer stop.release()
	defer keepPipeErrors()()
	s.h.Stop = stop.Stop
	s.h.OnProgress = func(p harness.Progress) { bar.update(p) }
	defer s.h.Close()
	if err := s.h.Open(stop.Now, fixtures); err != nil {
		return a.stopped(stop, err)
	}
	bar.step("preparing", "preparing both sides")
	p, err := prepare(stop.Until())
	bar.clear()
	if err != nil {
		return a.unprepared(f, stop, err)
	}
	p.Deadline, p.OnProgress = deadline, func(x harness.PairProgress) { bar.pair(x) }
	header := gateHeader(cmd, f, s, p)
	var w *results.Writer
	if path != "" {
		if w, err = results.Create(path, header); err != nil {
			if errors.Is(err, fs.ErrExist) { // of another gate, which began meanwhile
				return holdsRun(f.run.output)
			}
			return outputError(path, err)
		}
		defer w.Close()
	}
	o, err := gating.Decide(gate.NewSource(stop.Now, p, header, w), f.rule)
	bar.clear()
	s.h.Close()
	if err != nil {
		code := exitInternal
		if c := stop.code(); c != 0 {
			code = c
		}
		return &exitError{code, unwritten(err)}
	}
	o.Base.Label, o.Head.Label = f.baseLabel, f.headLabel
	o.Differ(p.Different)
	o.Tolerated = f.run.ignoreFailure
	if w != nil {
		if err := a.keepGate(f, w, o, path); err != nil {
			return err
		}
	}
	signal := 0
	if o.Stop == gating.StopInterrupted {
		signal = stop.code()
	}
	return a.concludeGate(f, o, signal)
}

func (a *app) say(msg string) { fmt.Fprintln(a.stderr, "\n"+msg) }

// keepGate ends the run file and writes the page beside it.
func (a *app) keepGate(f *gateFlags, w *results.Writer, o *gating.Outcome, path string) error {
	reason := "complete"
	switch o.Stop {
	case gating.StopInterrupted, gating.StopBudget:
		reason = string(o.Stop)
	}
	err := w.Note(results.Note{Type: "end", Time: time.Now().UTC(), Reason: reason})
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return &exitError{exitInternal, unwritten(err)}
	}
	var b strings.Builder
	if err := report.GateMarkdown(&b, o, report.MDOptions{TimeUnit: f.run.text.unit}); err != nil {
		return &exitError{exitInternal, err}
	}
	page := filepath.Join(filepath.Dir(path), "gate.md")
	if err := writeFile(page, []byte(b.String())); err != nil {
		return outputError(page, err)
	}
	if !a.quiet {
		fmt.Fprintf(a.stderr, "outcome: %s\ndata:    %s\n", report.EscapeTerminal(page), report.EscapeTerminal(path))
	}
	return nil
}

// unprepared says why nothing could be measured. What CI reads is written all the same.
func (a *app) unprepared(f *gateFlags, stop *interrupts, err error) error {
	o := &gating.Outcome{Verdict: gating.Inconclusive, Rule: f.rule}
	o.Base.Label, o.Head.Label, o.Report.Paired = f.baseLabel, f.headLabel, true
	var side *harness.SideError
	var different *harness.ResultsError
	switch {
	case stop.code() != 0:
		return a.stopped(stop, err)
	case errors.As(err, &side):
		o.Failures = []gating.Failure{{Side: side.Side, Name: side.What, Status: side.Trial.Status, Reason: side.Reason, Stderr: side.Trial.Stderr}}
	case errors.As(err, &different):
		o.Different = different.Workloads
	default:
		return err
	}
	o.Finding = "Nothing was measured: " + err.Error() + "."
	o.Warnings = []analysis.Warning{}
	if werr := a.writeGate(f, o); werr != nil {
		return werr
	}
	if side != nil && f.baseCmd != "" && side.Trial.Status == results.Crashed {
		err = fmt.Errorf("%w; a command of a gate has to exit with status 0: where another one is no failure, as of grep, write sh -c 'grep …; [ $? -le 1 ]'", err)
	}
	return &exitError{exitFailed, err}
}

// selfTest gates a program against itself.
func (a *app) selfTest(cmd *cobra.Command, f *gateFlags) error {
	slowdowns, err := parseInject(f.inject)
	if err != nil {
		return err
	}
	base, head, err := a.sides(f)
	if err != nil {
		return err
	}
	if len(f.run.workloads) == 0 {
		f.run.workloads = []string{"spin"}
	}
	if len(f.run.strategies) == 0 {
		f.run.strategies = []string{"sequential", "pool"}
	}
	if f.injected == 0 {
		f.injected = max(1, f.gates/3)
	}
	s, err := a.gateSession(f, base, head)
	if err != nil {
		return err
	}
	spec, fixtures, err := s.gateSpec(cmd, f)
	if err != nil {
		return err
	}
	bar := newProgress(a.stderr, a.quiet, a.verbose, f.run.budget)
	stop := watchInterrupts(a.say)
	defer stop.release()
	defer keepPipeErrors()()
	s.h.Stop = stop.Stop
	defer s.h.Close()
	if err := s.h.Open(stop.Now, fixtures); err != nil {
		return a.stopped(stop, err)
	}
	bar.step("preparing", "preparing both sides")
	p, err := s.h.PreparePairs(stop.Until(), spec, harness.PairOptions{Reference: len(spec.Cores) > 1})
	bar.clear()
	if err != nil {
		var side *harness.SideError
		if errors.As(err, &side) && stop.code() == 0 {
			return &exitError{exitFailed, err}
		}
		return a.stopped(stop, err)
	}
	began := time.Now()
	t := &gate.SelfTest{
		Pairs: p, Header: gateHeader(cmd, f, s, p), Gates: f.gates, Injected: f.injected, Slowdowns: slowdowns, Parameter: "iterations",
		Budget: f.run.budget, Seed: spec.Seed, Rule: f.rule,
		OnGate: func(done, total int, slowdown float64) {
			left := ""
			if done > 0 {
				left = ", about " + roughly(time.Since(began)/time.Duration(done)*time.Duration(total-done)) + " left"
			}
			bar.step(strconv.Itoa(done*20/total), fmt.Sprintf("gate %d/%d%s", done+1, total, left))
		},
	}
	out, err := t.Run(stop.Now)
	bar.clear()
	s.h.Close()
	if err != nil {
		var ue *harness.UsageError
		if errors.As(err, &ue) {
			return err
		}
		return &exitError{exitInternal, err}
	}
	if err := a.writeSelfTest(f, out); err != nil {
		return err
	}
	switch {
	case stop.code() != 0:
		return &exitError{stop.code(), errors.New("interrupted; what was counted until then is above")}
	case len(out.Failures) > 0:
		return &exitError{exitFailed, errors.New("a trial failed; the report names the reason")}
	case out.Exceeded():
		return &exitError{exitRegressed, fmt.Errorf("the gate gives more false alarms on this machine than its stated level of %d %%", int(100*gating.StatedLevel))}
	}
	return nil
}

// parseInject reads "2%,5%" or "none".
func parseInject(values []string) (out []float64, err error) {
	for _, v := range strings.Split(strings.Join(values, ","), ",") {
		if v = strings.TrimSpace(v); v == "none" && len(values) == 1 && !strings.Contains(values[0], ",") {
			return nil, nil
		}
		share, err := parseShare("inject", v)
		if err != nil {
			return nil, err
		}
		if slices.Contains(out, share) {
			return nil, usagef("--inject: %s is given twice", v)
		}
		out = append(out, share)
	}
	return out, nil
}
