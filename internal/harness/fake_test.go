package harness

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/internal/testenv"
)

// The tests drive a fake program: this test binary, started again with the trial cookie. It reports the times it was told
// and misbehaves as its workload's parameter "behave" says, so nothing here depends on how long anything takes.
func TestMain(m *testing.M) {
	testenv.HurryRace()
	if os.Getenv(protocol.Cookie) == protocol.CookieValue {
		fakeProgram()
		os.Exit(0)
	}
	if len(os.Args) == 3 && os.Args[1] == "linger" {
		time.Sleep(time.Hour) // a grandchild that must be killed with its group
	}
	os.Exit(m.Run())
}

func fakeOffer() *protocol.Description {
	behave := protocol.Param{Name: "behave", Type: "choice", Default: "ok", Doc: "what to do", Choices: []string{
		"ok", "error", "panic", "hang", "garbage", "exit", "digest", "lie", "nothing", "chatty", "leave", "late", "error-there", "digest-there", "late-probe",
		"exit-held", "done-held",
	}}
	return &protocol.Description{
		Protocol: protocol.Version, Program: "fake 1", Runtime: "test",
		Workloads: []protocol.Workload{
			{Name: "work", Kind: "cpu", Doc: "fake work", Params: []protocol.Param{behave, {Name: "limit", Type: "int", Default: "10", Doc: "n", Min: 1, Max: 100}}},
			{Name: "wait", Kind: "io", Doc: "fake waiting", Fixture: "svc"},
			{Name: "own", Kind: "cpu", Doc: "a probe that sizes itself", Probe: true, OwnN: true},
			{Name: "auto", Kind: "cpu", Doc: "parameters by rule", Params: []protocol.Param{
				{Name: "bytes", Type: "bytes", Doc: "b", Auto: "llc-share", Min: 1, Max: 1 << 40},
				{Name: "grain", Type: "duration", Default: "1ms", Doc: "g", Min: 1, Max: 1e12},
				{Name: "iterations", Type: "int", Doc: "i", Auto: "calibrate:grain", Min: 1, Max: 1e15},
			}},
			timed(behave),
		},
		Strategies: []protocol.Strategy{
			{Name: "sequential", Doc: "one by one", OneCore: true},
			{Name: "gil", Doc: "serial", Serial: true, GOMAXPROCS: 1},
			{Name: "goroutines", Doc: "one per task", Unbounded: true},
			{Name: "threads", Doc: "threads"},
			{Name: "procs", Doc: "processes", TaskCap: 5, Params: []protocol.Param{{Name: "mode", Type: "choice", Default: "map", Doc: "m", Choices: []string{"map", "apply"}}}},
		},
	}
}

// timed is a workload whose tasks are to take a grain alone, in every program.
func timed(behave protocol.Param) protocol.Workload {
	return protocol.Workload{Name: "timed", Kind: "cpu", Doc: "as long as it should take", Params: []protocol.Param{
		behave, {Name: "grain", Type: "duration", Default: "1ms", Doc: "g", Min: 1, Max: 1e12},
		{Name: "iterations", Type: "int", Doc: "i", Auto: "calibrate:grain", Min: 1, Max: 1e15},
	}}
}

// foreignOffer is what the fake program offers with FAKE_AS=foreign: the same work in another language, as it were.
func foreignOffer() *protocol.Description {
	d := fakeOffer()
	d.Program, d.Runtime = "foreign 1", "other"
	d.Workloads = append(d.Workloads[:1:1], protocol.Workload{Name: "own-idea", Kind: "cpu", Doc: "only here"},
		protocol.Workload{Name: "broken", Kind: "cpu", Doc: "cannot run", Unavailable: "broken.x: line 3 is no code; correct it"},
		protocol.Workload{Name: "auto", Kind: "cpu", Doc: "another one", Params: []protocol.Param{{Name: "bytes", Type: "bytes", Default: "1", Doc: "b"}}},
		timed(d.Workloads[0].Params[0]))
	d.Strategies = []protocol.Strategy{
		{Name: "x-sequential", Doc: "one by one", OneCore: true, Reference: true},
		{Name: "x-pool", Doc: "a pool", Params: []protocol.Param{{
			Name: "start", Type: "choice", Default: "fork", Doc: "s", Choices: []string{"fork", "spawn"},
			Unavailable: map[string]string{"spawn": "no spawning here"},
		}}},
		{Name: "x-waiting", Doc: "for waiting", Kinds: []string{"io", "mixed"}},
		{Name: "x-none", Doc: "not here", Unavailable: "this build has no such module; install another"},
	}
	return d
}

func selfOffer() []Offer {
	return []Offer{{Program: Program{Label: "self"}, Description: fakeOffer()}}
}

// fakeDigest is what n tasks of any fake workload compute.
// ownDigest is what this process computes: FAKE_DIGEST makes it something else.
func ownDigest(tasks int) string { return fakeDigest(tasks + len(os.Getenv("FAKE_DIGEST"))) }

func fakeDigest(n int) string { return fmt.Sprintf("%016x", uint64(n)*0x9E3779B97F4A7C15) }

func fakeProgram() {
	os.Unsetenv(protocol.Cookie)
	in, out := os.NewFile(protocol.FDIn, "in"), os.NewFile(protocol.FDOut, "out")
	syscall.CloseOnExec(protocol.FDIn)
	syscall.CloseOnExec(protocol.FDOut)
	r, w := protocol.NewReader(in), protocol.NewWriter(out)
	req, err := r.Request()
	if err != nil {
		os.Exit(1)
	}
	switch req.Op {
	case "describe":
		d := fakeOffer()
		if os.Getenv("FAKE_AS") == "foreign" {
			d = foreignOffer()
		}
		switch os.Getenv("FAKE_DESCRIBE") {
		case "exit-held":
			leaveBehind(out)
			os.Exit(7)
		case "hang":
			leaveBehind(out)
			time.Sleep(time.Hour)
		}
		must(w.Send(protocol.Record{Type: "description", Describe: d}))
	case "serve":
		if os.Getenv("FAKE_SERVE") != "" {
			must(w.Send(protocol.Record{Type: "error", Error: &protocol.Error{Kind: protocol.ErrSetup, Message: "the port is taken"}}))
			return
		}
		must(w.Send(protocol.Record{Type: "serving", Serving: &protocol.Serving{Pid: os.Getpid(), Addr: "addr-of-" + req.Serve.Fixture}}))
		_, _ = r.Request() // until the lifeline closes
	case "run":
		fakeRun(req.Run, r, w, out)
	}
}

// leaveBehind starts a process in the group, or outside where the test says so, with the descriptor of the records in the
// latter case. Its pid goes to the file the test named.
func leaveBehind(out *os.File) {
	c := exec.Command("/proc/self/exe", "linger", "1")
	if os.Getenv("FAKE_SETSID") != "" {
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		c.ExtraFiles = []*os.File{out}
	}
	must(c.Start())
	must(os.WriteFile(os.Getenv("FAKE_PIDFILE"), []byte(strconv.Itoa(c.Process.Pid)), 0o600))
}

func must(err error) {
	if err != nil {
		os.Exit(3)
	}
}

func fakeRun(q *protocol.Run, r *protocol.Reader, w *protocol.Writer, out *os.File) {
	tasks := q.Tasks
	if tasks == 0 {
		tasks = 37
	}
	if q.Workload == "wait" && q.Fixture != "addr-of-svc" {
		must(w.Send(protocol.Record{Type: "error", Error: &protocol.Error{Kind: protocol.ErrSetup, Message: "no fixture"}}))
		return
	}
	behave := q.Params["behave"]
	if foreign := os.Getenv("FAKE_AS") == "foreign"; foreign && strings.HasSuffix(behave, "-there") {
		behave = strings.TrimSuffix(behave, "-there")
	} else if strings.HasSuffix(q.Strategy, "sequential") && behave != "late" { // alone, everything works: only the strategies under test misbehave
		behave = "ok"
	}
	fmt.Fprintln(os.Stderr, "a line on stderr with \x1b[31m colour")
	must(w.Send(protocol.Record{Type: "ready", Ready: &protocol.Ready{Pid: os.Getpid(), SetupNS: 1000, Tasks: tasks}}))
	if g, err := r.Request(); err != nil || g.Op != "go" {
		os.Exit(4)
	}
	fail := func(kind, msg string) {
		must(w.Send(protocol.Record{Type: "error", Error: &protocol.Error{Kind: kind, Message: msg, Stack: "a stack"}}))
	}
	digest := ownDigest(tasks)
	wall := []int64{int64(tasks) * 10, int64(tasks) * 12}
	if q.Workload == "timed" && os.Getenv("FAKE_AS") == "foreign" {
		wall = []int64{int64(tasks) * 400, int64(tasks) * 480} // forty times as slow
	}
	if file := os.Getenv("FAKE_SLOW_UNLESS"); file != "" && q.Params["iterations"] != "" {
		// Ten times as slow as it would be alone, but for the third trial of all.
		had, _ := os.ReadFile(file)
		must(os.WriteFile(file, append(had, '.'), 0o600))
		if len(had) != 2 {
			wall = []int64{int64(tasks) * 100, int64(tasks) * 120}
		}
	}
	switch behave {
	case "error", "late":
		fail(protocol.ErrTask, "task 3: no luck")
		return
	case "panic":
		fail(protocol.ErrPanic, "task 4: panic: oh")
		return
	case "hang":
		leaveBehind(out) // both must be gone afterwards
		time.Sleep(time.Hour)
	case "exit-held":
		leaveBehind(out)
		os.Exit(7)
	case "done-held":
		leaveBehind(out)
	case "garbage":
		_, _ = out.WriteString("{]\n")
		return
	case "exit":
		fmt.Fprintln(os.Stderr, "last words")
		os.Exit(7)
	case "digest":
		digest = fakeDigest(tasks + 1)
	case "lie":
		wall = []int64{int64(time.Hour)}
	case "nothing":
		wall = nil
	case "chatty":
		fmt.Fprint(os.Stderr, strings.Repeat("x", 1<<20))
	case "leave":
		fail(protocol.ErrDigest, "two batches disagreed")
		return
	}
	must(w.Send(protocol.Record{Type: "batches", Batches: &protocol.Batches{Tasks: tasks, Warmup: []int64{5}, Wall: wall, Digest: digest}}))
	must(w.Send(protocol.Record{Type: "usage", Usage: &protocol.Usage{CPUNS: 10, WallNS: 20, PeakBytes: 1 << 20, Processes: 1}}))
	if q.ProbeNS > 0 {
		p := &protocol.Probe{Tasks: tasks, Workers: q.Workers, WallNS: 500, Begin: []int64{10}, End: []int64{400}}
		if behave == "late-probe" {
			p.WallNS = int64(time.Hour)
		}
		must(w.Send(protocol.Record{Type: "probe", Probe: p}))
	}
	if len(q.Digests) > 0 {
		var ds []protocol.Digest
		for _, n := range q.Digests {
			if n == 0 {
				n = tasks
			}
			ds = append(ds, protocol.Digest{Tasks: n, Digest: ownDigest(n)})
		}
		must(w.Send(protocol.Record{Type: "digests", Digests: ds}))
	}
	must(w.Send(protocol.Record{Type: "done", Done: &protocol.Done{CloseNS: 3000}}))
}
