package trial_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/strategies/strategytest"
	"github.com/parbench/parbench/strategies/trial"
	"github.com/parbench/parbench/workloads"
)

// The test program is its own trial program: started with the cookie it does not get past Main.
func TestMain(m *testing.M) {
	testenv.HurryRace()
	reg := workloads.NewRegistry(strategytest.Workload{}, simple{name: "fickle", task: fickle},
		simple{name: "deaf", task: deaf}, simple{name: "probe", task: same, ownN: true},
		simple{name: "leaves", task: leaves}, simple{name: "burns", task: burns}, simple{name: "talks", task: talks}, simple{name: "command", task: same, kind: workloads.Command}, simple{name: "machine", task: same, auto: true}, unready{})
	reg.AddFixture("marker", marker{})
	one := 1
	own := strategies.NewRegistry(append(strategies.Builtin().All(), plain{name: "simple"}, plain{name: "elsewhere", processes: true},
		plain{name: "once", starts: &one}, plain{name: "refuses", prober: true})...)
	trial.Program{Name: "test program 1", Workloads: reg, Strategies: own}.Main()
	goleak.VerifyTestMain(m)
}

// simple is a workload of one function.
type simple struct {
	name string
	task func(ctx context.Context, i int) (uint64, error)
	ownN bool
	auto bool
	kind workloads.Kind // empty: cpu
}

func (s simple) Info() workloads.Info {
	i := workloads.Info{Name: s.name, Kind: cmp.Or(s.kind, workloads.CPU), Doc: "for tests", Probe: true, OwnN: s.ownN}
	if s.auto {
		i.Params = []workloads.Param{{Name: "iterations", Type: workloads.Int, Auto: "calibrate:grain", Doc: "for tests"}}
	}
	return i
}

func (s simple) Prepare(context.Context, workloads.Env) (workloads.Tasks, error) {
	return simpleTasks{s: s}, nil
}

type simpleTasks struct {
	workloads.NoClose
	s simple
}

func (t simpleTasks) Task(ctx context.Context, i int) (uint64, error) { return t.s.task(ctx, i) }

func same(_ context.Context, i int) (uint64, error) { return uint64(i), nil }

var calls atomic.Uint64

// fickle returns something else each time.
func fickle(context.Context, int) (uint64, error) { return calls.Add(1), nil }

// deaf never ends, whatever its context says.
func deaf(context.Context, int) (uint64, error) { select {} }

func leaves(context.Context, int) (uint64, error) { os.Exit(7); return 0, nil }

// unready prepares for as long as it may, and says so.
type unready struct{}

func (unready) Info() workloads.Info {
	return workloads.Info{Name: "unready", Kind: workloads.CPU, Doc: "for tests", Probe: true}
}

func (unready) Prepare(ctx context.Context, _ workloads.Env) (workloads.Tasks, error) {
	<-ctx.Done()
	return nil, fmt.Errorf("still preparing: %w", context.Cause(ctx))
}

// burned is how much processor time a task of "burns" takes of its process at least.
const burned = 4 * time.Millisecond

func burns(_ context.Context, i int) (uint64, error) {
	begin, err := processTime()
	for now := begin; err == nil && now-begin < burned; {
		now, err = processTime()
	}
	return uint64(i), err
}

func processTime() (time.Duration, error) {
	var r syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), err
}

// talks writes what could be taken for a record where a workload may write.
func talks(_ context.Context, i int) (uint64, error) {
	_, err := os.Stdout.WriteString(`{"type":"done"}` + "\n")
	return uint64(i), err
}

// marker is a fixture whose presence shows: a file.
type marker struct{}

func (marker) Serve(context.Context) (string, func() error, error) {
	dir, err := os.MkdirTemp("", "marker")
	return dir, func() error { return os.Remove(dir) }, err
}

// patience bounds tests that would otherwise hang; none waits for it to pass.
const patience = time.Minute

// program is a started trial program.
type program struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	lifeline       *os.File
	requests       *protocol.Writer
	records        *protocol.Reader
	out            *os.File
}

// start starts the test program as a trial. With leader it leads a process group, as the harness starts it.
func start(t *testing.T, leader bool) *program {
	t.Helper()
	p := &program{t: t}
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.lifeline, p.requests = inW, protocol.NewWriter(inW)
	p.out, p.records = outR, protocol.NewReader(outR)
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), protocol.Cookie+"="+protocol.CookieValue)
	p.cmd.ExtraFiles = []*os.File{inR, outW}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: leader}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	inR.Close()
	outW.Close()
	if err := outR.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.lifeline.Close()
		p.out.Close()
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("stdout:\n%s\nstderr:\n%s", &p.stdout, &p.stderr)
		}
	})
	return p
}

func (p *program) send(q protocol.Request) {
	p.t.Helper()
	q.Protocol = protocol.Version
	if err := p.requests.Send(q); err != nil {
		p.t.Fatal(err)
	}
}

// want returns the next record, which must be of the given type.
func (p *program) want(typ string) protocol.Record {
	p.t.Helper()
	r, err := p.records.Record()
	if err != nil {
		p.t.Fatalf("wait for %q: %v", typ, err)
	}
	if r.Type != typ {
		p.t.Fatalf("got %s, want %q", text(r), typ)
	}
	return r
}

// exit waits for the end of the program and returns how it ended. Nothing may come after the last record.
func (p *program) exit() syscall.WaitStatus {
	p.t.Helper()
	if r, err := p.records.Record(); err == nil {
		p.t.Errorf("after the last record: %s", text(r))
	}
	var exit *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// wantError expects an error record of the given kind and the end of the program with status 1.
func (p *program) wantError(kind string) *protocol.Error {
	p.t.Helper()
	e := p.want("error").Error
	if e.Kind != kind {
		p.t.Errorf("error of kind %q, want %q: %s", e.Kind, kind, e.Message)
	}
	if s := p.exit(); s.ExitStatus() != 1 {
		p.t.Errorf("the program ended with %v, want exit status 1", s)
	}
	return e
}

// request is a small cell that the tests change.
func request(change func(*protocol.Run)) protocol.Request {
	r := &protocol.Run{
		Workload: strategytest.Name, Strategy: "sequential", Workers: 2, Cores: 2, Seed: 1<<63 + 5, Tasks: 12,
		MinBatches: 3, WarmupBatches: 1, DeadlineNS: patience.Nanoseconds(),
	}
	change(r)
	return protocol.Request{Op: "run", Run: r}
}

// fifo makes the pipe on which waiting tasks report.
func fifo(t *testing.T, dir string) *os.File {
	t.Helper()
	path := filepath.Join(dir, "events")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return f
}
