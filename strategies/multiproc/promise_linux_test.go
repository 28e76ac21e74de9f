package multiproc

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// What multiproc does better than its model, each promise with its test.

// replaced is a program whose file is exchanged while it runs: see TestBinaryReplaced.
func replaced() {
	_, _ = os.Stdout.WriteString("up\n")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	v, err := Call(context.Background(), square, 12)
	if err != nil {
		_, _ = os.Stdout.WriteString(err.Error())
	}
	_, _ = os.Stdout.WriteString(strconv.Itoa(v))
	os.Exit(0)
}

// A program can start children after its file has been replaced or removed: they are what it is, not what lies there
// now.
func TestBinaryReplaced(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "copy")
	src, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dst, err := os.OpenFile(bin, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(dst, src); err != nil {
		t.Fatal(err)
	}
	if err := dst.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin)
	cmd.Env = append(os.Environ(), "MULTIPROC_TEST_VICTIM=replaced")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	if s, err := r.ReadString('\n'); s != "up\n" {
		t.Fatalf("%q %v", s, err)
	}
	other := bin + ".new"
	if err := os.WriteFile(other, []byte("#!/bin/false\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, bin); err != nil {
		t.Fatal(err)
	}
	_, _ = in.Write([]byte("go on\n"))
	if b, err := io.ReadAll(r); string(b) != "144" || err != nil {
		t.Errorf("%q %v", b, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// brood starts a child with children of its own, busy and idle ones, and tells the pids of all.
func brood(ctx context.Context, path string) (string, error) {
	pool, err := NewPool(ctx, crash, Workers(2))
	if err != nil {
		return "", err
	}
	if _, err := pool.ApplyAsync(ctx, order{Do: "spin"}); err != nil {
		return "", err
	}
	p := scene("spin", path+".spin")
	if err := p.Start(ctx); err != nil {
		return "", err
	}
	if _, err := waitFile(ctx, path+".spin"); err != nil {
		return "", err
	}
	pid, _ := p.Pid()
	note(path, strings.Join(append(texts(pool.Pids()), strconv.Itoa(pid), strconv.Itoa(os.Getpid())), " "))
	for { //nolint:staticcheck // busy as well
	}
}

func texts(list []int) (s []string) {
	for _, n := range list {
		s = append(s, strconv.Itoa(n))
	}
	return s
}

// A child that is killed takes its children with it, whatever they do.
func TestGrandchildrenDieWithTheirParent(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		path := filepath.Join(t.TempDir(), "pids")
		p := started(t, scene("brood", path))
		pids := strings.Fields(content(t, path))
		if len(pids) != 4 {
			t.Fatalf("%v", pids)
		}
		if err := p.Signal(sig); err != nil {
			t.Fatal(err)
		}
		joined(t, p)
		for _, s := range pids {
			eventually(t, s+" dies", func() bool { return !alive(number(t, s)) })
		}
	}
}

// The kernel sends the parent-death signal when the thread that started the child ends. No thread of a living parent
// may kill a child by ending.
func TestChildrenOutliveThreads(t *testing.T) {
	ctx := ctxT(t)
	type result struct {
		pool *ProcessPool[order, int]
		tid  int
		err  error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		p, err := NewPool(ctx, crash, Workers(2))
		made <- result{p, syscall.Gettid(), err}
	}()
	r := <-made
	if r.err != nil {
		t.Fatal(r.err)
	}
	defer r.pool.Terminate()
	eventually(t, "the thread ends", func() bool {
		_, err := os.Stat("/proc/self/task/" + strconv.Itoa(r.tid))
		return err != nil || r.tid == os.Getpid() // Go keeps the main thread
	})
	before := r.pool.Pids()
	for range 10 {
		pid, err := r.pool.Apply(ctx, order{Do: "pid"})
		if err != nil || pid != before[0] && pid != before[1] {
			t.Errorf("%d %v, the workers were %v", pid, err, before)
		}
	}
	if s := r.pool.Stats(); s.Crashes != 0 {
		t.Errorf("%+v", s)
	}
}

// Every way to end a pool may be called from its callbacks, several at a time.
func TestEndFromCallbacks(t *testing.T) {
	ctx := ctxT(t)
	for _, m := range makers {
		for name, end := range map[string]func(Pool[int, int]) error{
			"Close":     func(p Pool[int, int]) error { return p.Close() },
			"Terminate": func(p Pool[int, int]) error { return p.Terminate() },
			"Shutdown":  func(p Pool[int, int]) error { return p.Shutdown(ctx) },
			"Join":      func(p Pool[int, int]) error { _ = p.Close(); return p.Join(ctx) },
		} {
			p := make2(t, m, square, fnSquare, Workers(2))
			ended := make(chan error, 20)
			for i := range 20 {
				_, err := p.ApplyAsync(ctx, i, OnDone(func(int, error) { ended <- end(p) }))
				if err != nil && !errors.Is(err, ErrClosed) {
					t.Error(err)
				}
				if err != nil {
					ended <- nil
				}
			}
			for range 20 {
				if err := <-ended; err != nil {
					t.Errorf("%s %s: %v", m.name, name, err)
				}
			}
			if err := p.Shutdown(ctx); err != nil {
				t.Error(err)
			}
		}
	}
	// From an event too.
	done := make(chan error, 10)
	var pool atomic.Pointer[ProcessPool[order, int]]
	p := newPool(t, crash, Workers(1), WithStderr(devNull(t)), OnEvent(func(e Event) {
		if e.Kind == WorkerLost {
			done <- pool.Load().Terminate()
		}
	}))
	pool.Store(p)
	if _, err := p.Apply(ctx, order{Do: "exit"}); err == nil {
		t.Error("no crash")
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Whatever ends a pool, and whenever, every future resolves, once, and nobody waits for ever.
func TestEveryFutureResolvesOnce(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 15
	}
	ctx := ctxT(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range rounds {
		p, err := NewPool(ctx, crash, Workers(2), MaxInFlight(20), Restart(100), WithStderr(devNull(t)))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var submitted, resolved atomic.Int64
		stop := rng.IntN(200)
		for worker := range 3 {
			seed := rng.Uint64()
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(seed, uint64(worker)))
				for range 100 {
					o := order{N: 1}
					if rng.IntN(30) == 0 {
						o = order{Do: "exit", N: 5}
					}
					f, err := p.ApplyAsync(ctx, o, OnDone(func(int, error) { resolved.Add(1) }))
					if err != nil {
						if !errors.Is(err, ErrClosed) && !errors.Is(err, ErrBroken) {
							t.Errorf("round %d: %v", round, err)
						}
						return
					}
					if submitted.Add(1) == int64(stop) {
						wg.Go(func() { _ = p.Terminate() })
					}
					if rng.IntN(4) == 0 {
						f.Cancel()
					}
					if rng.IntN(4) == 0 {
						if _, err := f.Get(ctx); errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("round %d: a future did not resolve", round)
						}
					}
				}
			})
		}
		wg.Wait()
		if err := p.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		eventually(t, "every future resolves", func() bool { return resolved.Load() == submitted.Load() })
		if s := p.Stats(); s.Queued+s.Running+s.Workers != 0 || s.Completed != submitted.Load() {
			t.Errorf("round %d: %+v, %d calls", round, s, submitted.Load())
		}
	}
	if n := zombies(); n != 0 {
		t.Errorf("%d zombies", n)
	}
}

func TestTypedErrorsRefuseWhatCannotTravel(t *testing.T) {
	for name, register := range map[string]func(){
		"interface field": func() { RegisterError[*os.PathError]("test.path") },
		"name twice":      func() { RegisterSentinel("test.errMagic", errors.New("x")) },
		"type twice":      func() { RegisterError[quotaError]("test.quota2") },
		"no name":         func() { RegisterSentinel("", errors.New("x")) },
		"no error":        func() { RegisterSentinel("test.nil", nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			register()
		}()
	}
}

func init() { familyScenes["brood"] = brood } // before scene_test.go collects them
