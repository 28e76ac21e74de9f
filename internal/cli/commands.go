package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/parbench/parbench/internal/capture"
	"github.com/parbench/parbench/internal/harness"
	"github.com/parbench/parbench/report"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/strategies/command"
)

// commandFlags are the flags of "parbench run" that are about commands.
type commandFlags struct {
	lines, names, prepare []string
	setup, cleanup, shell string
	input, output, step   string
	reference             string
	checkOutput, show     bool

	all  *results.Commands   // what they mean; nil: no commands
	ways []harness.Selection // the strategies
	// nearly asks whether another name was meant than that of a reference that is a command line of its own; empty: no.
	nearly string
	// written is what the program reads to know what to run.
	written *command.Written
}

// commandOnly are flags without a meaning where no command is measured.
var commandOnly = []string{"command-name", "prepare", "setup", "cleanup", "shell", "input", "command-output", "check-output", "parameter-step-size", "reference", "show-output"}

func (c *commandFlags) add(fl *pflag.FlagSet) {
	fl.StringArrayVar(&c.lines, "cmd", nil, "measure this command line: each task runs it once; {i} is the task's number, {NAME} a parameter; again for others to compare")
	fl.StringArrayVarP(&c.names, "command-name", "n", nil, "with --cmd: what reports call it; the first is for the first command")
	fl.StringArrayVarP(&c.prepare, "prepare", "p", nil, "with --cmd: run this before each timed batch, untimed; once for all commands, or once for each")
	fl.StringVar(&c.setup, "setup", "", "with --cmd: run this before each trial, untimed")
	fl.StringVar(&c.cleanup, "cleanup", "", "with --cmd: run this after each trial, untimed")
	fl.StringVarP(&c.shell, "shell", "S", "", "with --cmd: run the lines by a shell (sh, or the one given); its start is measured and reported; -N or none is the default: without one")
	fl.Lookup("shell").NoOptDefVal = "sh"
	fl.StringVar(&c.input, "input", "", "with --cmd: file that each command reads as standard input (default /dev/null)")
	fl.StringVar(&c.output, "command-output", "capture", "with --cmd: where standard output goes: capture (its end is shown when a command fails), null, or a file")
	fl.BoolVar(&c.checkOutput, "check-output", false, "with --cmd: a task must write the same to standard output every time, under every strategy")
	fl.BoolVar(&c.show, "show-output", false, "with --cmd: show on standard error what the commands write, line by line; it takes time, so it is to look at them rather than to measure")
	fl.StringVar(&c.reference, "reference", "", "with --cmd: the command that the others are compared with: the line or name of one, or a line of its own (default: the fastest)")
	fl.StringVarP(&c.step, "parameter-step-size", "D", "", "with --cmd: step of the -P before it (default 1)")
}

// commands reads the flags of commands and everything that means something else with them. It does nothing without --cmd.
func (f *runFlags) commands(given func(name string) bool) error {
	if err := f.misplaced(given); err != nil || len(f.command.lines) == 0 {
		return err
	}
	c := &f.command
	tasks := given("tasks")
	if err := c.parse(f.lists, f.scans, f.ignore, tasks); err != nil {
		return err
	}
	var err error
	if c.ways, err = commandStrategies(f.strategies, tasks); err != nil {
		return err
	}
	own := func(text string) bool { return !ofCommands(text) }
	f.lists, f.scans = filter(f.lists, own), filter(f.scans, own)
	if len(f.cores) == 0 && c.alone() {
		f.cores = []string{"max"}
	}
	if f.tasks == 0 && oneAtATime(c.ways) {
		f.tasks = 1 // each time is that of one command
	}
	if !given("warmup") {
		f.warmup = 0 // the calibration has filled the caches
	}
	return nil
}

// alone reports whether one command at a time with all cores is all that was asked for.
func (c *commandFlags) alone() bool {
	return !slices.ContainsFunc(c.ways, func(s harness.Selection) bool { return s.Name != command.Alone })
}

func filter(list []string, keep func(string) bool) (out []string) {
	for _, s := range list {
		if keep(s) {
			out = append(out, s)
		}
	}
	return out
}

// misplaced refuses flags that only go with --cmd, and with --cmd those that do not.
func (f *runFlags) misplaced(given func(name string) bool) error {
	if len(f.command.lines) == 0 {
		for _, name := range commandOnly {
			if given(name) {
				return usagef("--%s: it only goes with --cmd", name)
			}
		}
		var err error
		f.ignoreFailure, err = f.ignores()
		return err
	}
	for _, name := range []string{"workload", "program", "python", "python-workload"} {
		hint := ""
		if name == "workload" {
			hint = "; for hyperfine's -w write --warmup"
		}
		if given(name) {
			return usagef("--%s: it does not go with --cmd, where the commands are the workloads; leave one out%s", name, hint)
		}
	}
	return nil
}

// ignores reads --ignore-failure where no command is measured: it has no exit codes to choose from then.
func (f *runFlags) ignores() (bool, error) {
	switch f.ignore {
	case "all", "true", "all-non-zero":
		return true, nil
	case "", "false":
		return false, nil
	}
	return false, usagef("--ignore-failure=%s: exit codes only go with --cmd; leave them out", f.ignore)
}

// parse reads what is to be run. Its errors name the flag, the command or the parameter.
func (c *commandFlags) parse(lists, scans []string, ignore string, tasks bool) error {
	all := &results.Commands{Setup: c.setup, Cleanup: c.cleanup, Input: c.input, CheckOutput: c.checkOutput, ShowOutput: c.show}
	var err error
	if all.Params, err = commandParameters(lists, scans); err != nil {
		return err
	}
	if all.Allow, err = parseAllow(ignore); err != nil {
		return err
	}
	if c.shell != "" && c.shell != "none" {
		if _, err := exec.LookPath(c.shell); err != nil {
			return usagef("--shell %s: no such executable; name another, or leave it out to run without a shell", c.shell)
		}
		all.Shell = c.shell
	}
	switch c.output {
	case "", "capture", "pipe":
	case "inherit": // as hyperfine calls it
		all.ShowOutput = true
	case command.Null, "/dev/null":
		all.Output = command.Null
	default:
		all.Output = c.output
	}
	if all.Output != "" && c.checkOutput {
		return usagef("--command-output %s: --check-output reads the output itself; leave one out", c.output)
	}
	if all.Output != "" && c.show {
		return usagef("--command-output %s: --show-output reads the output itself; leave one out", c.output)
	}
	if c.input != "" && len(command.Placeholders(c.input)) == 0 {
		if fi, err := os.Stat(c.input); err != nil || fi.IsDir() {
			return usagef("--input %s: no such file; name one that can be read", c.input)
		}
	}
	if len(c.names) > len(c.lines) {
		is := "are"
		if len(c.lines) == 1 {
			is = "is"
		}
		return usagef("--command-name %q: there %s only %s; leave it out", c.names[len(c.lines)], is, plural(len(c.lines), "command"))
	}
	if n := len(c.prepare); n > 1 && n != len(c.lines) {
		return usagef("--prepare: given %d times for %s; give it once for all, or once for each", n, plural(len(c.lines), "command"))
	}
	if err := c.addReference(all); err != nil {
		return err
	}
	for k, text := range c.lines {
		if strings.TrimSpace(text) == "" {
			return usagef("--cmd %q: an empty line runs nothing; write a command line", text)
		}
		one := results.Command{Name: text, Line: text}
		if k < len(c.names) {
			one.Name = c.names[k]
		}
		if len(c.prepare) == 1 {
			one.Prepare = c.prepare[0]
		} else if k < len(c.prepare) {
			one.Prepare = c.prepare[k]
		}
		if one.Name == "" {
			return usagef("--command-name: a name must not be empty")
		}
		if slices.ContainsFunc(all.List, func(o results.Command) bool { return o.Name == one.Name }) {
			return usagef("--cmd %q: there are two commands of that name; give each its own with --command-name", one.Name)
		}
		all.List = append(all.List, one)
	}
	if err := checkCommands(all, tasks); err != nil {
		return err
	}
	c.all = all
	return nil
}

// addReference finds the command that the others are compared with by its name or line, or makes it one more command.
func (c *commandFlags) addReference(all *results.Commands) error {
	if c.reference == "" {
		return nil
	}
	if len(command.Placeholders(c.reference)) > 0 && slices.ContainsFunc(all.Params, func(p results.CommandParameter) bool {
		return slices.Contains(command.Placeholders(c.reference), p.Name)
	}) {
		return usagef("--reference %q: a parameter makes several commands of it; name one without", c.reference)
	}
	for k, line := range c.lines {
		name := line
		if k < len(c.names) {
			name = c.names[k]
		}
		if c.reference == name || c.reference == line {
			all.Reference = name
			return nil
		}
	}
	if len(c.prepare) > 1 {
		return usagef("--reference %q: it has no --prepare of its own; make it one of the --cmd, or give one --prepare for all", c.reference)
	}
	if strings.TrimSpace(c.reference) == "" {
		return usagef("--reference %q: an empty line runs nothing; name a command", c.reference)
	}
	one := results.Command{Name: c.reference, Line: c.reference}
	if len(c.prepare) == 1 {
		one.Prepare = c.prepare[0]
	}
	// Nobody waits for a whole run to learn that a name was misspelled.
	if err := command.Find(all, one); err != nil {
		return usagef("--reference %q: none of the commands has that name or line; %sas one more command it cannot run: %w", c.reference, c.meant(), err)
	}
	all.Reference, c.nearly = c.reference, c.meant()
	c.lines = slices.Insert(c.lines, 0, c.reference)
	if len(c.names) > 0 {
		c.names = slices.Insert(c.names, 0, c.reference)
	}
	return nil
}

// meant asks whether a name or line that is not much different from --reference was meant; empty where there is none.
func (c *commandFlags) meant() string {
	return harness.DidYouMean(c.reference, append(slices.Clone(c.names), c.lines...))
}

// parseAllow reads the value of --ignore-failure: exit codes by comma, or all.
func parseAllow(text string) (string, error) {
	switch text {
	case "all", "true", "all-non-zero":
		return command.AllFailures, nil
	case "", "false":
		return "", nil
	}
	var codes []string
	for _, s := range strings.Split(text, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > 255 {
			return "", usagef("--ignore-failure=%s: write exit codes from 0 to 255 separated by single commas, or nothing for all", text)
		}
		codes = append(codes, strconv.Itoa(n))
	}
	return strings.Join(codes, ","), nil
}

// commandParameters reads the values of -L and -P that are about commands.
func commandParameters(lists, scans []string) ([]results.CommandParameter, error) {
	var out []results.CommandParameter
	add := func(flag, text string, values func(string) ([]string, error)) error {
		name, tail, ok := strings.Cut(text, "=")
		switch {
		case !ok || tail == "" || !command.IsName(name):
			return usagef("--%s %q: write a name and its values, for example -L compiler gcc,clang or -P threads 1 8", flag, text)
		case name == command.Index:
			return usagef("--%s %q: {%s} is the number of the task; choose another name", flag, text, name)
		case slices.ContainsFunc(out, func(p results.CommandParameter) bool { return p.Name == name }):
			return usagef("--%s %q: the parameter %s is there already; give each once", flag, text, name)
		}
		vs, err := values(tail)
		if err != nil {
			return err
		}
		for i, v := range vs {
			if v == "" || slices.Contains(vs[:i], v) {
				return usagef("--%s %q: the value %q is empty or there twice", flag, text, v)
			}
		}
		out = append(out, results.CommandParameter{Name: name, Values: vs})
		return nil
	}
	for _, l := range lists {
		if ofCommands(l) {
			if err := add("parameter-list", l, func(tail string) ([]string, error) { return splitList(tail), nil }); err != nil {
				return nil, err
			}
		}
	}
	for _, s := range scans {
		if ofCommands(s) {
			if err := add("parameter-scan", s, func(tail string) ([]string, error) { return commandScan(s, tail) }); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// flagText is a command line with the flag that it was given by.
type flagText struct{ flag, value string }

// texts are all the command lines.
func texts(all *results.Commands) []flagText {
	var list []flagText
	for _, c := range all.List {
		list = append(list, flagText{"cmd", c.Line}, flagText{"prepare", c.Prepare})
	}
	return append(list, flagText{"setup", all.Setup}, flagText{"cleanup", all.Cleanup})
}

// hint says, once, that a word is not what a shell would have made of it. It may be meant so, and is no mistake.
func (c *commandFlags) hint() string {
	if c.all == nil {
		return ""
	}
	if c.nearly != "" { // a shell, or what is set up, may know it all the same
		return fmt.Sprintf("--reference %q: none of the commands has that name or line, so it is measured as one more; %s", c.all.Reference, strings.TrimSpace(c.nearly))
	}
	for _, t := range texts(c.all) {
		if word, meaning := command.Literal(c.all.Shell, t.value); word != "" {
			return fmt.Sprintf("--%s %q: a shell would %s in %q, but none is used: the program gets it as it stands; add --shell, or quote it if that is meant",
				t.flag, t.value, meaning, word)
		}
	}
	return ""
}

// checkCommands refuses lines that cannot be taken apart, placeholders without a value and parameters without a use.
func checkCommands(all *results.Commands, tasks bool) error {
	list := texts(all)
	var used []string
	for _, t := range append(list, flagText{"input", all.Input}, flagText{"command-output", all.Output}) {
		for _, name := range command.Placeholders(t.value) {
			known := slices.ContainsFunc(all.Params, func(p results.CommandParameter) bool { return p.Name == name })
			switch {
			case known:
				used = append(used, name)
			case name == command.Index && t.flag == "cmd" && !tasks:
				return usagef("--cmd %q: {i} numbers the tasks of a batch: say how many there are with --tasks", t.value)
			case name == command.Index && t.flag == "cmd":
			case name == command.Index:
				return usagef("--%s %q: {i} is the number of a task, and this is not run for each; write {{i}} for braces that stay", t.flag, t.value)
			default:
				return usagef("--%s %q: {%s} has no value: give it one with -L %s a,b or -P %s 1 8, or write {{%s}} for braces that stay",
					t.flag, t.value, name, name, name, name)
			}
		}
	}
	for _, t := range list {
		if t.flag != "cmd" && t.value == "" {
			continue
		}
		if err := command.Check(all.Shell, t.value); err != nil {
			return usagef("--%s %q: %w", t.flag, t.value, err)
		}
	}
	for _, p := range all.Params {
		if !slices.Contains(used, p.Name) {
			return usagef("the parameter %s is in no command: write {%s} where its value belongs, or leave it out", p.Name, p.Name)
		}
	}
	if err := command.Missing(all); err != nil {
		return usagef("--cmd: %w", err)
	}
	return nil
}

// selections are the workloads and the strategies, swept over lists and scans.
func (c *commandFlags) selections(lists, scans []string) (ws, ss []harness.Selection, err error) {
	if ws, err = c.workloads(); err != nil {
		return nil, nil, err
	}
	sweeps, err := parseSweeps(lists, scans)
	if err != nil {
		return nil, nil, err
	}
	used := map[string]bool{}
	if ss, err = applySweeps(c.ways, sweeps, used); err != nil {
		return nil, nil, err
	}
	return ws, ss, unusedSweep(sweeps, used)
}

// workloads are every command with every combination of values of the parameters that it uses.
func (c *commandFlags) workloads() ([]harness.Selection, error) {
	var out []harness.Selection
	for _, one := range c.all.List {
		list := []harness.Selection{{Name: one.Name}}
		used := command.Parameters(c.all, one)
		for _, p := range c.all.Params {
			if !slices.Contains(used, p.Name) {
				continue
			}
			var next []harness.Selection
			for _, s := range list {
				for _, v := range p.Values {
					params := map[string]string{p.Name: v}
					for k, o := range s.Params {
						params[k] = o
					}
					next = append(next, harness.Selection{Name: s.Name, Params: params})
				}
				if len(out)+len(next) > maxScan {
					return nil, usagef("--cmd %q: the parameters have more than %d combinations; take fewer values or larger steps", one.Name, maxScan)
				}
			}
			list = next
		}
		out = append(out, list...)
	}
	return out, nil
}

// oneAtATime reports whether the selected strategies never run two commands at once.
func oneAtATime(ss []harness.Selection) bool {
	return !slices.ContainsFunc(ss, func(s harness.Selection) bool { return s.Name != command.Alone && s.Name != command.Sequential })
}

// commandStrategies are those that were asked for. Without a number of tasks the question is how long a command takes, with one it
// is how to run so many.
func commandStrategies(asked []string, tasks bool) ([]harness.Selection, error) {
	if len(asked) == 0 {
		asked = []string{command.Alone}
		if tasks {
			asked = []string{command.Sequential, command.Pool, command.PerCore}
		}
	}
	return parseSelections("strategy", asked, []string{command.Sequential, command.Alone, command.Pool, command.PerCore})
}

// program writes down what to run and asks the program that runs it what it offers.
func (c *commandFlags) program(ctx context.Context, stderr io.Writer) (harness.Offer, error) {
	self, err := harness.Self()
	if err != nil {
		return harness.Offer{}, err
	}
	if c.written, err = command.Write(c.all); err != nil {
		return harness.Offer{}, err
	}
	reference := command.Sequential
	if c.alone() {
		reference = command.Alone
	}
	self.Label, self.Env, self.Orderly = commandsLabel, c.written.Environment(reference), true
	self.Files = append(command.Files(c.all), c.written.File)
	if c.all.ShowOutput {
		self.Output = capture.NewLines(func(line []byte) {
			columns := strings.Split(string(line), "\t") // the only control character that is of use
			for k := range columns {
				columns[k] = report.EscapeTerminal(columns[k])
			}
			fmt.Fprintln(stderr, strings.Join(columns, "\t"))
		})
	}
	return harness.Ask(ctx, self)
}

// resume takes over what a run file says that it measures.
func (c *commandFlags) resume(plan *results.Plan) {
	c.all = plan.Commands
	for _, cell := range plan.Cells {
		if cell.Reference {
			c.ways = []harness.Selection{{Name: cell.Strategy}}
		}
	}
}

// commandsLabel is what the program is called whose workloads are commands.
const commandsLabel = "commands"

// close lets go of what program has made.
func (c *commandFlags) close() {
	if c.written != nil {
		c.written.Close()
	}
}

// again is the part of a command line that repeats the commands.
func (c *commandFlags) again() []string {
	var args []string
	add := func(flag, value string) {
		if value != "" {
			args = append(args, "--"+flag+"="+value)
		}
	}
	for _, one := range c.all.List {
		add("cmd", one.Line)
	}
	if slices.ContainsFunc(c.all.List, func(o results.Command) bool { return o.Name != o.Line }) {
		for _, one := range c.all.List {
			add("command-name", one.Name)
		}
	}
	add("reference", c.all.Reference)
	if p := c.all.List; slices.ContainsFunc(p, func(o results.Command) bool { return o.Prepare != p[0].Prepare }) {
		for _, one := range p {
			args = append(args, "--prepare="+one.Prepare)
		}
	} else {
		add("prepare", p[0].Prepare)
	}
	for _, p := range c.all.Params {
		add("parameter-list", p.Name+"="+joinList(p.Values))
	}
	add("setup", c.all.Setup)
	add("cleanup", c.all.Cleanup)
	add("shell", c.all.Shell)
	add("input", c.all.Input)
	add("command-output", c.all.Output)
	add("ignore-failure", c.all.Allow)
	if c.all.CheckOutput {
		args = append(args, "--check-output")
	}
	if c.all.ShowOutput {
		args = append(args, "--show-output")
	}
	return args
}
