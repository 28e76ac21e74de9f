// Package command is the trial program whose workloads are the user's commands: each task starts one and waits for it to
// end. It is this very executable, told by a variable what to offer, and brings strategies of its own: one command after
// another on one core, one at a time with all cores, a bounded number at once, and one for each core.
//
// Non-goals: choosing what to measure (internal/harness), reading flags (internal/cli) and being a shell.
package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/parbench/parbench/internal/words"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/strategies/multiproc/spawn"
	"github.com/parbench/parbench/strategies/trial"
	"github.com/parbench/parbench/workloads"
)

// Variables that make a trial process of parbench this program.
const (
	fileVariable      = "PARBENCH_COMMANDS"            // a file with results.Commands as JSON
	referenceVariable = "PARBENCH_COMMANDS_REFERENCE"  // name of the strategy that the others are compared with
	outputsVariable   = "PARBENCH_COMMANDS_OUTPUTS"    // a file in which trials remember what tasks wrote
	maxprocsVariable  = "PARBENCH_COMMANDS_GOMAXPROCS" // the user's own GOMAXPROCS, which a trial replaces by another
)

// Written is what trial processes need to know of the commands. Make it with Write; it must be closed. There is nothing to
// remove, even after this process was killed.
type Written struct {
	// File leads to the commands until Close.
	File string

	outputs string // leads to where trials remember what tasks wrote; empty: they do not
	opened  []*os.File
}

// Write writes the commands down for trial processes of this program.
func Write(c *results.Commands) (*Written, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	w := &Written{}
	if w.File, err = w.add(text); err == nil && c.CheckOutput {
		w.outputs, err = w.add(nil)
	}
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("write the commands down: %w", err)
	}
	return w, nil
}

func (w *Written) add(content []byte) (path string, err error) {
	f, path, err := anonymous(content)
	if err == nil {
		w.opened = append(w.opened, f)
	}
	return path, err
}

// Close lets go of what was written.
func (w *Written) Close() {
	for _, f := range w.opened {
		f.Close()
	}
}

// Environment is what a trial process needs in its environment to be this program. reference is the strategy that the
// others are compared with.
func (w *Written) Environment(reference string) []string {
	env := []string{fileVariable + "=" + w.File, referenceVariable + "=" + reference, outputsVariable + "=" + w.outputs}
	if v, ok := os.LookupEnv("GOMAXPROCS"); ok {
		env = append(env, maxprocsVariable+"="+v)
	}
	return env
}

// Main takes over, and does not return, in a trial process that is to be this program.
func Main() {
	file := os.Getenv(fileVariable)
	if file == "" || !trial.IsTrial() {
		return
	}
	p, err := load(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, "commands:", err)
		os.Exit(1)
	}
	// What a command leaves behind becomes ours, so that it can be ended with the trial.
	_ = spawn.BecomeSubreaper()
	p.Main()
}

func load(file string) (trial.Program, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return trial.Program{}, err
	}
	var c results.Commands
	if err := json.Unmarshal(text, &c); err != nil {
		return trial.Program{}, err
	}
	names := map[string]bool{}
	for _, one := range c.List {
		if names[one.Name] {
			return trial.Program{}, fmt.Errorf("two commands are called %q", one.Name)
		}
		names[one.Name] = true
	}
	for _, p := range c.Params {
		if len(p.Values) == 0 {
			return trial.Program{}, fmt.Errorf("the parameter %q has no value", p.Name)
		}
	}
	return program(&c, os.Getenv(referenceVariable), os.Getenv(outputsVariable), environment()), nil
}

// program offers the commands under this package's strategies.
func program(c *results.Commands, reference, outputs string, env []string) trial.Program {
	p := trial.Program{Name: "commands", Workloads: &workloads.Registry{}}
	for _, cmd := range c.List {
		p.Workloads.Add(workload{all: c, one: cmd, env: env, outputs: outputs})
	}
	p.Strategies = strategies.NewRegistry(ways(reference)...)
	return p
}

// environment is what the commands get: this process's, without what parbench has put there.
func environment() []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if name != "GOMAXPROCS" && !strings.HasPrefix(name, "PARBENCH_") {
			env = append(env, kv)
		}
	}
	if v, ok := os.LookupEnv(maxprocsVariable); ok {
		env = append(env, "GOMAXPROCS="+v)
	}
	return env
}

// workload is one command line. Its parameters are those that it, or a command that runs around it, mentions.
type workload struct {
	all *results.Commands
	one results.Command
	env []string
	// outputs is the file in which trials remember what tasks wrote; empty: none.
	outputs string
}

var (
	_ workloads.Workload   = workload{}
	_ workloads.Foreteller = workload{}
)

// Info implements workloads.Workload.
func (w workload) Info() workloads.Info {
	info := workloads.Info{Name: w.one.Name, Kind: workloads.Command, Doc: "the command " + w.one.Line}
	if w.one.Name == w.one.Line {
		info.Doc = "a command"
	}
	used := Parameters(w.all, w.one)
	for _, p := range w.all.Params {
		if slices.Contains(used, p.Name) {
			info.Params = append(info.Params, workloads.Param{Name: p.Name, Type: workloads.Choice, Default: p.Values[0],
				Choices: p.Values, Doc: "stands for {" + p.Name + "}"})
		}
	}
	return info
}

// Prepare implements workloads.Workload.
func (w workload) Prepare(ctx context.Context, env workloads.Env) (workloads.Tasks, error) {
	t, err := w.prepare(ctx, 0, env, Sequential, nil)
	if err != nil {
		return nil, err
	}
	if err := t.prepareBatch(ctx); err != nil { // whoever prepares tasks without a strategy runs them as one batch
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// Foretell implements workloads.Foreteller: a command whose output is not looked at has no result but to have ended well.
func (w workload) Foretell(env workloads.Env, i int) (uint64, bool) {
	return workloads.Key(env.Seed, i), !w.all.CheckOutput
}

// Parameters returns the names of the declared parameters that a command uses, in its own line or in those around it.
func Parameters(all *results.Commands, c results.Command) []string {
	var used []string
	for _, text := range []string{c.Line, c.Prepare, all.Setup, all.Cleanup, all.Input, all.Output} {
		for _, name := range Placeholders(text) {
			declared := slices.ContainsFunc(all.Params, func(p results.CommandParameter) bool { return p.Name == name })
			if declared && !slices.Contains(used, name) {
				used = append(used, name)
			}
		}
	}
	return used
}

// Check refuses a line that cannot be taken apart into words, where no shell does so.
func Check(shell, text string) error {
	_, err := parse(shell, text, func(string) (string, bool) { return "", false })
	return err
}

// Literal returns the first word of a line that a shell would have changed, and what it would have done; empty where a shell
// is asked for or there is no such word.
func Literal(shell, text string) (word, meaning string) {
	if shell != "" {
		return "", ""
	}
	return words.Literal(text)
}

// Missing is an error where none of the commands can be found, and nothing that runs before them could make one: there is
// nothing to measure then.
func Missing(all *results.Commands) error {
	var why error
	for _, c := range all.List {
		path, err := executable(all, c)
		if path != "" || err == nil {
			return nil
		}
		if why == nil {
			why = err
		}
	}
	return why
}

// Find is an error where the program of one command cannot be found, and nothing that runs before it could make it.
func Find(all *results.Commands, c results.Command) error {
	_, err := executable(all, c)
	return err
}

// Files are the executables that the commands run, as far as that is known beforehand.
func Files(all *results.Commands) []string {
	var out []string
	for _, c := range all.List {
		path, _ := executable(all, c)
		if path == "" || slices.Contains(out, path) {
			continue
		}
		if f, err := os.Open(path); err == nil { // one may be allowed to execute what one may not read
			f.Close()
			out = append(out, path)
		}
	}
	return out
}

// executable is the file that a command runs. Both are empty where that is not known before its trial begins.
func executable(all *results.Commands, c results.Command) (string, error) {
	if all.Setup != "" || c.Prepare != "" {
		return "", nil
	}
	l, err := parse(all.Shell, c.Line, func(string) (string, bool) { return "", false })
	if err != nil {
		return "", err
	}
	name := l.words[0].at("{" + Index + "}")
	if len(Placeholders(name)) > 0 {
		return "", nil
	}
	return find(name)
}
