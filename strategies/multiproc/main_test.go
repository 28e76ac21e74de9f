package multiproc

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parbench/parbench/internal/testenv"
)

func TestMain(m *testing.M) {
	testenv.HurryRace()
	Main()
	switch os.Getenv("MULTIPROC_TEST_VICTIM") {
	case "":
	case "replaced":
		replaced()
	case "fault":
		faultVictim()
	default:
		victim()
	}
	goleak.VerifyTestMain(m,
		// It is locked to its thread for the life of the process, on purpose.
		goleak.IgnoreTopFunction("github.com/parbench/parbench/strategies/multiproc/spawn.spawnLoop"))
}

// The functions below run in workers and in local pools alike.

func fnSquare(_ context.Context, n int) (int, error) { return n * n, nil }

var errOdd = errors.New("odd number")

func fnEven(_ context.Context, n int) (int, error) {
	switch {
	case n == 13:
		panic("thirteen")
	case n%2 == 1:
		return 0, errOdd
	}
	return n, nil
}

// fnBlock waits for its context, which only the end of the pool (or of the caller, locally) cancels.
func fnBlock(ctx context.Context, n int) (int, error) {
	if n == 0 {
		return 0, nil
	}
	<-ctx.Done()
	return 0, ctx.Err()
}

type gate struct{ Path string }

// fnGate waits until a file exists: a signal that the test gives across processes.
func fnGate(ctx context.Context, g gate) (int, error) {
	for g.Path != "" && ctx.Err() == nil {
		if _, err := os.Stat(g.Path); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return os.Getpid(), ctx.Err()
}

// fnDeaf is fnGate without a context: it notes that it has begun and waits for the file, whatever happens. Without a path
// it fails.
func fnDeaf(_ context.Context, g gate) (int, error) {
	if g.Path == "" {
		return 0, errOdd
	}
	note(g.Path+".began", "an item")
	for {
		if _, err := os.Stat(g.Path); err == nil {
			return os.Getpid(), nil
		}
		time.Sleep(time.Millisecond)
	}
}

type blob struct {
	Name string
	Data []byte
}

func fnEcho(_ context.Context, b blob) (blob, error) { return b, nil }

var initState atomic.Int64

func fnInit(_ context.Context, n int64) error {
	switch {
	case n == -3:
		panic("no state")
	case n == -2:
		return errors.Join(quotaError{"init", 7}, os.ErrNotExist)
	case n < 0:
		return errors.New("negative state")
	}
	initState.Store(n)
	return nil
}

func fnState(_ context.Context, n int64) (int64, error) { return initState.Load() + n, nil }

type order struct {
	Do string
	N  int
}

// fnCrash ends its process in the ways a process can end.
func fnCrash(_ context.Context, o order) (int, error) {
	switch o.Do {
	case "exit":
		_, _ = os.Stderr.WriteString("last words\n")
		os.Exit(o.N)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "goroutine":
		go func() { panic("elsewhere") }()
		select {}
	case "goexit":
		runtime.Goexit()
	case "spin":
		for { //nolint:staticcheck // a busy loop that nothing but a signal can stop
		}
	case "stay": // does not leave by itself
		Self().Go(func() { select {} })
	case "once": // crashes unless the file is there
		if _, err := os.Stat(os.Getenv("MULTIPROC_TEST_FILE")); err != nil {
			_ = os.WriteFile(os.Getenv("MULTIPROC_TEST_FILE"), nil, 0o600)
			os.Exit(9)
		}
	case "descriptors":
		return countDescriptors("self"), nil
	case "env":
		return strconv.Atoi(os.Getenv("GOMAXPROCS"))
	case "cookie":
		return len(os.Getenv(cookie)), nil
	case "ppid":
		return os.Getppid(), nil
	case "pid":
		return os.Getpid(), nil
	case "pgid":
		return syscall.Getpgrp(), nil
	}
	return o.N, nil
}

var (
	square = Register("test.square", fnSquare)
	even   = Register("test.even", fnEven)
	block  = Register("test.block", fnBlock)
	gated  = Register("test.gate", fnGate)
	deaf   = Register("test.deaf", fnDeaf)
	echo   = Register("test.echo", fnEcho)
	state  = Register("test.state", fnState)
	crash  = Register("test.crash", fnCrash)
	chans  = Register("test.chan", func(context.Context, chan int) (int, error) { return 0, nil })
	locks  = Register("test.lock", func(_ context.Context, _ struct{ mu *sync.Mutex }) (int, error) { return 0, nil })
	funcs  = Register("test.func", func(context.Context, int) (func(), error) { return nil, nil })
	setup  = RegisterInit("test.init", fnInit)
)

func countDescriptors(pid string) int {
	list, _ := os.ReadDir("/proc/" + pid + "/fd")
	return len(list)
}

// maker makes one of the two kinds of pool; the process pool runs the function under its registered name.
type maker struct {
	name  string
	local bool
	opts  []PoolOption
}

// pipesOnly makes a pool that goes without shared memory, as where there is none.
var pipesOnly = poolOption(func(p *poolOptions) { p.pipes = true })

var makers = []maker{
	{name: "process"},
	{name: "pipes", opts: []PoolOption{pipesOnly}},
	{name: "local", local: true},
	{name: "threads", local: true, opts: []PoolOption{OnThreads()}},
}

func make2[In, Out any](t *testing.T, m maker, fn Func[In, Out], local func(context.Context, In) (Out, error), opts ...PoolOption) Pool[In, Out] {
	t.Helper()
	opts = append(opts, m.opts...)
	var p Pool[In, Out]
	var err error
	if m.local {
		p, err = NewLocalPool(local, opts...)
	} else {
		p, err = NewPool(ctxT(t), fn, opts...)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Terminate()
		if err := p.Join(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// ctxT ends a hanging test with a message instead of the test binary's panic.
func ctxT(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// eventually polls for a condition that another process brings about.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never happened: " + what)
		}
	}
}

// alive reports whether a process exists and is not a zombie.
func alive(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	i := bytes.LastIndexByte(b, ')')
	return i+2 < len(b) && b[i+2] != 'Z' && b[i+2] != 'X'
}

// zombies counts this process's dead children that nobody has waited for.
func zombies() (n int) {
	list, _ := os.ReadDir("/proc")
	for _, d := range list {
		b, err := os.ReadFile("/proc/" + d.Name() + "/stat")
		if err != nil {
			continue
		}
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(f) > 1 && f[0] == "Z" && f[1] == strconv.Itoa(os.Getpid()) {
			n++
		}
	}
	return n
}

// envInt is the number in an environment variable by which somebody asks for more than the ordinary.
func envInt(t testing.TB, name string, ordinary int) int {
	s := os.Getenv(name)
	if s == "" {
		return ordinary
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q: must be a positive number", name, s)
	}
	return n
}
