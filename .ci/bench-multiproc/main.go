// Command bench-multiproc measures strategies/multiproc and Python's multiprocessing alternately, in the same minutes, on
// the same two CPUs, and prints what they do in a second side by side, with the ratio and the bar that it has to reach.
//
//	make bench-multiproc [BENCH=REGEXP] [ROUNDS=N] [OUT=FILE]
//
// Each figure comes from a process of its own, started anew in every round; the order is random, from a seed that is
// printed. What is compared runs directly one after the other. A repetition during which others used the CPUs is made
// again, a bounded number of times; no figure is ever dropped because of its value. docs/multiproc-speed.md is its output.
//
// The program contains parbench (bench-multiproc parbench ARGUMENTS runs it), so that its processes start as parbench's
// do. Without python3 it leaves out the comparisons with Python and says so.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/parbench/parbench/internal/cli"
	_ "github.com/parbench/parbench/internal/entry" // processes take over in its init, before the rest is initialised
	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/strategies/multiproc"
)

//go:embed peer.py
var peer []byte

// version is set by the linker.
var version = "devel"

func main() {
	multiproc.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// options are the command line.
type options struct {
	rows            *regexp.Regexp
	rounds, repeats int
	seed            uint64
	out, raw        string
	python          string
	list            bool
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("bench-multiproc", flag.ContinueOnError)
	f.SetOutput(stderr)
	pattern := f.String("run", ".", "measure the rows whose name or work matches this regular `expression`")
	f.IntVar(&o.rounds, "rounds", 10, "how often each measurement is made; an interval needs 6")
	f.IntVar(&o.repeats, "repeats", 2, "how often a disturbed measurement is made again in a round, at most")
	f.Uint64Var(&o.seed, "seed", 0, "seed of the order; 0: a new one, which is printed")
	f.StringVar(&o.out, "o", "", "write the table to this `file` as well")
	f.StringVar(&o.raw, "raw", "", "write every figure of every attempt to this `file`, as JSON lines")
	f.StringVar(&o.python, "python", "", "the `command` that starts Python; by default "+strings.Join(pythons, ", else "))
	f.BoolVar(&o.list, "list", false, "list the rows and end")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: rows are selected with -run", f.Arg(0))
	}
	if o.rows, err = regexp.Compile(*pattern); err != nil {
		return o, fmt.Errorf("-run: %w", err)
	}
	if o.rounds < 1 || o.repeats < 0 {
		return o, errors.New("-rounds must be at least 1 and -repeats at least 0")
	}
	if o.seed == 0 {
		o.seed = rand.Uint64() >> 32 // short enough to type
	}
	return o, nil
}

// run returns the exit status: 0 when every bar was reached, 1 when one was missed or could not be measured, 2 when
// nothing could be.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	switch {
	case len(args) > 1 && args[0] == "job":
		return runJob(ctx, args[1:], stdout, stderr)
	case len(args) > 0 && args[0] == "parbench":
		return cli.Main(args[1:], os.Stdin, stdout, stderr)
	}
	fail := func(err error) int {
		fmt.Fprintln(stderr, "bench-multiproc:", err)
		return 2
	}
	o, err := parse(args, stderr)
	if err != nil {
		return fail(err)
	}
	rows := selected(table(), o.rows)
	if len(rows) == 0 {
		return fail(fmt.Errorf("no row matches -run %q; -list shows their names", o.rows))
	}
	if o.list {
		for _, r := range rows {
			fmt.Fprintf(stdout, "%-24s %s\n", r.name, r.work)
		}
		return 0
	}
	rep, err := bench(ctx, o, rows, stderr)
	if err != nil {
		if rep != nil && len(rep.used) > 0 { // interrupted: what there is, and no file
			_ = rep.write(stdout)
		}
		return fail(err)
	}
	if err := rep.publish(stdout, o.out); err != nil {
		return fail(err)
	}
	if rep.missed() > 0 {
		return 1
	}
	return 0
}

// runJob is a measuring process: job NAME [CPU of the other process].
func runJob(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	j := jobs()[args[0]]
	if j == nil {
		fmt.Fprintf(stderr, "no job %q\n", args[0])
		return 2
	}
	var partner []int
	for _, a := range args[1:] {
		cpu, err := strconv.Atoi(a)
		if err != nil {
			fmt.Fprintf(stderr, "%q is no CPU\n", a)
			return 2
		}
		partner = append(partner, cpu)
	}
	v, err := j(ctx, partner)
	if err == nil {
		err = json.NewEncoder(stdout).Encode(v)
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// bench measures the rows.
func bench(ctx context.Context, o options, rows []row, progress io.Writer) (rep *report, err error) {
	machine := host.Open("/")
	usable, err := machine.Usable()
	if err != nil {
		return nil, err
	}
	if len(usable.CPUs) < 2 {
		return nil, errors.New("needs two CPUs: this process may use one only")
	}
	s := &starter{meter: machine.NewMeter(), cpus: [2]int(usable.CPUs[:2])}
	if s.self, err = os.Executable(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bench-multiproc-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s.peer = filepath.Join(dir, "peer.py")
	if err := os.WriteFile(s.peer, peer, 0o600); err != nil {
		return nil, err
	}
	rep = &report{rows: rows, opts: o, environment: machine.Environment(), cpus: s.cpus, source: s.meter.Source()}
	if s.python, rep.python, err = findPython(ctx, o.python); err != nil {
		fmt.Fprintf(progress, "no Python, so that nothing is compared with it: %v (install python3, or name it with -python)\n", err)
	}
	d := &driver{measure: s.measure, rng: rand.New(rand.NewPCG(o.seed, 0)), rounds: o.rounds, repeats: o.repeats, progress: progress}
	finish, err := d.openRaw(o.raw)
	if err != nil {
		return nil, err
	}
	all := groups(rows, s.python != "")
	fmt.Fprintf(progress, "%d rows, %d rounds on CPUs %s, seed %d\n", len(rows), o.rounds, host.FormatList(s.cpus[:]), o.seed)
	start := time.Now()
	rep.used, rep.attempts, err = d.run(ctx, all)
	rep.date, rep.took, rep.failures = start.UTC(), time.Since(start), d.failures
	return rep, errors.Join(err, finish())
}

// openRaw opens the file of raw figures, if there is to be one. Each figure is written when it is there.
func (d *driver) openRaw(name string) (finish func() error, err error) {
	d.raw = io.Discard
	if name == "" {
		return func() error { return nil }, nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	d.raw = f
	return f.Close, nil
}
