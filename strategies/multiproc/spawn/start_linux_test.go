//go:build linux

package spawn

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// child is what the test binary does when a test starts it.
func child(role string) {
	switch role {
	case "exit":
		n, _ := strconv.Atoi(os.Getenv("SPAWN_TEST_N"))
		os.Exit(n)
	case "echo":
		CloseOnExec(FDIn, FDOut)
		_, _ = io.Copy(os.NewFile(FDOut, "out"), os.NewFile(FDIn, "in"))
	case "status": // /proc/self/status, which tells the affinity
		b, _ := os.ReadFile("/proc/self/status")
		_, _ = os.NewFile(FDOut, "out").Write(b)
	case "descriptors":
		list, _ := os.ReadDir("/proc/self/fd")
		out := os.NewFile(FDOut, "out")
		for _, d := range list {
			link, _ := os.Readlink("/proc/self/fd/" + d.Name())
			_, _ = out.WriteString(d.Name() + " " + link + "\n")
		}
	case "lifeline": // a busy loop on the only P, with unread data in the pipe
		runtime.GOMAXPROCS(1)
		Lifeline(FDIn, func() { os.Exit(42) })
		_, _ = os.NewFile(FDOut, "out").Write([]byte("busy\n"))
		for { //nolint:staticcheck // only the lifeline ends it
		}
	case "sleep":
		_, _ = os.NewFile(FDOut, "out").Write([]byte("up\n"))
		time.Sleep(time.Hour)
	case "family": // two generations below this one, all in one group; tells their pids
		depth, _ := strconv.Atoi(os.Getenv("SPAWN_TEST_N"))
		_, _ = os.NewFile(FDOut, "out").WriteString(strconv.Itoa(os.Getpid()) + "\n")
		if depth > 0 {
			// Not through Start: these must not die by the parent-death signal.
			_, err := os.StartProcess("/proc/self/exe", os.Args[:1], &os.ProcAttr{
				Env:   env(role, depth-1),
				Files: []*os.File{nil, nil, os.Stderr, nil, os.NewFile(FDOut, "out")},
			})
			if err != nil {
				panic(err)
			}
		}
		if depth == 2 { // the leader; with /dev/null it leaves at once, so a test that wants it to stay gives it a pipe
			_, _ = os.Stdin.Read(make([]byte, 1)) // until the test lets go
			os.Exit(0)
		}
		time.Sleep(time.Hour)
	case "parent": // for TestParentDeath: two children, then waits to be killed
		for range 2 {
			c, err := Start(Command{Path: "/proc/self/exe", Args: os.Args[:1], Env: env("sleep", 0), Protocol: true, NewGroup: true})
			if err != nil {
				panic(err)
			}
			_, _ = c.Out.Read(make([]byte, 3))
			_, _ = os.NewFile(FDOut, "out").WriteString(strconv.Itoa(c.Pid()) + "\n")
		}
		runtime.GC() // nothing that keeps the children is a Go object
		time.Sleep(time.Hour)
	case "launching parent": // for TestLauncherParentDeath: a child by a launcher, then waits to be killed
		l, err := OpenLauncher()
		if err != nil {
			panic(err)
		}
		c, err := Start(Command{Path: "/bin/sleep", Args: []string{"sleep", "1000"}, NewGroup: true, Launcher: l})
		if err != nil {
			panic(err)
		}
		_, _ = os.NewFile(FDOut, "out").WriteString(strconv.Itoa(c.Pid()) + "\n")
		time.Sleep(time.Hour)
	case "reaper": // for TestReapOrphans
		reaper()
	case "ender": // for TestEndOrphansOfAChild
		ender()
	}
	os.Exit(0)
}

// reaper runs children that leave orphans behind, and panics unless these are reaped, and only these.
func reaper() {
	if err := BecomeSubreaper(); err != nil {
		panic(err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 25 {
				script := "setsid true & setsid sleep 0.001 & exit " + strconv.Itoa(i)
				var child *Child
				if err := Run(Command{Path: "/bin/sh", Args: []string{"sh", "-c", script}, NewGroup: true}, func(c *Child) { child = c }); err != nil {
					panic(err)
				}
				if child.err != nil || child.state.Code != i {
					panic(child.state.String())
				}
				ReapOrphans()
			}
		})
	}
	wg.Wait()
	for hasChildren() { // the last ones may not have ended
		ReapOrphans()
		time.Sleep(time.Millisecond)
	}
}

// What a child has left behind is ended, with its own children and in whatever groups; an older orphan and a child that lives
// stay.
func TestEndOrphansOfAChild(t *testing.T) {
	c := start(t, "ender", 0, nil)
	if s, err := c.Wait(ctxT(t)); err != nil || !s.Success() {
		t.Errorf("%v, %v", s, err)
	}
}

// ender runs children that leave orphans behind, and panics unless the second one's are ended, and only these.
func ender() {
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	check(BecomeSubreaper())
	ctx := context.Background()
	run := func(script string) *Child {
		c, err := Start(Command{Path: "/bin/sh", Args: []string{"sh", "-c", script}, NewGroup: true, Stderr: os.Stderr})
		check(err)
		return c
	}
	// The output's end says that what is left behind has a session of its own by then.
	_, err := run(`x=$(setsid sh -c "sleep 1000 >/dev/null & echo up")`).Wait(ctx)
	check(err)
	older := children()
	time.Sleep(Tick)

	c := run(`x=$(setsid sh -c "sh -c 'sleep 1000 & setsid sleep 1000 & wait' >/dev/null & echo up")`)
	living := run("sleep 1000")
	_, err = c.Wait(ctx)
	check(err)
	if n := len(children()); n != 3 {
		panic(strconv.Itoa(n) + " children before, not the older orphan, the new one and a child")
	}
	c.EndOrphans(time.Minute)
	left := children()
	if len(older) != 1 || len(left) != 2 || !slices.Contains(left, older[0]) || living.state.String() != "not ended" {
		panic("other children than the older orphan and the child are left, or not these")
	}
	check(living.Kill())
	_, err = living.Wait(ctx)
	check(err)
	if EndOrphans(time.Minute); hasChildren() {
		panic("somebody is left")
	}
}

// Orphans that have ended do not pile up, and no child's end is taken from whoever waits for it.
func TestReapOrphans(t *testing.T) {
	c := start(t, "reaper", 0, nil)
	if s, err := c.Wait(ctxT(t)); err != nil || !s.Success() {
		t.Errorf("%v, %v", s, err)
	}
}

// inherited are the descriptors that whoever started the test left open across exec: children get them as well.
var inherited = func() map[string]bool {
	m := make(map[string]bool)
	list, _ := os.ReadDir("/proc/self/fd")
	for _, d := range list {
		if link, err := os.Readlink("/proc/self/fd/" + d.Name()); err == nil {
			m[link] = true
		}
	}
	return m
}()

// env replaces the variables: of two values for one name a Go program sees the first.
func env(role string, n int) []string {
	list := slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "SPAWN_TEST_") })
	return append(list, "SPAWN_TEST_ROLE="+role, "SPAWN_TEST_N="+strconv.Itoa(n))
}

func start(t *testing.T, role string, n int, change func(*Command)) *Child {
	t.Helper()
	cmd := Command{Path: "/proc/self/exe", Args: os.Args[:1], Env: env(role, n), Stderr: os.Stderr, Protocol: true}
	if change != nil {
		change(&cmd)
	}
	c, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Kill()
		if err := c.Reap(context.Background()); err != nil {
			t.Error(err)
		}
		if c.In != nil {
			_ = c.In.Close()
			_ = c.Out.Close()
		}
	})
	return c
}

func ctxT(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never happened: " + what)
		}
	}
}

// procState returns the state letter of a process, or 0 if there is none.
func procState(pid int) byte {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	return b[bytes.LastIndexByte(b, ')')+2]
}

func TestExitStates(t *testing.T) {
	ctx := ctxT(t)
	for _, n := range []int{0, 1, 255} {
		c := start(t, "exit", n, func(c *Command) { c.Protocol = false })
		if s, err := c.Wait(ctx); err != nil || s.Code != n || s.Signal != 0 || s.Success() != (n == 0) {
			t.Errorf("exit %d: %v %v", n, s, err)
		}
		if c.In != nil || c.Out != nil {
			t.Error("pipes without Protocol")
		}
		if err := c.Signal(syscall.SIGTERM); !errors.Is(err, ErrDone) {
			t.Errorf("Signal after reaping: %v", err)
		}
		if err := c.Kill(); err != nil {
			t.Errorf("Kill after reaping: %v", err)
		}
		if procState(c.Pid()) != 0 {
			t.Error("not reaped")
		}
	}
	c := start(t, "sleep", 0, nil)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.Wait(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait with an ended context: %v", err)
	}
	if err := c.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	s, err := c.Wait(ctx)
	if err != nil || s.Signal != syscall.SIGTERM || s.Code != -1 || s.String() != "signal 15 (terminated)" {
		t.Errorf("%v %v", s, err)
	}
	if s.Usage.Utime.Nano()+s.Usage.Stime.Nano() == 0 && s.Usage.Maxrss == 0 {
		t.Errorf("no usage: %+v", s.Usage)
	}
}

// The path without pidfds, which old kernels take, sees the same.
func TestWatchWithoutPidfd(t *testing.T) {
	c := &Child{done: make(chan struct{})}
	r := &request{cmd: &Command{Path: "/proc/self/exe", Args: os.Args[:1], Env: env("exit", 3)}, child: c, pidfd: -1}
	if err := r.start(); err != nil {
		t.Fatal(err)
	}
	_ = syscall.Close(r.pidfd)
	c.watch(-1)
	if s, err := c.Wait(ctxT(t)); err != nil || s.Code != 3 {
		t.Errorf("%v %v", s, err)
	}
}

func TestStartErrors(t *testing.T) {
	before := countDescriptors()
	if _, err := Start(Command{Path: "/no/such/program", Protocol: true}); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "/no/such/program") {
		t.Errorf("%v", err)
	}
	var ce *CPUError
	for _, cpus := range [][]int{{}, {-1}, {1 << 20}, {8191}, {0, 8191}} {
		if _, err := Start(Command{Path: "/bin/true", CPUs: cpus}); !errors.As(err, &ce) {
			t.Errorf("CPUs %v: %v", cpus, err)
		}
	}
	if after := countDescriptors(); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func countDescriptors() int {
	list, _ := os.ReadDir("/proc/self/fd")
	return len(list)
}

func TestProtocolPipes(t *testing.T) {
	c := start(t, "echo", 0, nil)
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // more than both pipes hold
	go func() {
		_, _ = c.In.Write(want)
		_ = c.In.Close()
	}()
	got, err := io.ReadAll(c.Out)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
}

func readAll(t *testing.T, c *Child) string {
	t.Helper()
	b, err := io.ReadAll(c.Out)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func affinity(t *testing.T, status string) string {
	t.Helper()
	_, rest, ok := strings.Cut(status, "Cpus_allowed_list:")
	if !ok {
		t.Fatal("no affinity in the status")
	}
	return strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0])
}

// usable returns the CPUs this process may use.
func usable(t *testing.T) (cpus []int) {
	var mask [128]uint64
	if _, _, e := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask))); e != 0 {
		t.Fatal(e)
	}
	for i := range len(mask) * 64 {
		if mask[i/64]>>(i%64)&1 == 1 {
			cpus = append(cpus, i)
		}
	}
	return cpus
}

// Pinned and free children, started at the same time, do not get each other's affinity.
func TestPinning(t *testing.T) {
	cpus := usable(t)
	free := affinity(t, readAll(t, start(t, "status", 0, nil)))
	var wg sync.WaitGroup
	for i := range 12 {
		cpu := cpus[i%len(cpus)]
		c := start(t, "status", 0, func(c *Command) {
			if i%3 > 0 {
				c.CPUs = []int{cpu}
			}
		})
		wg.Go(func() {
			want := free
			if i%3 > 0 {
				want = strconv.Itoa(cpu)
			}
			if got := affinity(t, readAll(t, c)); got != want {
				t.Errorf("affinity %s, want %s", got, want)
			}
		})
	}
	wg.Wait()
}

// A child has its own ends of its own pipes and the standard three, whatever else this process holds.
func TestDescriptorsDoNotLeak(t *testing.T) {
	for range 5 {
		start(t, "sleep", 0, nil)
	}
	lines := strings.Split(strings.TrimSpace(readAll(t, start(t, "descriptors", 0, nil))), "\n")
	seen := make(map[string]string)
	for _, l := range lines {
		fd, link, _ := strings.Cut(l, " ")
		seen[fd] = link
		// The runtime of the child opens an epoll, an eventfd and the directory that it lists.
		if n, _ := strconv.Atoi(fd); n > 4 && !inherited[link] && (strings.HasPrefix(link, "pipe:") || strings.HasPrefix(link, "socket:")) {
			t.Errorf("descriptor %s is %s", fd, link)
		}
	}
	if seen["0"] != "/dev/null" || seen["1"] != "/dev/null" || !strings.HasPrefix(seen["3"], "pipe:") || !strings.HasPrefix(seen["4"], "pipe:") {
		t.Errorf("%v", seen)
	}
}

// Files reach the child under the numbers that the documentation says.
func TestExtra(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	lines := readAll(t, start(t, "descriptors", 0, func(c *Command) { c.Extra = []*os.File{w}; c.Stdin = r }))
	for _, want := range []string{"0 pipe:", "5 pipe:"} {
		if !strings.Contains("\n"+lines, "\n"+want) {
			t.Errorf("no %q in %q", want, lines)
		}
	}
}

func TestLifeline(t *testing.T) {
	c := start(t, "lifeline", 0, nil)
	if _, err := c.Out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.In.Write([]byte("unread")); err != nil {
		t.Fatal(err)
	}
	_ = c.In.Close()
	if s, err := c.Wait(ctxT(t)); err != nil || s.Code != 42 {
		t.Errorf("%v %v", s, err)
	}
}

func pids(t *testing.T, c *Child, n int) (list []int) {
	t.Helper()
	for sc := bufio.NewScanner(c.Out); len(list) < n && sc.Scan(); {
		pid, err := strconv.Atoi(sc.Text())
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, pid)
	}
	if len(list) != n {
		t.Fatalf("%d pids, want %d", len(list), n)
	}
	return list
}

// Kill takes the whole group, three generations deep, and Reap leaves no zombie of it although only the first was
// started here.
func TestGroup(t *testing.T) {
	if err := BecomeSubreaper(); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	c := start(t, "family", 2, func(c *Command) { c.NewGroup, c.Stdin = true, r })
	family := pids(t, c, 3)
	if pgid, err := syscall.Getpgid(family[2]); err != nil || pgid != c.Pid() {
		t.Errorf("group %d of the grandchild, %v", pgid, err)
	}
	for range 2 {
		if err := c.Kill(); err != nil {
			t.Error(err)
		}
	}
	if err := c.Reap(ctxT(t)); err != nil {
		t.Error(err)
	}
	for _, pid := range family {
		if s := procState(pid); s != 0 {
			t.Errorf("%d is in state %c", pid, s)
		}
	}
}

// A leader that ends by itself takes its group with it, so that its number cannot come to mean another group.
func TestLeaderLeaves(t *testing.T) {
	if err := BecomeSubreaper(); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := start(t, "family", 2, func(c *Command) {
		c.NewGroup, c.Stdin = true, r
	})
	family := pids(t, c, 3)
	_ = w.Close()
	if s, err := c.Wait(ctxT(t)); err != nil || s.Code != 0 {
		t.Errorf("%v %v", s, err)
	}
	if err := c.Reap(ctxT(t)); err != nil {
		t.Error(err)
	}
	for _, pid := range family {
		if s := procState(pid); s != 0 {
			t.Errorf("%d is in state %c", pid, s)
		}
	}
}

// A killed parent takes its children with it, at once, although they neither watch a lifeline nor share its group.
func TestParentDeath(t *testing.T) {
	c := start(t, "parent", 0, nil)
	list := pids(t, c, 2)
	for _, pid := range list {
		if s := procState(pid); s == 0 || s == 'Z' {
			t.Errorf("%d is not alive", pid)
		}
	}
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Wait(ctxT(t)); err != nil { // its children are whose they will be
		t.Fatal(err)
	}
	for _, pid := range list {
		eventually(t, strconv.Itoa(pid)+" dies", func() bool { s := procState(pid); return s == 0 || s == 'Z' })
		// This process may have become its reaper.
		_, _ = syscall.Wait4(pid, nil, 0, nil)
	}
}

// Children survive the threads and goroutines that asked for them: only the end of the process ends them.
func TestThreadsMayEnd(t *testing.T) {
	var c *Child
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		c = start(t, "echo", 0, nil)
	}()
	<-done
	if _, err := c.In.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Out.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("the child does not answer: %v", err)
	}
}

func TestManyAtOnce(t *testing.T) {
	before := countDescriptors()
	var wg sync.WaitGroup
	ctx := ctxT(t)
	for i := range 40 {
		wg.Go(func() {
			c, err := Start(Command{Path: "/proc/self/exe", Args: os.Args[:1], Env: env("exit", i), NewGroup: i%2 == 0})
			if err != nil {
				t.Error(err)
				return
			}
			if s, err := c.Wait(ctx); err != nil || s.Code != i {
				t.Errorf("child %d: %v %v", i, s, err)
			}
			if err := c.Reap(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if after := countDescriptors(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		c, err := Start(Command{Path: "/bin/true"})
		if err != nil {
			b.Fatal(err)
		}
		<-c.Done()
	}
}

func BenchmarkRun(b *testing.B) {
	for b.Loop() {
		if err := Run(Command{Path: "/bin/true"}, func(*Child) {}); err != nil {
			b.Fatal(err)
		}
	}
}

// What Run starts is pinned, can be killed meanwhile, and has ended when Run returns, with the thread as it was before.
func TestRun(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	affinity := func(task string) string {
		b, err := os.ReadFile(task + "/status")
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(b), "Cpus_allowed_list:")
		line, _, _ := strings.Cut(rest, "\n")
		return strings.TrimSpace(line)
	}
	before, descriptors := affinity("/proc/thread-self"), countDescriptors()
	cpu, _, _ := strings.Cut(before, ",")
	cpu, _, _ = strings.Cut(cpu, "-")
	n, err := strconv.Atoi(cpu)
	if err != nil {
		t.Fatal(err)
	}
	var child *Child
	var pinned string
	if err := Run(Command{Path: "/bin/sleep", Args: []string{"sleep", "1000"}, CPUs: []int{n}, NewGroup: true}, func(c *Child) {
		child = c
		pinned = affinity("/proc/" + strconv.Itoa(c.Pid()))
		if err := c.Kill(); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if after := affinity("/proc/thread-self"); pinned != cpu || after != before {
		t.Errorf("the child ran on %s, want %s; this thread before on %s, after on %s", pinned, cpu, before, after)
	}
	select {
	case <-child.Done():
	default:
		t.Error("the child is not done")
	}
	if s, err := child.Wait(t.Context()); err != nil || s.Signal != syscall.SIGKILL {
		t.Errorf("%v, %v", s, err)
	}
	if err := child.Kill(); err != nil {
		t.Error("killed again:", err)
	}
	if n := countDescriptors(); n != descriptors {
		t.Errorf("%d descriptors before, %d after", descriptors, n)
	}
	called := false
	err = Run(Command{Path: "/no/such/program"}, func(*Child) { called = true })
	if called || !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "/no/such/program") {
		t.Errorf("%v, started called: %v", err, called)
	}
}
