//go:build amd64 || arm64

package multiproc

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// faultTime bounds a round: what takes longer hangs.
const faultTime = 2 * time.Minute

// familyTime is how long what a process has started may live after that was killed.
const familyTime = 2 * time.Second

// Signals at random moments to the processes of a pool, and to others that share a queue, a pipe and locks with this one:
// killed, stopped and resumed, asked to end; tasks that die, write half a frame or nonsense; every fifth round, their
// parent killed. Whatever happens, no call is lost that was not running in a killed worker, nothing comes back damaged,
// nothing hangs, and nothing is left.
//
// PARBENCH_FAULT_ROUNDS says how many rounds, PARBENCH_FAULT_SEED from which one on. Who sets it has the machine for that: then
// no family may live longer than familyTime either, which nobody can promise where others use the machine.
func TestFaults(t *testing.T) {
	rounds := 5
	if testing.Short() {
		rounds = 2
	}
	rounds = envInt(t, "PARBENCH_FAULT_ROUNDS", rounds)
	first := uint64(envInt(t, "PARBENCH_FAULT_SEED", 1))
	counts := make(map[string]int)
	var calls, lost int64
	var slowest time.Duration
	began := time.Now()
	base := -1
	for i := range rounds {
		seed := first + uint64(i)
		if seed%5 == 0 {
			took := killParent(t, seed)
			if slowest = max(slowest, took); took > familyTime && os.Getenv("PARBENCH_FAULT_ROUNDS") != "" {
				t.Errorf("round %d: the family lived %v after its parent, at most %v are promised", seed, took, familyTime)
			}
			counts["parent SIGKILL"]++
		} else {
			c, l := faultRound(t, seed, counts)
			calls += c
			lost += l
		}
		if t.Failed() {
			t.Fatalf("PARBENCH_FAULT_ROUNDS=1 PARBENCH_FAULT_SEED=%d begins as this round did", seed)
		}
		base = nothingLeft(t, base)
	}
	t.Logf("%d rounds in %.1f s, %d calls, %d of them lost to kills, signals %v, families dead at most %v after their parent",
		rounds, time.Since(began).Seconds(), calls, lost, counts, slowest.Round(time.Millisecond))
}

// A worker that says what makes no sense costs its call, like one that dies, and the error says why; what it had answered
// before counts.
func TestSenselessWorker(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			p, ctx := newPool(t, faultTasks, append(tr.opts, Workers(1), WithStderr(devNull(t)))...), ctxT(t)
			for _, do := range []string{"garbage", "foreign", "torn"} {
				var futs []*Future[[]byte]
				for i, d := range []string{"make", do, "make"} {
					f, err := p.ApplyAsync(ctx, faultTask{ID: i + 1000, Size: 200_000, Do: d})
					if err != nil {
						t.Fatal(err)
					}
					futs = append(futs, f)
				}
				for _, i := range []int{0, 2} {
					if b, err := futs[i].Get(ctx); err != nil || !bytes.Equal(b, pattern(i+1000, 200_000)) {
						t.Errorf("%s: call %d: %d bytes, %v", do, i, len(b), err)
					}
				}
				var ce *CrashError
				var de *DecodeError
				if _, err := futs[1].Get(ctx); !errors.As(err, &ce) || errors.As(err, &de) != (do != "torn") || errors.Is(err, ErrBroken) {
					t.Errorf("%s: %v", do, err)
				}
			}
			if s := p.Stats(); s.Crashes != 3 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// bounded runs f, and says where everybody is if it takes too long.
func bounded(t *testing.T, what string, f func(ctx context.Context)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), faultTime)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	select {
	case <-done:
		return
	case <-time.After(faultTime + 20*time.Second):
	}
	_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
	t.Fatalf("%s hangs", what)
}

func faultRound(t *testing.T, seed uint64, counts map[string]int) (calls, lost int64) {
	bounded(t, "round "+strconv.FormatUint(seed, 10), func(ctx context.Context) {
		s, err := newFaultScene(ctx, seed, func(err error) {
			if ctx.Err() == nil {
				t.Errorf("round %d: %v", seed, err)
			}
		})
		if err != nil {
			t.Errorf("round %d: %v", seed, err)
			return
		}
		rng := rand.New(rand.NewPCG(seed, 100))
		for range 6 + rng.IntN(12) {
			s.strike(rng, counts)
		}
		if err := s.end(); err != nil {
			t.Errorf("round %d: at the end: %v", seed, err)
		}
		if ctx.Err() != nil {
			t.Errorf("round %d did not end in time", seed)
			_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
		}
		calls, lost = s.calls.Load(), s.lost.Load()
	})
	return calls, lost
}

// nothingLeft checks that neither children nor descriptors are left; goroutines are goleak's.
func nothingLeft(t *testing.T, base int) int {
	t.Helper()
	eventually(t, "every child has ended", func() bool {
		children, err := os.ReadFile("/proc/self/task/" + strconv.Itoa(os.Getpid()) + "/children")
		if err != nil {
			return zombies() == 0
		}
		// Children belong to the thread that has started them.
		list, _ := os.ReadDir("/proc/self/task")
		for _, d := range list {
			b, _ := os.ReadFile("/proc/self/task/" + d.Name() + "/children")
			children = append(children, b...)
		}
		return len(bytes.TrimSpace(children)) == 0
	})
	for _, dir := range []string{"/dev/shm", os.TempDir()} {
		list, _ := os.ReadDir(dir)
		for _, e := range list {
			if strings.Contains(e.Name(), "shm-arena") || strings.HasPrefix(e.Name(), "multiproc") {
				t.Errorf("%s is left in %s", e.Name(), dir)
			}
		}
	}
	// The ends of pipes that another process had are let go when the next one is sent.
	moving.Lock()
	for s := range moving.ends {
		delete(moving.ends, s)
		_ = s.detach()
	}
	moving.Unlock()
	n := 0
	eventually(t, "descriptors are closed", func() bool {
		runtime.GC() // received handles are closed when they are garbage
		n = countDescriptors("self")
		return base < 0 || n <= base
	})
	if base < 0 {
		return n
	}
	return min(n, base)
}

// killParent lets another process set the scene and kills that one. It returns how long its family outlived it.
func killParent(t *testing.T, seed uint64) time.Duration {
	mark := "MULTIPROC_FAULT_FAMILY=" + strconv.Itoa(os.Getpid()) + "." + strconv.FormatUint(seed, 10)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "MULTIPROC_TEST_VICTIM=fault", "MULTIPROC_FAULT="+strconv.FormatUint(seed, 10), mark)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	up := make([]byte, 3)
	if _, err := out.Read(up); err != nil || string(up) != "up\n" {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatalf("%q, %v", up, err)
	}
	rng := rand.New(rand.NewPCG(seed, 200))
	time.Sleep(time.Duration(rng.IntN(30_000)) * time.Microsecond)
	family := kinOf(mark)
	if len(family) < 3 {
		t.Errorf("a family of %d", len(family))
	}
	for _, pid := range family { // some are stopped
		if pid != cmd.Process.Pid && rng.IntN(4) == 0 {
			_ = syscall.Kill(pid, syscall.SIGSTOP)
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	killed := time.Now()
	eventually(t, "all that the killed process had started is dead", func() bool { return len(kinOf(mark)) == 0 })
	return time.Since(killed)
}

// kinOf returns the living processes that were started with a variable.
func kinOf(mark string) (pids []int) {
	list, _ := os.ReadDir("/proc")
	for _, d := range list {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		env, err := os.ReadFile("/proc/" + d.Name() + "/environ")
		if err == nil && bytes.Contains(env, []byte(mark+"\x00")) && alive(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// faultVictim sets a scene and plays it until it is killed.
func faultVictim() {
	seed, _ := strconv.ParseUint(os.Getenv("MULTIPROC_FAULT"), 10, 64)
	_, err := newFaultScene(context.Background(), seed, func(err error) {
		_, _ = os.Stderr.WriteString("fault victim: " + err.Error() + "\n")
		os.Exit(1)
	})
	if err != nil {
		_, _ = os.Stderr.WriteString("fault victim: " + err.Error() + "\n")
		os.Exit(1)
	}
	_, _ = os.Stdout.WriteString("up\n")
	select {}
}
