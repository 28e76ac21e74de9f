package trial_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/strategies/strategytest"
)

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func hex(d uint64) string { return fmt.Sprintf("%016x", d) }

func TestDescribe(t *testing.T) {
	p := start(t, true)
	p.send(protocol.Request{Op: "describe"})
	d := p.want("description").Describe
	p.want("done")
	if s := p.exit(); s.ExitStatus() != 0 {
		t.Errorf("the program ended with %v", s)
	}
	if d.Protocol != protocol.Version || d.Program != "test program 1" || !strings.HasPrefix(d.Runtime, "go") {
		t.Errorf("description %s", text(d))
	}
	if len(d.Workloads) != 10 || d.Workloads[0].Name != strategytest.Name || len(d.Workloads[0].Params) != 2 {
		t.Errorf("workloads %s", text(d.Workloads))
	}
	for k, s := range strategies.Builtin().All() {
		i := s.Info()
		if k >= len(d.Strategies) || d.Strategies[k].Name != i.Name || d.Strategies[k].GOMAXPROCS != i.GOMAXPROCS ||
			d.Strategies[k].Unbounded != i.Unbounded || d.Strategies[k].TaskCap != i.TaskCap {
			t.Fatalf("strategies %s", text(d.Strategies))
		}
	}
}

func TestEveryStrategy(t *testing.T) {
	for _, s := range strategies.Builtin().All() {
		t.Run(s.Info().Name, func(t *testing.T) {
			p := start(t, true)
			p.send(request(func(r *protocol.Run) {
				r.Strategy = s.Info().Name
				r.Digests = []int{20, 0, 3}
			}))
			ready := p.want("ready").Ready
			if ready.Pid != p.cmd.Process.Pid || ready.Tasks != 12 || ready.SetupNS <= 0 {
				t.Errorf("ready %s", text(ready))
			}
			p.send(protocol.Request{Op: "go"})
			b := p.want("batches").Batches
			if b.Tasks != 12 || len(b.Warmup) != 1 || len(b.Wall) != 3 {
				t.Errorf("batches %s", text(b))
			}
			for _, ns := range append(b.Warmup, b.Wall...) {
				if ns <= 0 {
					t.Errorf("a batch took %d ns", ns)
				}
			}
			if want := hex(strategytest.Want(1<<63+5, 12)); b.Digest != want {
				t.Errorf("digest %s, want %s", b.Digest, want)
			}
			u := p.want("usage").Usage
			checkUsage(t, u, b.Wall)
			if want := map[bool]int{false: 1, true: 3}[s.Info().Name == "process-pool"]; u.Processes != want {
				t.Errorf("%d processes, want %d", u.Processes, want)
			}
			digests := p.want("digests").Digests
			for k, n := range []int{20, 12, 3} {
				want := protocol.Digest{Tasks: n, Digest: hex(strategytest.Want(1<<63+5, n))}
				if len(digests) != 3 || digests[k] != want {
					t.Fatalf("digests %s; number %d should be %s", text(digests), k, text(want))
				}
			}
			p.want("done")
			if s := p.exit(); s.ExitStatus() != 0 {
				t.Errorf("the program ended with %v", s)
			}
		})
	}
}

func checkUsage(t *testing.T, u *protocol.Usage, wall []int64) {
	t.Helper()
	var sum int64
	for _, ns := range wall {
		sum += ns
	}
	if u.WallNS < sum {
		t.Errorf("the span of %d ns is shorter than its batches, %d ns", u.WallNS, sum)
	}
	if runtime.GOOS != "linux" {
		return
	}
	if u.CPUNS <= 0 || u.PeakBytes < 1<<20 || u.PSSBytes < 1<<18 || u.PeakBytes > 1<<34 || u.Processes < 1 {
		t.Errorf("usage %s", text(u))
	}
	if u.CtxVoluntary < 0 || u.CtxForced < 0 || u.FaultsMinor < 0 || u.FaultsMajor < 0 || u.GCPauseNS < 0 {
		t.Errorf("usage %s", text(u))
	}
}

// TestManyBatches sends more batch times than one record holds.
func TestManyBatches(t *testing.T) {
	const count = 2*protocol.BatchChunk + 17
	p := start(t, true)
	p.send(request(func(r *protocol.Run) { r.Tasks, r.MinBatches, r.WarmupBatches = 1, count, 2 }))
	p.want("ready")
	p.send(protocol.Request{Op: "go"})
	warmup, wall, records := 0, 0, 0
	for {
		r, err := p.records.Record()
		if err != nil {
			t.Fatal(err)
		}
		if r.Type == "usage" {
			break
		}
		if r.Type != "batches" || len(r.Batches.Wall) > protocol.BatchChunk || len(r.Batches.Digest) != 16 {
			t.Fatalf("a record of type %q", r.Type)
		}
		records++
		warmup += len(r.Batches.Warmup)
		wall += len(r.Batches.Wall)
	}
	if warmup != 2 || wall != count || records < 3 {
		t.Errorf("%d warm-up and %d measured batches in %d records", warmup, wall, records)
	}
	p.want("done")
	p.exit()
}

// TestMinimumTime lets time and not count end the batches.
func TestMinimumTime(t *testing.T) {
	const ns = 3_000_000
	p := start(t, true)
	p.send(request(func(r *protocol.Run) {
		r.MinBatches, r.MinBatchNS, r.WarmupBatches, r.MinWarmupNS = 1, ns, 0, ns
	}))
	p.want("ready")
	p.send(protocol.Request{Op: "go"})
	b := p.want("batches").Batches
	for _, list := range [][]int64{b.Warmup, b.Wall} {
		var sum int64
		for _, w := range list {
			sum += w
		}
		if sum < ns || sum-list[len(list)-1] >= ns {
			t.Errorf("%d batches add up to %d ns; they should stop as soon as that is %d", len(list), sum, ns)
		}
	}
	p.want("usage")
	p.want("done")
	p.exit()
}

func TestProbeChoosesTasks(t *testing.T) {
	p := start(t, true)
	p.send(request(func(r *protocol.Run) { r.Workload, r.Tasks, r.Digests = "probe", 0, []int{0} }))
	n := p.want("ready").Ready.Tasks
	if n < 2 || n&(n-1) != 0 {
		t.Errorf("chose %d tasks", n)
	}
	p.send(protocol.Request{Op: "go"})
	b := p.want("batches").Batches
	p.want("usage")
	d := p.want("digests").Digests
	if b.Tasks != n || len(d) != 1 || d[0].Tasks != n || d[0].Digest != b.Digest {
		t.Errorf("chose %d tasks, ran %d, digests %s, digest %s", n, b.Tasks, text(d), b.Digest)
	}
	p.want("done")
	p.exit()
}

func TestTaskError(t *testing.T) {
	e := fails(t, "fail")
	if e.Kind != protocol.ErrTask || e.Task != 5 || !strings.Contains(e.Message, strategytest.ErrTask.Error()) {
		t.Errorf("error %s", text(e))
	}
}

func TestTaskPanic(t *testing.T) {
	e := fails(t, "panic")
	if e.Kind != protocol.ErrPanic || e.Task != 5 || !strings.Contains(e.Message, strategytest.PanicText) ||
		!strings.Contains(e.Stack, "panicAsTold") {
		t.Errorf("error %s", text(e))
	}
}

// fails runs a cell whose task 5 does as told.
func fails(t *testing.T, do string) *protocol.Error {
	t.Helper()
	p := start(t, true)
	p.send(request(func(r *protocol.Run) { r.Strategy, r.Params = "pool", map[string]string{"do": do, "at": "5"} }))
	p.want("ready")
	p.send(protocol.Request{Op: "go"})
	e := p.want("error").Error
	if s := p.exit(); s.ExitStatus() != 1 {
		t.Errorf("the program ended with %v", s)
	}
	return e
}

func TestDigestsDisagree(t *testing.T) {
	p := start(t, true)
	p.send(request(func(r *protocol.Run) { r.Workload = "fickle" }))
	p.want("ready")
	p.send(protocol.Request{Op: "go"})
	p.wantError(protocol.ErrDigest)
}

func TestSetupFails(t *testing.T) {
	p := start(t, true)
	p.send(request(func(r *protocol.Run) { r.Params = map[string]string{"do": "refuse"} }))
	if e := p.wantError(protocol.ErrSetup); !strings.Contains(e.Message, "told to refuse") {
		t.Errorf("error %s", text(e))
	}
}

// TestDeadline covers tasks that end with their context and tasks that do not, and a harness that never says "go".
func TestDeadline(t *testing.T) {
	for name, change := range map[string]func(*protocol.Run){
		"obedient": func(r *protocol.Run) {
			r.Params, r.Fixture = map[string]string{"do": "hang"}, t.TempDir()
			fifo(t, r.Fixture)
		},
		"obedient in processes": func(r *protocol.Run) {
			r.Strategy, r.Params, r.Fixture = "process-pool", map[string]string{"do": "hang"}, t.TempDir()
			fifo(t, r.Fixture)
		},
		"deaf":              func(r *protocol.Run) { r.Workload = "deaf" },
		"deaf in processes": func(r *protocol.Run) { r.Workload, r.Strategy = "deaf", "process-pool" },
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, true)
			p.send(request(func(r *protocol.Run) { r.Strategy, r.DeadlineNS = "threads", 300e6; change(r) }))
			r, err := p.records.Record()
			if err != nil {
				t.Fatal(err)
			}
			if r.Type == "ready" { // on a machine too busy to be ready within the deadline, the error comes at once
				p.send(protocol.Request{Op: "go"})
				r = p.want("error")
			}
			if r.Error == nil || r.Error.Kind != protocol.ErrDeadline {
				t.Errorf("got %s", text(r))
			}
			if s := p.exit(); s.ExitStatus() != 1 {
				t.Errorf("the program ended with %v", s)
			}
		})
	}
	t.Run("told where", func(t *testing.T) {
		p := start(t, true)
		p.send(request(func(r *protocol.Run) { r.Workload, r.DeadlineNS = "unready", 100e6 }))
		if e := p.wantError(protocol.ErrDeadline); !strings.Contains(e.Message, "still preparing: not finished within 100ms") {
			t.Errorf("error %s", text(e))
		}
	})
	t.Run("no go", func(t *testing.T) {
		p := start(t, true)
		p.send(request(func(r *protocol.Run) { r.DeadlineNS = 300e6 }))
		r, err := p.records.Record()
		if err == nil && r.Type == "ready" {
			r = p.want("error")
		}
		if r.Error == nil || r.Error.Kind != protocol.ErrDeadline {
			t.Errorf("got %s, %v", text(r), err)
		}
		p.exit()
	})
}

// TestLifeline closes the lifeline while tasks run. A leader takes its whole group with it; a program that is not one
// must not: here its group is this test's. Worker processes go in either case: they hold standard error, and the end of
// the program is seen only when nobody does any more.
func TestLifeline(t *testing.T) {
	for name, leader := range map[string]bool{"leader": true, "member": false} {
		for _, strategy := range []string{"sequential", "pool", "process-pool", "process-per-task", "dummy-pool"} {
			t.Run(name+" "+strategy, func(t *testing.T) {
				dir := t.TempDir()
				events := fifo(t, dir)
				p := start(t, leader)
				p.send(request(func(r *protocol.Run) {
					r.Strategy, r.Params, r.Fixture = strategy, map[string]string{"do": "hang"}, dir
				}))
				p.want("ready")
				p.send(protocol.Request{Op: "go"})
				if _, err := events.Read(make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				p.lifeline.Close()
				s := p.exit()
				if leader && s.Signal() != syscall.SIGKILL || !leader && s.ExitStatus() != 1 {
					t.Errorf("the program ended with %v", s)
				}
			})
		}
	}
}

// TestProcessorTime has tasks burn a known time in whatever process they run, and looks for it in the usage.
func TestProcessorTime(t *testing.T) {
	testenv.Need(t, "Linux: the clocks of other processes", runtime.GOOS == "linux")
	const tasks, batches = 4, 2
	for _, strategy := range []string{"sequential", "process-pool", "process-per-task"} {
		t.Run(strategy, func(t *testing.T) {
			p := start(t, true)
			p.send(request(func(r *protocol.Run) {
				r.Workload, r.Strategy, r.Tasks, r.MinBatches = "burns", strategy, tasks, batches
			}))
			p.want("ready")
			p.send(protocol.Request{Op: "go"})
			p.want("batches")
			// The kernel's division into user and system time may be off by a tick of a clock that is not this one.
			want := tasks * batches * (burned - burned/8)
			if got := time.Duration(p.want("usage").Usage.CPUNS); got < want {
				t.Errorf("usage tells of %v processor time, the tasks alone took %v", got, want)
			}
			p.want("done")
			p.exit()
		})
	}
}

// TestWorkerCrashes has a task end its worker process: that is the failure of a task, and the trial tells which.
func TestWorkerCrashes(t *testing.T) {
	testenv.Need(t, "Linux: worker processes", runtime.GOOS == "linux")
	for _, strategy := range []string{"process-pool", "process-per-task"} {
		t.Run(strategy, func(t *testing.T) {
			p := start(t, true)
			p.send(request(func(r *protocol.Run) { r.Workload, r.Strategy, r.Tasks = "leaves", strategy, 1 }))
			p.want("ready")
			p.send(protocol.Request{Op: "go"})
			if e := p.wantError(protocol.ErrTask); !strings.Contains(e.Message, "task 0") || !strings.Contains(e.Message, "7") {
				t.Errorf("error %s", text(e))
			}
		})
	}
}

// TestLifelineBeforeRequest is a harness that died at once.
func TestLifelineBeforeRequest(t *testing.T) {
	p := start(t, true)
	p.lifeline.Close()
	if s := p.exit(); s.Signal() != syscall.SIGKILL {
		t.Errorf("the program ended with %v", s)
	}
}

// TestTaskLeaves has a task that ends the process: the harness sees the end of the records and the exit status.
func TestTaskLeaves(t *testing.T) {
	p := start(t, true)
	p.send(request(func(r *protocol.Run) { r.Workload = "leaves" }))
	p.want("ready")
	p.send(protocol.Request{Op: "go"})
	if r, err := p.records.Record(); !errors.Is(err, io.EOF) {
		t.Errorf("got %s, %v, want the end", text(r), err)
	}
	if s := p.exit(); s.ExitStatus() != 7 {
		t.Errorf("the program ended with %v", s)
	}
}

// TestTaskTalks shows that what a task prints never mixes with the records.
func TestTaskTalks(t *testing.T) {
	p := start(t, true)
	p.send(request(func(r *protocol.Run) { r.Workload, r.Tasks, r.MinBatches = "talks", 2, 1 }))
	p.want("ready")
	p.send(protocol.Request{Op: "go"})
	p.want("batches")
	p.want("usage")
	p.want("done")
	p.exit()
	if got := strings.Count(p.stdout.String(), "\n"); got != 4 {
		t.Errorf("%d lines on standard output, want 4", got)
	}
}

func TestBadRequests(t *testing.T) {
	line := func(change func(*protocol.Run)) string {
		q := request(change)
		q.Protocol = protocol.Version
		return text(q)
	}
	for name, c := range map[string]struct{ line, says string }{
		"garbage":        {"GET / HTTP/1.1", "docs/protocol.md"},
		"empty":          {"", "docs/protocol.md"},
		"array":          {"[]", "docs/protocol.md"},
		"version":        {`{"protocol":99,"op":"describe"}`, "version 1"},
		"no version":     {`{"op":"describe"}`, "version 1"},
		"operation":      {`{"protocol":1,"op":"fly"}`, `"describe" "run" "serve"`},
		"go first":       {`{"protocol":1,"op":"go"}`, `"describe" "run" "serve"`},
		"no run":         {`{"protocol":1,"op":"run"}`, `field "run"`},
		"no serve":       {`{"protocol":1,"op":"serve"}`, `field "serve"`},
		"fixture":        {`{"protocol":1,"op":"serve","serve":{"fixture":"nope"}}`, `"nope"`},
		"workload":       {line(func(r *protocol.Run) { r.Workload = "nope" }), `"nope"`},
		"strategy":       {line(func(r *protocol.Run) { r.Strategy = "nope" }), `"nope"`},
		"parameter":      {line(func(r *protocol.Run) { r.Params = map[string]string{"nope": "1"} }), `"nope"`},
		"value":          {line(func(r *protocol.Run) { r.Params = map[string]string{"at": "x"} }), "at"},
		"strategy param": {line(func(r *protocol.Run) { r.StrategyParams = map[string]string{"nope": "1"} }), `"nope"`},
		"machine param":  {line(func(r *protocol.Run) { r.Workload = "machine" }), "iterations"},
		"workers":        {line(func(r *protocol.Run) { r.Workers = 0 }), "workers"},
		"cores":          {line(func(r *protocol.Run) { r.Cores = -1 }), "cores"},
		"tasks":          {line(func(r *protocol.Run) { r.Tasks = 0 }), "tasks"},
		"deadline":       {line(func(r *protocol.Run) { r.DeadlineNS = 0 }), "deadline_ns"},
		"digests":        {line(func(r *protocol.Run) { r.Digests = []int{-1} }), "digests"},
		"too long":       {strings.Repeat("x", protocol.MaxLine+1), "line too long"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, true)
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				// A program that refuses a long line may be gone before it was read to its end.
				_, _ = io.WriteString(p.lifeline, c.line+"\n")
			}()
			if e := p.wantError(protocol.ErrRequest); !strings.Contains(e.Message, c.says) {
				t.Errorf("message %q does not say %q", e.Message, c.says)
			}
			<-sent
		})
	}
}

// TestTooManyRequests sends what no harness may send while a batch runs.
func TestTooManyRequests(t *testing.T) {
	p := start(t, true)
	p.send(request(func(r *protocol.Run) { r.Workload = "deaf" }))
	p.want("ready")
	for range 20 {
		q := protocol.Request{Protocol: protocol.Version, Op: "go"}
		if p.requests.Send(q) != nil {
			break // it is gone already
		}
	}
	p.wantError(protocol.ErrRequest)
}

func TestServe(t *testing.T) {
	p := start(t, true)
	p.send(protocol.Request{Op: "serve", Serve: &protocol.Serve{Fixture: "marker"}})
	s := p.want("serving").Serving
	if _, err := os.Stat(s.Addr); err != nil || s.Pid != p.cmd.Process.Pid {
		t.Errorf("serving %s: %v", text(s), err)
	}
	p.lifeline.Close()
	if s := p.exit(); s.ExitStatus() != 0 {
		t.Errorf("the program ended with %v", s)
	}
	if _, err := os.Stat(s.Addr); !os.IsNotExist(err) {
		t.Errorf("the fixture left %s behind: %v", s.Addr, err)
	}
}

// TestNoDescriptors starts the program with the cookie as a person might whose shell has inherited it.
func TestNoDescriptors(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), protocol.Cookie+"="+protocol.CookieValue)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "unset the environment variable "+protocol.Cookie) {
		t.Errorf("%v: %s", err, out)
	}
}
