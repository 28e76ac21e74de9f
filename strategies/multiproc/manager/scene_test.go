package manager

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/parbench/parbench/strategies/multiproc"
)

// maker makes one kind of manager; every promise that does not need a process holds for each.
type maker struct {
	name  string
	local bool
	opts  []Option
}

var makers = []maker{{name: "memory"}, {name: "socket", opts: []Option{SocketOnly()}}, {name: "local", local: true}}

func (k maker) start(t testing.TB, opts ...Option) *Manager {
	t.Helper()
	opts = append(append([]Option{}, k.opts...), opts...)
	var m *Manager
	var err error
	if k.local {
		m, err = NewLocal(opts...)
	} else {
		needProcesses(t)
		m, err = Start(ctxT(t), opts...)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return m
}

// each runs a test with every kind of manager.
func each(t *testing.T, f func(t *testing.T, m *Manager)) {
	for _, k := range makers {
		t.Run(k.name, func(t *testing.T) { f(t, k.start(t)) })
	}
}

// eachProcess runs a test with managers in a process.
func eachProcess(t *testing.T, f func(t *testing.T, m *Manager)) {
	for _, k := range makers[:2] {
		t.Run(k.name, func(t *testing.T) { f(t, k.start(t)) })
	}
}

// props is what scenes play with. Handles that are zero are not there.
type props struct {
	Scene     string
	N         int
	Path      string
	Dict      Dict[string, int]
	List      List[int]
	Array     Array[int32]
	Value     Value[float64]
	Queue     Queue[int]
	Other     Queue[int]
	Mutex     Mutex
	Reentrant Reentrant
	RW        RWMutex
	Sem       Semaphore
	Cond      Cond
	Event     Event
	Ready     Event
	Barrier   Barrier
	Space     Namespace[settings]
	Counter   Proxy[*counter]
	Nested    Dict[string, List[int]]
}

var scenes = make(map[string]func(ctx context.Context, p props) (int, error))

var inChild = multiproc.Register("manager.test.scene", func(ctx context.Context, p props) (int, error) {
	f := scenes[p.Scene]
	if f == nil {
		return 0, errors.New("no scene " + p.Scene)
	}
	return f(ctx, p)
})

// play plays a scene in a process of its own, to its end.
func play(t *testing.T, p props, opts ...multiproc.ProcOption) int {
	t.Helper()
	needProcesses(t)
	n, err := multiproc.Call(ctxT(t), inChild, p, opts...)
	if err != nil {
		t.Errorf("%s: %v", p.Scene, err)
	}
	return n
}

// begin starts a scene.
func begin(t *testing.T, p props, opts ...multiproc.ProcOption) *multiproc.Process {
	t.Helper()
	needProcesses(t)
	x := multiproc.NewProcess(inChild, p, opts...)
	if err := x.Start(ctxT(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Kill(); <-x.Done() })
	return x
}

// concurrently runs f n times at once.
func concurrently(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
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

// state is the letter for what a process does, 'X' where there is none.
func state(pid int) byte {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if i := bytes.LastIndexByte(b, ')'); err == nil && i+2 < len(b) {
		return b[i+2]
	}
	return 'X'
}

// alive reports whether a process exists and is not a zombie.
func alive(pid int) bool { return state(pid) != 'Z' && state(pid) != 'X' }

// is checks an error with errors.Is.
func is(t *testing.T, what string, err error, want ...error) {
	t.Helper()
	for _, w := range want {
		if !errors.Is(err, w) {
			t.Errorf("%s: error %v, want %v", what, err, w)
		}
	}
}

// ok ends the test at an error.
func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must ends the test at an error.
func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		ok(t, err)
		return v
	}
}

// expired is a context that has ended.
func expired() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
