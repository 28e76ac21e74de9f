package entry

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/strategies/multiproc"
)

// In a worker process that this test program starts, the init of this package has taken over before: Main is called for
// the parent's sake.
func TestMain(m *testing.M) {
	testenv.HurryRace()
	multiproc.Main()
	os.Exit(m.Run())
}

func TestEarly(t *testing.T) {
	for _, c := range []struct {
		variable          string
		child, registered bool
		want              bool
	}{
		{"", true, true, true},
		{"early", true, true, true},
		{strategies.EntryOrdinary, true, true, false},
		{"", true, false, false},
		{"", false, false, false},
		{"", false, true, false},
	} {
		if got := early(c.variable, c.child, c.registered); got != c.want {
			t.Errorf("early(%q, %v, %v) = %v", c.variable, c.child, c.registered, got)
		}
	}
}

// report is what a child finds out about the goroutines it consists of.
type report struct {
	Own string // the stack of the goroutine that runs the function
	All string // the stacks of all goroutines
}

var lookAround = multiproc.Register("entry_test/look", look)

func look(context.Context, struct{}) (report, error) {
	buf := make([]byte, 1<<16)
	r := report{Own: string(buf[:runtime.Stack(buf, false)])}
	for range 1_000_000 { // the init goroutine may still be on its way to parking
		r.All = string(buf[:runtime.Stack(buf, true)])
		if _, main, _ := strings.Cut(r.All, "goroutine 1 "); !strings.HasPrefix(main, "[run") {
			break
		}
		runtime.Gosched()
	}
	return r, nil
}

// initFrame is the frame of this package's init.
const initFrame = "internal/entry.init.0()"

// TestWorkerLeavesTheInitGoroutine runs a function in a child that took over here. The goroutine that initialises
// packages is locked to the main thread; the child's work must be done by another one while that one is parked.
func TestWorkerLeavesTheInitGoroutine(t *testing.T) {
	testenv.Need(t, "Linux: worker processes", runtime.GOOS == "linux")
	r, err := multiproc.Call(t.Context(), lookAround, struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(r.Own, "goroutine 1 ") || strings.Contains(r.Own, "runtime.main") {
		t.Errorf("the work is done on the main goroutine:\n%s", r.Own)
	}
	_, main, found := strings.Cut(r.All, "goroutine 1 ")
	main, _, _ = strings.Cut(main, "\n\n")
	if !found || !strings.HasPrefix(main, "[select (no cases)") {
		t.Errorf("the main goroutine is not parked:\n%s", main)
	}
	if !strings.Contains(main, initFrame) {
		t.Errorf("the child did not take over in the init of this package:\n%s", main)
	}
}

// TestOrdinaryEntry runs the same in a child that was told to pass the early entry by.
func TestOrdinaryEntry(t *testing.T) {
	testenv.Need(t, "Linux: worker processes", runtime.GOOS == "linux")
	r, err := multiproc.Call(t.Context(), lookAround, struct{}{},
		multiproc.WithEnv(strategies.EntryVariable+"="+strategies.EntryOrdinary))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(r.All, initFrame) || !strings.Contains(r.All, "entry.TestMain") {
		t.Errorf("the child did not start from TestMain:\n%s", r.All)
	}
}

// TestDependencies compares the packages that this one brings with those that strategies needs anyway: nothing more.
func TestDependencies(t *testing.T) {
	have := map[string]bool{"github.com/parbench/parbench/internal/entry": true}
	for _, p := range deps(t, "../../strategies") {
		have[p] = true
	}
	for _, p := range deps(t, ".") {
		if !have[p] {
			t.Errorf("%s is imported beyond what strategies imports, which delays the start of every worker", p)
		}
	}
}

func deps(t *testing.T, dir string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// TestComesFirst reads from the runtime's own trace what the workers of the real program initialise before they take
// over, and that the heavy packages are not among it.
func TestComesFirst(t *testing.T) {
	testenv.Need(t, "Linux: worker processes", runtime.GOOS == "linux")
	heavy := regexp.MustCompile(`^(net|net/http|golang\.org/x/sys/.*|github\.com/(spf13|jedib0t|prometheus)/.*|gonum\.org/v1/plot.*)$`)
	trace := drive(t, build(t), "process-per-task", "empty", nil, 2, "GODEBUG=inittrace=1").stderr
	// A process's part begins with the runtime; the first one is the trial's, which starts from main.
	processes := strings.Split(trace, "init runtime @")[1:]
	if len(processes) < 3 {
		t.Fatalf("the trace shows %d processes:\n%s", len(processes), trace)
	}
	for k, p := range processes {
		found := ""
		for _, m := range regexp.MustCompile(`(?m)^init (\S+) @`).FindAllStringSubmatch(p, -1) {
			if heavy.MatchString(m[1]) {
				found = m[1]
			}
		}
		if k == 0 && found == "" {
			t.Errorf("the trial initialises none of %s: the test looks for the wrong names", heavy)
		}
		if k > 0 && found != "" {
			t.Errorf("a worker initialised %s before it took over:\n%s", found, p)
		}
	}
}

// build builds the real program.
func build(tb testing.TB) string {
	tb.Helper()
	program := filepath.Join(tb.TempDir(), "parbench")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/parbench/parbench").CombinedOutput(); err != nil {
		tb.Fatalf("%v: %s", err, out)
	}
	return program
}

// outcome is what drive has seen of a trial.
type outcome struct {
	ready  time.Duration // from the start of the process to "ready"
	task   time.Duration // of one task, from the measured batches
	stderr string
}

// drive runs one trial of the program.
func drive(tb testing.TB, program, strategy, workload string, params map[string]string, tasks int, env ...string) outcome {
	tb.Helper()
	inR, inW, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	defer inW.Close()
	outR, outW, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	defer outR.Close()
	var stderr bytes.Buffer
	cmd := exec.Command(program)
	cmd.Env = append(append(os.Environ(), protocol.Cookie+"="+protocol.CookieValue), env...)
	cmd.ExtraFiles, cmd.Stderr = []*os.File{inR, outW}, &stderr
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	inR.Close()
	outW.Close()
	defer func() { _ = cmd.Wait() }()
	w, r := protocol.NewWriter(inW), protocol.NewReader(outR)
	run := &protocol.Run{
		Workload: workload, Params: params, Strategy: strategy, Workers: 1, Cores: 1, Tasks: tasks, MinBatches: 1,
		WarmupBatches: 1, DeadlineNS: time.Minute.Nanoseconds(),
	}
	for _, q := range []protocol.Request{
		{Protocol: protocol.Version, Op: "run", Run: run}, {Protocol: protocol.Version, Op: "go"},
	} {
		if err := w.Send(q); err != nil {
			tb.Fatal(err)
		}
	}
	var o outcome
	for {
		rec, err := r.Record()
		if err != nil || rec.Type == "error" {
			tb.Fatalf("%+v, %v: %s", rec.Error, err, &stderr)
		}
		switch rec.Type {
		case "ready":
			o.ready = time.Since(begin)
		case "batches":
			o.task = time.Duration(rec.Batches.Wall[0] / int64(tasks))
		case "done":
			if err := cmd.Wait(); err != nil {
				tb.Error(err)
			}
			o.stderr = stderr.String()
			return o
		}
	}
}

// BenchmarkStart shows what it takes to start the real program: as a worker that takes over here ("early", with the
// round trip for its one task), as a worker that starts from main ("ordinary"), and as a trial, up to "ready".
func BenchmarkStart(b *testing.B) {
	program := build(b)
	b.Run("worker early", func(b *testing.B) {
		var sum time.Duration
		for range b.N {
			sum += drive(b, program, "process-per-task", "empty", nil, 32).task
		}
		b.ReportMetric(float64(sum.Microseconds())/float64(b.N), "µs/start")
	})
	b.Run("worker ordinary", func(b *testing.B) {
		var sum time.Duration
		for range b.N {
			sum += drive(b, program, "process-per-task", "sha256", map[string]string{"rounds": "1"}, 32).task
		}
		b.ReportMetric(float64(sum.Microseconds())/float64(b.N), "µs/start")
	})
	b.Run("trial", func(b *testing.B) {
		var sum time.Duration
		for range b.N {
			sum += drive(b, program, "sequential", "empty", nil, 1).ready
		}
		b.ReportMetric(float64(sum.Microseconds())/float64(b.N), "µs/start")
	})
}
