// Package cli holds parbench's commands, flags, exit codes, progress and signals. It is the only importer of cobra and
// pflag. Main takes arguments and streams and returns a status; only main.go exits.
package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/parbench/parbench/internal/harness"
	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/strategies/command"
	"github.com/parbench/parbench/strategies/multiproc/spawn"
	"github.com/parbench/parbench/strategies/thirdparty"
	"github.com/parbench/parbench/strategies/trial"
	"github.com/parbench/parbench/workloads/builtin"
)

// Main runs parbench and returns its exit status. In a process that was started as a trial or as a pool's worker it
// plays that role and does not return.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	command.Main()
	trial.Program{Workloads: builtin.Registry(), Strategies: ownStrategies()}.Main()
	spawn.CloseInherited() // what is measured gets no descriptors that our caller forgot to close
	defer func() {
		if v := recover(); v != nil {
			complain(stderr, fmt.Errorf("internal error: %v; the run file, if there was one, is still valid: please report this with the trace below", v))
			fmt.Fprintln(stderr, string(debug.Stack()))
			code = exitInternal
		}
	}()
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	root := a.root()
	args, err := rewriteArgs(args)
	if err == nil {
		root.SetArgs(args)
		err = root.Execute()
	}
	if err == nil {
		return exitOK
	}
	complain(stderr, remedy(root, err, args))
	return codeOf(err)
}

// ownStrategies are those that run in a trial process of this program.
func ownStrategies() *strategies.Registry {
	return strategies.NewRegistry(slices.Concat(strategies.Builtin().All(), thirdparty.All())...)
}

// app is what the commands share.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	quiet, verbose bool
	color          string
	fromEnv        map[string]bool // flags that a variable set
}

const rootLong = `parbench measures identical workloads under many ways of running tasks in parallel, per core count, checks that all of
them computed the same thing, and reports times, speedups with intervals, plots and findings.`

const rootExample = `  parbench run                                    # the default experiment: about a minute, a table, plots, a report
  parbench run -w primes,http -s sequential,goroutines,process-pool -c 1,2 -o out/
  parbench run --quick                            # a first look
  parbench run --program ./mybench                # a program of your own: see docs/programs.md
  parbench report out/run.jsonl -f md -o page.md  # again, from the file alone
  parbench compare base.jsonl head.jsonl          # did it get slower?
  parbench gate --base ./old --head ./new         # may the change pass?
  parbench scale out/run.jsonl                    # how does it scale?
  parbench crossover -s pool,process-pool         # how large must a task be?
  parbench claims                                 # what articles say about processes and threads, put to the test
  parbench list                                   # what can be measured
  parbench doctor                                 # what on this machine disturbs measurements`

const exitHelp = `Exit status: 0 fine; 1 a gate found a regression, 3 one was inconclusive and told to fail then; 2 wrong usage, unreadable
input or unwritable output, found before measuring; 4 a workload failed, timed out or disagreed; 5 an internal or output error during a run, whose file stays resumable; 130/143 interrupted. Scripts must use
the built binary: "go run" turns every status into 1.
Every flag can be set by a variable: --rounds is PARBENCH_ROUNDS. The command line wins.`

// helpTemplate begins with examples, because that is what most people look for.
const helpTemplate = `{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}

{{end}}{{if .HasExample}}Examples:
{{.Example}}

{{end}}{{if or .Runnable .HasSubCommands}}{{.UsageString}}{{end}}`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "parbench", Short: "benchmark ways of running tasks in parallel", Long: rootLong, Example: rootExample,
		SilenceErrors: true, SilenceUsage: true, Args: cobra.NoArgs, Version: versionText(),
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.environment(cmd) },
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetHelpTemplate(helpTemplate)
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .HasExample}}\n\nExamples:\n{{.Example}}{{end}}", "", 1) + "\n" + exitHelp + "\n")
	root.PersistentFlags().BoolVarP(&a.quiet, "quiet", "q", false, "no progress on stderr")
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "a line on stderr for every trial")
	root.PersistentFlags().StringVar(&a.color, "color", "auto", "colour in text output: auto, always or never")
	root.AddCommand(a.runCommand(), a.reportCommand(), a.compareCommand(), a.gateCommand(), a.scaleCommand(), a.crossoverCommand(), a.claimsCommand(),
		a.convertCommand(), a.listCommand(), a.doctorCommand(), a.versionCommand())
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Args, c.RunE = cobra.ArbitraryArgs, func(_ *cobra.Command, args []string) error {
				return usagef("completion %s: write bash, zsh, fish or powershell", strings.Join(args, " "))
			}
		}
	}
	return root
}

// environment sets every flag that was not given from its PARBENCH_ variable, and checks the shared flags.
func (a *app) environment(cmd *cobra.Command) error {
	var err error
	a.fromEnv = map[string]bool{}
	typed := func(name string) bool {
		f := cmd.Flags().Lookup(name)
		return f != nil && f.Changed && !a.fromEnv[name]
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if err != nil || f.Changed || f.Name == "help" || f.Name == "version" {
			return
		}
		if slices.Contains(roundFlags, f.Name) && slices.ContainsFunc(roundFlags, typed) {
			return // another way of saying how many rounds was typed, and the command line wins
		}
		name := "PARBENCH_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		v, ok := os.LookupEnv(name)
		if !ok || v == "" {
			return
		}
		if e := cmd.Flags().Set(f.Name, v); e != nil {
			err = usagef("%s=%q: not a value for --%s, %s", name, v, f.Name, f.Usage)
			return
		}
		a.fromEnv[f.Name] = true
	})
	if err != nil {
		return err
	}
	switch a.color {
	case "auto", "always", "never":
		return nil
	}
	return usagef("--color %q: write auto, always or never", a.color)
}

// remedy adds to an error of the flag parser where to look.
func remedy(root *cobra.Command, err error, args []string) error {
	var ee *exitError
	if errors.As(err, &ee) || codeOf(err) != exitUsage {
		return err
	}
	if strings.HasPrefix(err.Error(), "if any flags in the group") {
		return fmt.Errorf("--rounds, --quick and --rigorous exclude each other: give one of them")
	}
	for _, p := range []string{"unknown flag", "unknown shorthand", "unknown command", "flag needs an argument", "invalid argument", "accepts ", "requires "} {
		if strings.HasPrefix(err.Error(), p) {
			first, _, _ := strings.Cut(err.Error(), "\n")
			if own := ownWay(first); own != "" && runAt(args) >= 0 {
				return fmt.Errorf("%s; %s", first, own)
			}
			return fmt.Errorf("%s; %ssee parbench --help", first, meant(root, err, args))
		}
	}
	return err
}

// meant asks whether the flag or command was meant whose name is nearly that of one that does not exist.
func meant(root *cobra.Command, err error, args []string) string {
	var names []string
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		c, _, e := root.Find(args)
		if e != nil || unknown.GetSpecifiedShortnames() != "" {
			return ""
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, "--"+f.Name)
			}
		})
		return harness.DidYouMean("--"+unknown.GetSpecifiedName(), names)
	}
	var name string
	if n, _ := fmt.Sscanf(err.Error(), `unknown command %q for "`+root.Name()+`"`, &name); n == 0 {
		return ""
	}
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return harness.DidYouMean(name, names)
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.stdout, versionText())
			return outputError("standard output", err)
		},
	}
}

// version is set by the build; see the Makefile.
var version = ""

func versionText() string {
	v, runtime := version, ""
	if info, ok := debug.ReadBuildInfo(); ok {
		runtime = " (" + info.GoVersion + ")"
		if v == "" {
			v = info.Main.Version
		}
	}
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	return "parbench " + v + runtime
}

// outputError turns a failed write into an error with the exit code for it.
func outputError(what string, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{exitInternal, fmt.Errorf("write %s: %w", what, err)}
}
