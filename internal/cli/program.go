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
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/parbench/parbench/internal/harness"
	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/report"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/workloads"
	"github.com/parbench/parbench/workloads/builtin"
)

// How long a user's program may take to say what it offers, and from when on that is worth a word: what it does before it
// calls trial.Main is done again in every trial and every worker process.
const (
	programPatience = 10 * time.Second
	slowProgram     = time.Second
)

// callMain is the remedy for a program that does not answer.
const callMain = "trial.Main has to be the first statement of its main, see docs/programs.md"

// userPrograms are the programs of --program.
type userPrograms struct {
	offers  []harness.Offer
	missing []results.Unavailable // those that could not be asked
}

// askPrograms finds the programs of --program and asks each what it offers. One that cannot be used is left out with the
// reason, unless none is left.
func (a *app) askPrograms(paths []string) (*userPrograms, error) {
	files, errs := make([]string, len(paths)), make([]error, len(paths))
	for i, path := range paths {
		if files[i], errs[i] = findProgram(path); errs[i] != nil {
			files[i] = filepath.Clean(path)
		}
		if at := slices.Index(files[:i], files[i]); at >= 0 {
			return nil, usagef("--program %s: it is given twice; leave one out", path)
		}
	}
	u := &userPrograms{}
	for i, label := range shortest(files) {
		var offer harness.Offer
		err := errs[i]
		if err == nil {
			offer, err = a.askProgram(paths[i], label, files[i])
		}
		if err != nil {
			u.missing = append(u.missing, results.Unavailable{Program: label, Reason: err.Error()})
			continue
		}
		u.offers = append(u.offers, offer)
	}
	if len(u.offers) > 0 {
		return u, nil
	}
	for i, m := range u.missing[1:] {
		complain(a.stderr, fmt.Errorf("--program %s: %s", paths[i+1], m.Reason))
	}
	return nil, usagef("--program %s: %s", paths[0], u.missing[0].Reason)
}

// askProgram asks one program what it offers. The errors say what to do about them.
func (a *app) askProgram(given, label, file string) (harness.Offer, error) {
	p, err := harness.Hold(label, file)
	if err != nil {
		return harness.Offer{}, fmt.Errorf("it cannot be read: %w", cause(err))
	}
	p.Patience = programPatience
	name := report.EscapeTerminal(given)
	waiting := time.AfterFunc(slowProgram, func() {
		if !a.quiet {
			fmt.Fprintf(a.stderr, "parbench: waiting for %s to say what it offers, for %v at most\n", name, programPatience)
		}
	})
	began := time.Now()
	offer, err := harness.Ask(context.Background(), p)
	took := time.Since(began)
	waiting.Stop()
	switch {
	case err != nil:
		return offer, unusableProgram(err)
	case len(offer.Workloads) == 0:
		return offer, errors.New("it offers no workload: hand yours to trial.Main, see docs/programs.md")
	}
	if took > slowProgram && !a.quiet {
		fmt.Fprintf(a.stderr, "parbench: %s took %v to say what it offers, and every trial and worker process starts like that: %s\n",
			name, took.Round(100*time.Millisecond), callMain)
	}
	return offer, nil
}

// unusableProgram says what is wrong with a program that could not be asked what it offers, and what to do about it.
func unusableProgram(err error) error {
	var offer *harness.OfferError
	switch {
	case errors.As(err, &offer):
		return err
	case errors.Is(err, syscall.ENOEXEC):
		return errors.New("it is no program for this system; build it here, or begin a script with #! and its interpreter")
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("what it needs to start is not there: correct the interpreter in a script's first line, or build with CGO_ENABLED=0")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("it may not be executed: make it executable for you, on a file system that is not mounted noexec")
	}
	return fmt.Errorf("it does not speak the trial protocol (%w): %s", err, callMain)
}

// findProgram returns the path of an executable file: a path as it is, and a name without a slash as PATH has it.
func findProgram(name string) (string, error) {
	if name == "" {
		return "", errors.New("an empty name; write the path of an executable file such as ./mybench")
	}
	if !strings.Contains(name, "/") && name != "." && name != ".." {
		path, err := exec.LookPath(name)
		if err == nil {
			return filepath.Abs(path)
		}
		if _, err := os.Stat(name); err == nil {
			return "", fmt.Errorf("it is not on PATH; for the file in this directory write ./%s", name)
		}
		return "", errors.New("it is not on PATH; write the path of an executable file such as ./mybench")
	}
	if err := executable(name); err != nil {
		return "", err
	}
	return filepath.Abs(name)
}

// executable says what keeps a file from being executed, and what to do about it.
func executable(path string) error {
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("no such file; build it first, with go build -o")
	case err != nil:
		return cause(err)
	case fi.IsDir():
		return fmt.Errorf("a directory, not an executable file; build it first: go build -o mybench %s", path)
	case strings.HasSuffix(path, ".go"):
		return errors.New("source code, not an executable file; build it first, with go build -o")
	case !fi.Mode().IsRegular() || fi.Mode()&0o111 == 0:
		return errors.New("not an executable file; build it with go build -o, or make a script executable with chmod +x")
	}
	return nil
}

// shortest names files by as many last parts of their paths as it takes to tell them apart. The names "self" and those with
// commas, which separate parameters on a command line, get or lose what makes them usable.
func shortest(files []string) []string {
	labels := make([]string, len(files))
	for parts := 1; parts <= 64; parts++ {
		seen := map[string]int{}
		for i, f := range files {
			words := strings.Split(strings.Trim(filepath.ToSlash(f), "/"), "/")
			label := strings.ReplaceAll(strings.Join(words[max(0, len(words)-parts):], "/"), ",", "_")
			if label == selfLabel {
				label = "./" + label
			}
			labels[i] = label
			seen[label]++
		}
		if len(seen) == len(files) {
			break
		}
	}
	return labels
}

// namedHere is a program's label as a path from the directory that it is in, as far as the label tells.
func namedHere(label string) string {
	if strings.Contains(label, "/") {
		return label
	}
	return "./" + label
}

// selfLabel is the label of this program in a plan.
const selfLabel = "self"

// withPrograms puts the programs of --program in the place of this one, which still measures the machine's own scaling and
// serves the built-in fixtures.
func (s *session) withPrograms(u *userPrograms) {
	own := s.h.Programs[0]
	own.Ceiling = true
	s.user, s.h.Programs = u, append(slices.Clone(u.offers), own)
}

// offered is what -w and -s choose from: all that the programs of --program offer, or else this program.
func (s *session) offered() *protocol.Description {
	if s.user == nil {
		return s.h.Programs[0].Description
	}
	all := &protocol.Description{}
	for _, o := range s.user.offers {
		for _, w := range o.Workloads {
			if !slices.Contains(workloadNames(all), w.Name) {
				all.Workloads = append(all.Workloads, w)
			}
		}
		for _, x := range o.Strategies {
			if !slices.Contains(strategyNames(all), x.Name) {
				all.Strategies = append(all.Strategies, x)
			}
		}
	}
	return all
}

// namedPrograms are the programs that a command line has so far: those of --program, or the sides of a gate.
func namedPrograms(fl *pflag.FlagSet) []string {
	paths, err := fl.GetStringArray("program")
	if err == nil {
		return paths
	}
	for _, side := range []string{"base", "head"} {
		if path, err := fl.GetString(side); err == nil && path != "" {
			paths = append(paths, namedHere(path)) // a gate looks for its sides here alone
		}
	}
	return paths
}

// offeredNames are the names that complete -w or -s beside named programs; none where a program cannot be asked.
func offeredNames(flag string, paths []string) []string {
	var once []string // completing reads the command line twice
	for _, p := range paths {
		if !slices.Contains(once, p) {
			once = append(once, p)
		}
	}
	silent := &app{quiet: true, stderr: io.Discard}
	u, err := silent.askPrograms(once)
	if err != nil {
		return nil
	}
	all := (&session{user: u}).offered()
	if flag == "workload" {
		return workloadNames(all)
	}
	return strategyNames(all)
}

// defaults chooses workloads and strategies of the user's programs where no flag has: their own, and of the strategies the
// default ones and their own.
func (s *session) defaults(f *runFlags) {
	if s.user == nil {
		return
	}
	all := s.offered()
	if len(f.workloads) == 0 && f.pythonWorkload == "" {
		f.workloads = ownWorkloads(all, measurable(all))
	}
	if len(f.strategies) > 0 {
		return
	}
	known := ownStrategies()
	for _, n := range strategyNames(all) {
		if _, err := known.Lookup(n); err != nil || slices.Contains(harness.DefaultStrategies, n) {
			f.strategies = append(f.strategies, n)
		}
	}
	if len(f.strategies) == 0 {
		f.strategies = strategyNames(all)
	}
	if f.pythonWorkload != "" {
		f.strategies = append(f.strategies, pythonStrategies...)
	}
}

// ownWorkloads is the default choice among the names of a program's workloads: what is not built into parbench, or else
// gateWorkloads.
func ownWorkloads(d *protocol.Description, offered []string) []string {
	var own, usual []string
	for _, w := range d.Workloads {
		switch {
		case !slices.Contains(offered, w.Name):
		case !isBuiltin(w):
			own = append(own, w.Name)
		case slices.Contains(gateWorkloads, w.Name):
			usual = append(usual, w.Name)
		}
	}
	switch {
	case len(own) > 0:
		return own
	case len(usual) > 0:
		return usual
	}
	return offered
}

// isBuiltin tells the built-in workload from another one of the same name.
func isBuiltin(w protocol.Workload) bool {
	b, err := builtin.Registry().Lookup(w.Name)
	if err != nil {
		return false
	}
	i := b.Info()
	return i.Kind == workloads.Kind(w.Kind) && i.Doc == w.Doc
}

// resumePrograms finds the user's programs that a run began with: by what they are, or else by what they are called.
func (s *session) resumePrograms(a *app, f *runFlags, run *results.Run, interpreter func(label string) bool) error {
	var labels []string
	for _, c := range run.Header.Plan.Cells {
		ours := c.Program == selfLabel || c.Program == commandsLabel && run.Header.Plan.Commands != nil
		if !ours && !interpreter(c.Program) && !slices.Contains(labels, c.Program) {
			labels = append(labels, c.Program)
		}
	}
	switch {
	case len(labels) == 0 && len(f.programs) == 0:
		return nil
	case len(labels) == 0:
		return usagef("--resume %s: it measures no program of yours; leave --program out", f.resume)
	case len(f.programs) == 0:
		return usagef("--resume %s: it measures %s: name it again with --program", f.resume, strings.Join(labels, " and "))
	}
	u, err := a.askPrograms(f.programs)
	if err != nil {
		return err
	}
	var found []harness.Offer
	for _, label := range labels {
		was := slices.IndexFunc(run.Header.Environment.Programs, func(p results.Program) bool { return p.Label == label })
		at := slices.IndexFunc(u.offers, func(o harness.Offer) bool {
			return was >= 0 && o.Identity.Hash == run.Header.Environment.Programs[was].Hash
		})
		if at < 0 {
			at = slices.IndexFunc(u.offers, func(o harness.Offer) bool { return o.Label == label })
		}
		if at < 0 {
			return usagef("--resume %s: it measures the program %s, which is none of those named: name it with --program", f.resume, label)
		}
		o := u.offers[at]
		o.Label, o.Identity.Label = label, label
		found = append(found, o)
	}
	u.offers = found
	s.withPrograms(u)
	return nil
}
