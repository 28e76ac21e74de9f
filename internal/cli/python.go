package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/parbench/parbench/internal/harness"
	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/report"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/strategies/python"
	"github.com/parbench/parbench/workloads"
)

// pythonParam chooses the interpreter of a Python strategy. The harness knows it as the program.
const (
	pythonParam  = "python"
	programParam = "program"
)

// pythonStrategies are measured with --python-workload when no strategy was selected.
var pythonStrategies = []string{"py-sequential", "py-threads", "py-pool", "py-executor"}

// interpreters are the Pythons of a run, by the name with which the user asked for them. The empty name stands for whatever
// PATH has.
type interpreters struct {
	unpacked *python.Program
	workload string // absolute path of the user's file; empty: none
	names    []string
	labels   map[string]string // by name
	patience time.Duration     // for loading the file and saying what there is; 0: the harness's own
	say      func(line string) // tells the user what takes long; nil: nobody
	twice    []string          // says of each name that leads to the interpreter of another one so
}

func (p *interpreters) close() {
	if p != nil && p.unpacked != nil {
		_ = p.unpacked.Close() // only what could not go to the user's cache; nothing depends on it any more
	}
}

// splitNames reads the values of --python: lists by comma.
func splitNames(values []string) ([]string, error) {
	var out []string
	for _, v := range values {
		for _, name := range strings.Split(v, ",") {
			if name = strings.TrimSpace(name); name == "" {
				return nil, usagef("--python %q: an empty name; write interpreters separated by single commas", v)
			}
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out, nil
}

// withPython adds the programs of the interpreters that the selections and flags ask for to the session, and returns the
// strategies with each interpreter by its label.
func (s *session) withPython(ctx context.Context, f *runFlags, ss []harness.Selection) ([]harness.Selection, error) {
	// A misspelt one counts, too: the harness then knows what it could have been.
	isPython := func(x harness.Selection) bool { return strings.HasPrefix(x.Name, "py-") }
	names, err := splitNames(f.python)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(ss, isPython) {
		switch {
		case len(names) > 0:
			return nil, usagef("--python %s: no Python strategy is selected; add one, such as -s py-pool", strings.Join(names, ","))
		case f.pythonWorkload != "":
			return nil, usagef("--python-workload %s: no Python strategy is selected; add one, such as -s py-pool", f.pythonWorkload)
		}
		return ss, nil
	}
	p := &interpreters{names: names, say: s.say}
	if p.workload, err = workloadFile(f.pythonWorkload); err != nil {
		return nil, err
	}
	general := false // whether some strategy leaves the choice to --python
	for _, x := range ss {
		name, given := x.Params[pythonParam]
		switch {
		case !isPython(x):
		case !given:
			general = true
		case !slices.Contains(p.names, name):
			p.names = append(p.names, name)
		}
	}
	f.pythons = slices.Clone(p.names)
	if general && len(names) == 0 {
		p.names = append(p.names, "")
		if len(f.pythons) > 0 { // a resumed run looks for no others than those that are named to it
			f.pythons = append(f.pythons, "python3")
		}
	}
	if err := s.addInterpreters(ctx, p); err != nil {
		return nil, err
	}
	return p.programs(ss, names), nil
}

// pythonOffer is what the interpreter on PATH offers.
func pythonOffer(ctx context.Context) harness.Offer {
	in, err := python.Find(ctx, "")
	if err != nil {
		return unusable(harness.Program{Label: pythonParam}, err)
	}
	p := &interpreters{}
	defer p.close()
	offer, err := p.offer(ctx, in, python.Labels([]python.Interpreter{in})[0])
	if err != nil {
		return unusable(harness.Program{Label: pythonParam}, err)
	}
	return offer
}

// workloadFile is the absolute path of the file of --python-workload; "" stays "".
func workloadFile(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	info, err := os.Stat(path)
	var cause *os.PathError
	switch {
	case errors.As(err, &cause):
		return "", usagef("--python-workload %s: %w; name a Python file with a function task(i, params)", path, cause.Err)
	case err == nil && !info.Mode().IsRegular():
		return "", usagef("--python-workload %s: not a file; name a Python file with a function task(i, params)", path)
	}
	return filepath.Abs(path)
}

// programs translates the parameter python of each selection. One without it runs under every interpreter of --python, or
// under the one of PATH.
func (p *interpreters) programs(ss []harness.Selection, general []string) []harness.Selection {
	if len(general) == 0 {
		general = []string{""}
	}
	var out []harness.Selection
	as := map[string]string{} // what has its interpreter from which name
	for _, x := range ss {
		if !python.Is(x.Name) {
			out = append(out, x)
			continue
		}
		names := general
		if name, given := x.Params[pythonParam]; given {
			names = []string{name}
		}
		seen := map[string]bool{}
		for _, name := range names {
			label := p.labels[name]
			if seen[label] {
				continue // two names of one interpreter
			}
			seen[label] = true
			params := maps.Clone(x.Params)
			if params == nil {
				params = map[string]string{}
			}
			delete(params, pythonParam)
			params[programParam] = label
			one := harness.Selection{Name: x.Name, Params: params}
			if before, there := as[one.Label()]; there && before != name {
				continue // and so are these, of two selections
			}
			as[one.Label()] = name
			out = append(out, one)
		}
	}
	return out
}

// addInterpreters finds the interpreters and asks each for its offer. One that cannot be used stays, with the reason.
func (s *session) addInterpreters(ctx context.Context, p *interpreters) error {
	p.labels = map[string]string{}
	s.python = p
	var found []python.Interpreter
	var foundAs [][]string // the names of each
	for _, name := range p.names {
		in, err := python.Find(ctx, name)
		if err != nil {
			label := filepath.Base(name)
			if name == "" {
				label = pythonParam
			}
			p.labels[name] = label
			s.h.Programs = append(s.h.Programs, unusable(harness.Program{Label: label}, err))
			continue
		}
		at := slices.IndexFunc(found, in.Same)
		if at < 0 {
			at = len(found)
			found, foundAs = append(found, in), append(foundAs, nil)
		} else {
			p.isTwice(foundAs[at][0], name, found[at])
		}
		foundAs[at] = append(foundAs[at], name)
	}
	for i, label := range python.Labels(found) {
		for _, name := range foundAs[i] {
			p.labels[name] = label
		}
		offer, err := p.offer(ctx, found[i], label)
		if err != nil {
			return err
		}
		s.h.Programs = append(s.h.Programs, offer)
	}
	return nil
}

// isTwice notes that two names lead to one interpreter.
func (p *interpreters) isTwice(first, second string, in python.Interpreter) {
	p.twice = append(p.twice, fmt.Sprintf("%s and %s are one interpreter (%s), which is measured once", asked(first), asked(second), in.Path))
}

// asked is what a sentence calls an interpreter by the name with which the user asked for it.
func asked(name string) string {
	if name == "" {
		return "the Python on PATH"
	}
	return name
}

// offer asks an interpreter what it offers.
func (p *interpreters) offer(ctx context.Context, in python.Interpreter, label string) (harness.Offer, error) {
	if p.unpacked == nil {
		u, err := python.Unpack()
		if err != nil {
			return harness.Offer{}, err
		}
		p.unpacked = u
	}
	program := harness.Program{
		Label: label, Path: in.Path, Args: p.unpacked.Args(p.workload), Files: p.unpacked.Files(p.workload), Patience: p.patience, Advice: p.advice(),
	}
	waiting := p.wait(label)
	offer, err := harness.Ask(ctx, program)
	waiting()
	if err != nil && p.workload != "" && ctx.Err() == nil {
		offer, err = p.withoutFile(ctx, program, err)
	}
	if ctx.Err() != nil {
		return harness.Offer{}, context.Cause(ctx)
	}
	if err != nil {
		offer = unusable(program, fmt.Errorf("%w; name another interpreter with --python", err))
	}
	return offer, nil
}

// wait tells the user what takes long, until the function that it returns is called.
func (p *interpreters) wait(label string) (stop func()) {
	if p.say == nil || p.workload == "" {
		return func() {}
	}
	t := time.AfterFunc(slowProgram, func() { p.say("waiting for " + label + " to load " + filepath.Base(p.workload)) })
	return func() { t.Stop() }
}

// withoutFile asks an interpreter that could not say what it offers again, without the user's file: if it can then, it is the
// file that cannot be used, and why.
func (p *interpreters) withoutFile(ctx context.Context, program harness.Program, why error) (harness.Offer, error) {
	plain := program
	plain.Args, plain.Files, plain.Patience = p.unpacked.Args(""), p.unpacked.Files(""), 0
	d, err := plain.Describe(ctx)
	if err != nil {
		return harness.Offer{}, err
	}
	file := filepath.Base(p.workload)
	var silent *harness.SilentError
	var offer *harness.OfferError
	reason := fmt.Sprintf("%s cannot be loaded: %v; nothing in it may end the process or write to descriptor 4: correct it", file, why)
	switch {
	case errors.As(why, &offer): // it was loaded
		reason = fmt.Sprintf("%s cannot be used: %v; correct it", file, why)
	case errors.As(why, &silent):
		reason = fmt.Sprintf("%s: %s had not loaded it after %v: every trial and worker process loads it again, so move what takes long from its top level into task, or into a file made beforehand",
			file, program.Label, silent.After)
	}
	d.Workloads = append(d.Workloads, protocol.Workload{
		Name: python.WorkloadName(p.workload), Kind: string(workloads.CPU), Doc: "task(i, params) of " + file, Unavailable: reason,
	})
	id, err := program.Identify(d)
	return harness.Offer{Program: program, Description: d, Identity: id}, err
}

// advice says what to do about trials of an interpreter that fail without saying why.
func (p *interpreters) advice() map[string]harness.Advice {
	const another = "name another interpreter with --python"
	all := map[string]harness.Advice{"": {Ended: another, Protocol: another}}
	if p.workload == "" {
		return all
	}
	file := filepath.Base(p.workload)
	all[python.WorkloadName(p.workload)] = harness.Advice{
		Ended:    "look for what in " + file + ", or in what it imports, ends the process (os._exit, a crash of native code, memory that runs out), or " + another,
		Protocol: "nothing in " + file + " may write to descriptor 4, on which results travel: print to standard output, or " + another,
		Digest: "task(i, params) of " + file + " has to return the same for the same arguments in every process: leave out hash() of text and the order of sets " +
			"(PYTHONHASHSEED changes them from process to process), id(), clocks, random numbers without a seed made of i, and what earlier tasks have left",
	}
	return all
}

// unusable is the offer of an interpreter that cannot take part, and why.
func unusable(p harness.Program, why error) harness.Offer {
	return harness.Offer{Program: p, Description: python.Missing(why.Error())}
}

// isInterpreter tells the labels of a run's interpreters from those of its other programs.
func isInterpreter(run *results.Run) func(label string) bool {
	return func(label string) bool {
		return slices.ContainsFunc(run.Header.Plan.Cells, func(c results.Cell) bool { return c.Program == label && python.Is(c.Strategy) })
	}
}

// resumePython finds the interpreters that a run began with: those of --python, or else by the names that stand in the plan.
func (s *session) resumePython(ctx context.Context, f *runFlags, run *results.Run) error {
	var labels []string
	for _, c := range run.Header.Plan.Cells {
		if isInterpreter(run)(c.Program) && !slices.Contains(labels, c.Program) {
			labels = append(labels, c.Program)
		}
	}
	if len(labels) == 0 {
		return nil
	}
	names, err := splitNames(f.python)
	if err != nil {
		return err
	}
	if f.pythonWorkload == "" && slices.ContainsFunc(run.Header.Args, func(a string) bool { return strings.HasPrefix(a, "--python-workload=") }) {
		return usagef("--resume %s: it measures a file of your own: name it again with --python-workload", f.resume)
	}
	f.pythons = names
	p := &interpreters{labels: map[string]string{}, say: s.say}
	s.python = p
	if p.workload, err = workloadFile(f.pythonWorkload); err != nil {
		return err
	}
	for _, label := range labels {
		candidates := names
		if len(candidates) == 0 {
			candidates = []string{"", label}
		}
		offer, err := p.again(ctx, label, candidates, run.Header.Environment.Programs)
		if err != nil {
			return err
		}
		if offer == nil {
			return usagef("--resume %s: it needs the interpreter %s, which was not found here: name it with --python", f.resume, label)
		}
		s.h.Programs = append(s.h.Programs, *offer)
	}
	return nil
}

// again finds the interpreter that had a label among those of the names: the very same one, or else one of that version. It
// returns nil where there is none.
func (p *interpreters) again(ctx context.Context, label string, names []string, programs []results.Program) (*harness.Offer, error) {
	var like *harness.Offer
	for _, name := range names {
		in, err := python.Find(ctx, name)
		if err != nil || !in.Is(label) {
			continue
		}
		offer, err := p.offer(ctx, in, label)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(programs, func(q results.Program) bool { return q.Label == label && q.Hash == offer.Identity.Hash }) {
			return &offer, nil
		}
		if like == nil && offer.Identity.Hash != "" {
			like = &offer
		}
	}
	return like, nil
}

// repeated is a strategy as the command line would write it again. An interpreter that was named by its path stands there
// as a place to fill in: paths tell who has measured, and on another machine they lead nowhere.
func (p *interpreters) repeated(x harness.Selection) string {
	if p == nil || !python.Is(x.Name) {
		return x.Label()
	}
	params := maps.Clone(x.Params)
	label := params[programParam]
	delete(params, programParam)
	if p.labels[""] != label {
		params[pythonParam] = p.called(label)
	}
	return harness.Selection{Name: x.Name, Params: params}.Label()
}

// called is how the interpreter with that label may be named on another machine: by the name that the user has given, or
// where all of them are paths by one to be filled in.
func (p *interpreters) called(label string) string {
	as := label
	for _, name := range p.names {
		if p.labels[name] == label {
			if as = calledBy(name, label); as == name {
				break
			}
		}
	}
	return as
}

// calledBy is the same for one name.
func calledBy(name, label string) string {
	switch {
	case name == "":
		return "python3"
	case strings.ContainsRune(name, os.PathSeparator):
		return results.PathPlaceholder + label
	}
	return name
}

// sayTwice says which names lead to one interpreter.
func (a *app) sayTwice(p *interpreters) {
	if p == nil || a.quiet {
		return
	}
	for _, line := range p.twice {
		fmt.Fprintln(a.stderr, "parbench: --python: "+report.EscapeTerminal(line))
	}
}

// leftOut says what was asked for and cannot run, a line for each reason.
func (a *app) leftOut(plan results.Plan) {
	for _, line := range report.LeftOut(&plan) {
		fmt.Fprintln(a.stderr, "parbench: left out: "+report.EscapeTerminal(line))
	}
}
