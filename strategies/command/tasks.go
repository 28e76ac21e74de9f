package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/parbench/parbench/internal/capture"
	"github.com/parbench/parbench/internal/limits"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/stat"
	"github.com/parbench/parbench/strategies/multiproc/spawn"
	"github.com/parbench/parbench/workloads"
)

// tasks starts the commands of one trial. Task is safe for concurrent use, the other methods are not.
type tasks struct {
	all      *results.Commands
	env      []string
	seed     uint64
	value    func(string) (string, bool)
	name     string // that the user has given the command; empty: none
	command  line
	prepare  *line // nil: none
	input    string
	file     *os.File      // standard output, where it goes to a file
	cpus     chan int      // those that no pinned command has; nil: commands are not pinned
	shell    time.Duration // what its start takes
	allowed  func(spawn.State) bool
	shown    sync.Once       // the output of the first failure
	launcher *spawn.Launcher // nil: this system has none
	grain    time.Duration   // how long a command takes, as far as that is known
	ledger   ledger
	outputs  *outputs // nil: not checked
	closed   bool
	// trial ends with the trial's deadline. Kept, because Close has no context of its own.
	trial context.Context
}

var _ workloads.Tasks = (*tasks)(nil)

// prepare makes everything ready, and runs what the user wants to be run before a trial. under says how the tasks are run.
// cpus, if any, are given to one command each.
func (w workload) prepare(ctx context.Context, grain time.Duration, env workloads.Env, under string, cpus []int) (t *tasks, err error) {
	value := func(name string) (string, bool) {
		v, ok := env.Params[name]
		return v, ok
	}
	t = &tasks{all: w.all, env: w.env, seed: env.Seed, value: value, input: Expand(w.all.Input, value), allowed: tolerate(w.all.Allow), trial: ctx, grain: grain}
	if w.one.Name != w.one.Line {
		t.name = w.one.Name
	}
	if t.command, err = parse(w.all.Shell, w.one.Line, value); err != nil {
		return nil, err
	}
	if w.one.Prepare != "" {
		l, err := parse(w.all.Shell, w.one.Prepare, value)
		if err != nil {
			return nil, err
		}
		t.prepare = &l
	}
	if err := t.around(ctx, "setup", w.all.Setup); err != nil {
		return nil, err
	}
	if w.all.CheckOutput {
		of := fmt.Sprintf("%q %d %q", w.one.Name, env.Seed, env.Params) // maps are written in the order of their keys
		if t.outputs, err = recall(w.outputs, of, under); err != nil {
			return nil, err
		}
	}
	defer func(made *tasks) {
		if err != nil {
			err = errors.Join(err, made.Close())
		}
	}(t)
	// After the set-up: it may be what makes the program.
	if name := t.command.words[0]; len(name) == 1 {
		if t.command.path, err = find(name.at("")); err != nil {
			return nil, err
		}
	}
	if name := Expand(w.all.Output, value); name != "" && name != Null {
		// The last trial's output is what stays.
		if t.file, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o644); err != nil {
			return nil, fmt.Errorf("--command-output: %w", err)
		}
	}
	if cpus != nil {
		t.cpus = make(chan int, len(cpus))
		for _, c := range cpus {
			t.cpus <- c
		}
	}
	t.launcher, _ = spawn.OpenLauncher() // without it some peaks are bounds, and marked as such
	if w.all.Shell != "" {
		if t.shell, err = t.shellStart(ctx); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Null as Commands.Output sends standard output to /dev/null.
const Null = "null"

// find is exec.LookPath with an error for the user.
func find(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	why := errors.Unwrap(err)
	if strings.Contains(name, "=") && !strings.Contains(name, "/") {
		return "", fmt.Errorf("the command %s: %w; to set a variable, begin the line with env, or add --shell", name, why)
	}
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("the command %s: %w; name a program that is there, or add --shell if it is a shell's own", name, why)
	}
	return "", fmt.Errorf("the command %s: %w; name a file that can be executed", name, why)
}

// tolerate returns what is no failure. allow is "", "all" or exit codes by comma, as ParseAllow returns it.
func tolerate(allow string) func(spawn.State) bool {
	codes := strings.Split(allow, ",")
	return func(s spawn.State) bool {
		return s.Success() || allow == AllFailures || s.Signal == 0 && slices.Contains(codes, strconv.Itoa(s.Code))
	}
}

// AllFailures as Commands.Allow says that no way of ending is a failure.
const AllFailures = "all"

// shellStarts is how often the shell's start is timed: enough for a median in a few milliseconds.
const shellStarts = 9

// shellStart measures what the shell takes to do nothing, in the same way as a task.
func (t *tasks) shellStart(ctx context.Context) (time.Duration, error) {
	nothing, err := parse(t.all.Shell, "", t.value)
	if err != nil {
		return 0, err
	}
	nothing.path = t.command.path
	var took []float64
	for k := range shellStarts + 1 {
		began := time.Now()
		x, err := t.run(ctx, call{line: nothing})
		if err != nil {
			return 0, fmt.Errorf("--shell %s, asked to do nothing: %w", t.all.Shell, err)
		}
		if !x.state.Success() {
			return 0, fmt.Errorf("--shell %s: it %s when asked to do nothing; name a shell that takes -c", t.all.Shell, ended(x.state))
		}
		if k > 0 { // the first one fills caches
			took = append(took, time.Since(began).Seconds())
		}
	}
	m, err := stat.Median(took)
	return time.Duration(m * float64(time.Second)), err
}

// around runs a command of the user's that is not timed. An empty line is none.
func (t *tasks) around(ctx context.Context, flag, text string) error {
	if text == "" {
		return nil
	}
	l, err := parse(t.all.Shell, text, t.value)
	if err != nil {
		return fmt.Errorf("--%s %q: %w", flag, text, err)
	}
	x, err := t.run(ctx, call{line: l})
	if err != nil {
		t.show(x) // of one that hung, what it wrote until then
		return fmt.Errorf("--%s %q: %w", flag, l.text, err)
	}
	if !x.state.Success() {
		t.show(x)
		return fmt.Errorf("--%s %q: it %s", flag, l.text, ended(x.state))
	}
	return nil
}

// prepareBatch runs what is to come before each batch.
func (t *tasks) prepareBatch(ctx context.Context) error {
	if t.prepare == nil {
		return nil
	}
	x, err := t.run(ctx, call{line: *t.prepare})
	if err != nil {
		t.show(x)
		return fmt.Errorf("--prepare %q: %w", t.prepare.text, err)
	}
	if !x.state.Success() {
		t.show(x)
		return fmt.Errorf("--prepare %q: it %s", t.prepare.text, ended(x.state))
	}
	return nil
}

// Task implements workloads.Tasks: it runs the command once.
func (t *tasks) Task(ctx context.Context, i int) (uint64, error) {
	number := strconv.Itoa(i)
	var cpus []int
	if t.cpus != nil {
		cpu := <-t.cpus // there is one for each worker
		defer func() { t.cpus <- cpu }()
		cpus = []int{cpu}
	}
	c := call{line: t.command, number: number, by: t.starter(), cpus: cpus, out: t.file}
	began := time.Now()
	x, err := t.run(ctx, c)
	if err != nil {
		if t.trial.Err() != nil { // it hung; where another task has failed, that one's output is of interest
			t.show(x)
		}
		if ctx.Err() != nil || limits.Remedy(err) != "" { // other errors name the command
			err = fmt.Errorf("%s: %w", quoted(short(t.command.whole.at(number))), err)
		}
		return 0, err
	}
	t.ledger.add(i, x, time.Since(began))
	if !t.allowed(x.state) {
		t.show(x)
		return 0, t.failed(x.state, number)
	}
	digest := workloads.Key(t.seed, i)
	if t.outputs != nil {
		if err := t.outputs.check(i, x); err != nil {
			return 0, fmt.Errorf("%s %w", quoted(cutTo(t.command.whole.at(number), shorter)), err)
		}
		digest = workloads.Fold(digest, x.sum)
	}
	return digest, nil
}

// failed words the failure of a task.
func (t *tasks) failed(s spawn.State, number string) error {
	text := t.command.whole.at(number)
	flag := "--ignore-failure"
	if s.Signal == 0 {
		flag += "=" + strconv.Itoa(s.Code)
	}
	return fmt.Errorf("%s %s; if that is no failure, add %s", quoted(short(text)), ended(s), flag)
}

// quoted sets a line off from the text around it, with its own quotes as they are where that can be.
func quoted(text string) string {
	if strings.Contains(text, `"`) && strconv.CanBackquote(text) {
		return "`" + text + "`"
	}
	return strconv.Quote(text)
}

// shorter is the length of a line where a message has more to say.
const shorter = 80

// short is text of a length for a message.
func short(text string) string { return cutTo(text, 200) }

// cutTo shortens text to so many characters.
func cutTo(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

func ended(s spawn.State) string {
	if s.Signal != 0 {
		return "was ended by " + s.String()
	}
	return "exited with status " + strconv.Itoa(s.Code)
}

// show writes the output of a failed process to this one's standard error, which whoever started it shows. Only the first
// that wrote anything is of interest: where many fail, they mostly say the same.
func (t *tasks) show(x outcome) {
	if t.all.ShowOutput { // it was shown already
		return
	}
	var texts []string
	for _, tail := range []*capture.Tail{x.out, x.tail} {
		if tail == nil {
			continue
		}
		if text := strings.TrimRight(tail.String(), "\n"); text != "" {
			texts = append(texts, text)
		}
	}
	if len(texts) > 0 {
		t.shown.Do(func() { fmt.Fprintln(os.Stderr, strings.Join(texts, "\n")) })
	}
}

// Close implements workloads.Tasks: it ends what commands have left behind, and runs what is to come after a trial.
func (t *tasks) Close() error {
	if t.closed {
		return nil
	}
	t.closed = true
	var err error
	if t.file != nil {
		err = t.file.Close()
	}
	if t.launcher != nil {
		err = errors.Join(err, t.launcher.Close())
	}
	if t.outputs != nil {
		err = errors.Join(err, t.outputs.close())
	}
	spawn.EndOrphans(orphanPatience)
	ctx := t.trial
	if ctx.Err() != nil { // the commands have used up the time
		var cancel func()
		ctx, cancel = context.WithTimeoutCause(context.Background(), latePatience, fmt.Errorf("not finished within %v after the deadline", latePatience))
		defer cancel()
	}
	return errors.Join(err, t.around(ctx, "cleanup", t.all.Cleanup))
}

const (
	orphanPatience = time.Second
	// latePatience bounds the user's own cleaning up that comes after a deadline: the harness soon kills what is left.
	latePatience = 1500 * time.Millisecond
)
