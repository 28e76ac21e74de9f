package trial_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/workloads"
)

// probedRun runs a small cell with probed batches and returns them, and the last record.
func probedRun(t *testing.T, change func(*protocol.Run)) (probes []*protocol.Probe, done *protocol.Done) {
	t.Helper()
	p := start(t, true)
	p.send(request(func(r *protocol.Run) {
		r.ProbeNS = 1
		change(r)
	}))
	p.want("ready")
	p.send(protocol.Request{Op: "go"})
	p.want("batches")
	p.want("usage")
	for {
		r, err := p.records.Record()
		if err != nil {
			t.Fatal(err)
		}
		switch r.Type {
		case "probe":
			probes = append(probes, r.Probe)
		case "done":
			if s := p.exit(); s.ExitStatus() != 0 {
				t.Errorf("the program ended with %v", s)
			}
			return probes, r.Done
		default:
			t.Fatalf("got %s", text(r))
		}
	}
}

// rings says that workers of a process pool have shared memory here.
const rings = runtime.GOOS == "linux" && (runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64")

// TestProbedBatch expects a stamp of every task under every strategy. That the figures are possible the reader has checked.
func TestProbedBatch(t *testing.T) {
	nobody := map[string]bool{"goroutines": true, "simple": true} // they do not tell who runs a task
	for _, name := range append(names(strategies.Builtin()), "simple") {
		t.Run(name, func(t *testing.T) {
			probes, done := probedRun(t, func(r *protocol.Run) { r.Workload, r.Strategy = "burns", name })
			if len(probes) != 1 {
				t.Fatalf("%d probed batches, want 1", len(probes))
			}
			p := probes[0]
			if name == "sequential" { // long batches whose tasks run one after another are cut
				if p.Tasks < 1 || p.Tasks >= 12 || len(p.Begin) != p.Tasks || len(p.Worker) != p.Tasks {
					t.Errorf("probe %s", text(p))
				}
				return
			}
			if p.Tasks != 12 || p.Workers != 2 || p.WallNS <= 0 || len(p.Begin) != 12 || p.StampNS <= 0 || len(p.Unseen) > 0 {
				t.Errorf("probe %s", text(p))
			}
			if (len(p.Worker) == 12) == nobody[name] {
				t.Errorf("workers of the stamps: %v", p.Worker)
			}
			if known := name == "process-pool" && rings; (p.TransferNS > 0) != known {
				t.Errorf("messages cost %d ns of two workers' %d ns", p.TransferNS, p.WallNS)
			}
			if done.CloseNS <= 0 {
				t.Errorf("done %s: ending the strategy took no time", text(done))
			}
		})
	}
}

func names(reg *strategies.Registry) (out []string) {
	for _, s := range reg.All() {
		out = append(out, s.Info().Name)
	}
	return out
}

// TestProbeSamples: of tasks that do nothing only a part can be stamped.
func TestProbeSamples(t *testing.T) {
	probes, _ := probedRun(t, func(r *protocol.Run) { r.Workload, r.Strategy, r.Tasks = "probe", "pool", 140_000 })
	if p := probes[0]; len(p.Begin) < 1 || len(p.Begin) > protocol.MaxStamps {
		t.Errorf("%d of %d tasks that do nothing were stamped", len(p.Begin), p.Tasks)
	}
}

// TestProbeUntilLongEnough: probed batches add up to what was asked for.
func TestProbeUntilLongEnough(t *testing.T) {
	const least = 3 * 12 * int64(burned)
	probes, _ := probedRun(t, func(r *protocol.Run) { r.Workload, r.Strategy, r.ProbeNS = "burns", "sequential", least })
	var sum int64
	for _, p := range probes {
		sum += p.WallNS
	}
	if last := probes[len(probes)-1].WallNS; sum < least || sum-last >= least {
		t.Errorf("%d probed batches of %d ns in all, want just %d", len(probes), sum, least)
	}
}

// TestCommandsAreWatched: where tasks are commands, the measured batches are the probed ones, and no batch is run for it.
func TestCommandsAreWatched(t *testing.T) {
	run := func(change func(*protocol.Run)) (wall []int64, probes []*protocol.Probe) {
		p := start(t, true)
		p.send(request(func(r *protocol.Run) {
			r.Workload, r.Strategy, r.ProbeNS = "command", "pool", 1e15 // more than there would ever be time for
			change(r)
		}))
		p.want("ready")
		p.send(protocol.Request{Op: "go"})
		for {
			r, err := p.records.Record()
			if err != nil {
				t.Fatal(err)
			}
			switch r.Type {
			case "batches":
				wall = append(wall, r.Batches.Wall...)
			case "probe":
				probes = append(probes, r.Probe)
			case "error":
				t.Fatal(text(r))
			case "done":
				p.exit()
				return wall, probes
			}
		}
	}
	wall, probes := run(func(*protocol.Run) {})
	if len(wall) != 3 || len(probes) != 3 {
		t.Fatalf("%d measured and %d probed batches, want 3 of both", len(wall), len(probes))
	}
	for i, p := range probes {
		if p.WallNS < wall[i] || p.Tasks != 12 || len(p.Begin) != 12 || len(p.Worker) != 12 || len(p.Unseen) > 0 {
			t.Errorf("batch %d of %d ns: %s", i, wall[i], text(p))
		}
	}
	if wall, probes = run(func(r *protocol.Run) { r.MinBatches = 150 }); len(wall) != 150 || len(probes) != 100 {
		t.Errorf("%d measured and %d probed batches, want 150 and the first 100", len(wall), len(probes))
	}
	if _, probes = run(func(r *protocol.Run) { r.Tasks = 1 }); len(probes) != 1 || len(probes[0].Unseen) != 1 || len(probes[0].Begin) > 0 {
		t.Errorf("a batch of one command: %s", text(probes))
	}
	if _, probes = run(func(r *protocol.Run) { r.ProbeNS = 0 }); len(probes) > 0 {
		t.Errorf("nobody asked for %d probed batches", len(probes))
	}
}

// TestNoProbeUnlessAsked: what was never asked for is neither run nor sent.
func TestNoProbeUnlessAsked(t *testing.T) {
	if probes, _ := probedRun(t, func(r *protocol.Run) { r.ProbeNS = 0 }); len(probes) > 0 {
		t.Errorf("%d probes", len(probes))
	}
}

// TestProbedBatchIsChecked: its digest must be that of the others.
func TestProbedBatchIsChecked(t *testing.T) {
	p := start(t, true)
	p.send(request(func(r *protocol.Run) {
		r.Workload, r.Strategy, r.ProbeNS, r.WarmupBatches, r.MinBatches = "fickle", "sequential", 1, 0, 1
	}))
	p.want("ready")
	p.send(protocol.Request{Op: "go"})
	p.want("batches")
	p.want("usage")
	if e := p.wantError(protocol.ErrDigest); !strings.Contains(e.Message, "probed batch") {
		t.Errorf("message %q", e.Message)
	}
}

// TestUnobservable: what cannot be watched says why, and the trial is good.
func TestUnobservable(t *testing.T) {
	for name, want := range map[string]string{"elsewhere": "has no probe", "once": "could not be started once more", "refuses": "not today"} {
		probes, _ := probedRun(t, func(r *protocol.Run) { r.Strategy = name })
		if len(probes) != 1 || len(probes[0].Begin) > 0 || len(probes[0].Unseen) != 1 || !strings.Contains(probes[0].Unseen[0].Why, want) {
			t.Errorf("%s: %s, want the reason %q", name, text(probes), want)
		}
	}
}

// plain is a user's strategy that knows nothing of probes. Its fields make it one that cannot be watched.
type plain struct {
	name      string
	processes bool
	starts    *int // how often it can be started; nil: always
	prober    bool
}

func (s plain) Info() strategies.Info {
	return strategies.Info{Name: s.name, Doc: "for tests", Processes: s.processes}
}

func (s plain) Start(ctx context.Context, cfg strategies.Config) (strategies.Executor, error) {
	if s.starts != nil {
		if *s.starts == 0 {
			return nil, errSpent
		}
		*s.starts--
	}
	tasks, err := cfg.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	ex := &plainExecutor{tasks: tasks, workers: cfg.Workers}
	if s.prober {
		return refusing{ex}, nil
	}
	return ex, nil
}

type plainExecutor struct {
	tasks   workloads.Tasks
	workers int
}

// Run lets every worker take an equal share.
func (e *plainExecutor) Run(ctx context.Context, n int) (sum uint64, err error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for k := range e.workers {
		all.Go(func() {
			for i := k; i < n; i += e.workers {
				d, taskErr := e.tasks.Task(ctx, i)
				mu.Lock()
				sum = workloads.Combine(sum, i, d)
				if taskErr != nil {
					err = &strategies.TaskError{Index: i, Err: taskErr}
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return sum, err
}

func (e *plainExecutor) Close(context.Context) error { return e.tasks.Close() }

type refusing struct{ *plainExecutor }

var errSpent = errors.New("not today")

func (refusing) Probe(*strategies.Probe) error { return errSpent }
