package multiproc

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The rows of docs/multiproc.md about Process, from CPython's own tests: one test each, named after its id.

func TestP01_Self(t *testing.T) {
	if Self().Pid() != os.Getpid() || Self().Name() != "MainProcess" || IsChild() {
		t.Error("wrong account of this process")
	}
	if _, ok := Self().Parent(); ok {
		t.Error("the program itself has a parent")
	}
	select {
	case <-Self().ParentDone():
		t.Error("the parent of the program has ended")
	default:
	}
}

func TestP02_Parent(t *testing.T) {
	needProcesses(t)
	f := strings.Split(play(t, "self", "", WithName("a |\"child\"")), "|")
	me := strconv.Itoa(os.Getpid())
	want := []string{f[0], "a ", "\"child\"", me, "MainProcess", "true", "true", me}
	if diff := cmp.Diff(want, f); diff != "" || f[0] == me {
		t.Error(diff)
	}
}

func TestP03_ParentDone(t *testing.T) {
	needProcesses(t)
	path := filepath.Join(t.TempDir(), "file")
	p := started(t, scene("orphans", path))
	pid := number(t, content(t, path+".up"))
	if err := p.Terminate(); err != nil {
		t.Fatal(err)
	}
	if s := content(t, path); s != "parent ended" {
		t.Error(s)
	}
	eventually(t, "the orphan ends", func() bool { return !alive(pid) })
	// The process in the middle ends as an orphan itself, and takes along what it has started, but not who has been given
	// time.
	path = filepath.Join(t.TempDir(), "file")
	p = started(t, scene("line", path))
	pid = number(t, content(t, path+".up"))
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if s := content(t, path); s != "parent ended" {
		t.Error(s)
	}
	eventually(t, "the second orphan ends", func() bool { return !alive(pid) })
}

type everything struct {
	I     int
	S     string
	L     []string
	Empty []int
	Nil   []int
	M     map[string][]float64
	P     *everything
	A     [2]struct{ X, Y int8 }
}

var mirror = Register("test.mirror", func(_ context.Context, e everything) (everything, error) { return e, nil })

func TestP04_Arguments(t *testing.T) {
	needProcesses(t)
	in := everything{-1, "ä\x00b", []string{"", "x"}, []int{}, nil, map[string][]float64{"a": {1, 2}, "b": nil},
		&everything{S: "inner", M: map[string][]float64{}}, [2]struct{ X, Y int8 }{{1, -1}, {127, -128}}}
	out, err := Call(ctxT(t), mirror, in)
	if diff := cmp.Diff(in, out); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestP05_Daemon(t *testing.T) {
	needProcesses(t)
	dir := t.TempDir()
	want := "2, daemon signal 9 (killed), other exit status 0, left 0, call terminated true"
	if s := play(t, "policy", dir); s != want {
		t.Errorf("%q, want %q", s, want)
	}
	if s := text(t, dir+"/hooks"); s != "hook" {
		t.Errorf("hooks: %q, want one", s)
	}
}

func TestP06_LifeCycle(t *testing.T) {
	needProcesses(t)
	g, open := opener(t)
	p := NewProcess(gated, g)
	state := func(when string, alive, pid, exit, listed bool) {
		t.Helper()
		_, hasPid := p.Pid()
		_, hasExit := p.Exit()
		if p.Alive() != alive || hasPid != pid || hasExit != exit || slices.Contains(ActiveChildren(), p) != listed {
			t.Errorf("%s: alive %v, pid %v, exit %v, listed %v", when, p.Alive(), hasPid, hasExit, slices.Contains(ActiveChildren(), p))
		}
	}
	state("new", false, false, false, false)
	started(t, p)
	state("running", true, true, false, true)
	open()
	if exit := joined(t, p); !exit.Success() || exit.Usage.Maxrss <= 0 {
		t.Errorf("%+v", exit)
	}
	state("joined", false, true, true, false)
	pid, _ := p.Pid()
	if v, err := Result[int](ctxT(t), p); v != pid || err != nil {
		t.Error(v, err)
	}
}

func TestP07_OtherProcess(t *testing.T) {
	needProcesses(t)
	if f := strings.Split(play(t, "self", ""), "|"); f[0] == strconv.Itoa(os.Getpid()) {
		t.Error("the function ran in this process")
	}
}

func TestP08_JoinWithExpiredContext(t *testing.T) {
	needProcesses(t)
	p := started(t, scene("spin", filepath.Join(t.TempDir(), "up")))
	over, cancel := context.WithCancel(ctxT(t))
	cancel()
	if _, err := p.Join(over); !errors.Is(err, context.Canceled) || !p.Alive() {
		t.Error(err, p.Alive())
	}
}

func TestP09_Terminate(t *testing.T) { testSignal(t, (*Process).Terminate, syscall.SIGTERM) }

func TestP10_Kill(t *testing.T) { testSignal(t, (*Process).Kill, syscall.SIGKILL) }

func testSignal(t *testing.T, send func(*Process) error, want syscall.Signal) {
	needProcesses(t)
	path := filepath.Join(t.TempDir(), "up")
	p := started(t, scene("spin", path))
	content(t, path)
	if err := send(p); err != nil {
		t.Fatal(err)
	}
	if exit := joined(t, p); exit.Signal != want || exit.Code != -1 {
		t.Error(exit)
	}
	joined(t, p) // at once
	if p.Alive() {
		t.Error("alive after Join")
	}
}

func TestP11_CPUs(t *testing.T) {
	if n := CPUs(); n < 1 || n > runtime.NumCPU() {
		t.Errorf("%d of %d", n, runtime.NumCPU())
	}
	const v2, v1 = "0::/a/b\n", "3:memory:/x\n2:cpu,cpuacct:/a/b\n"
	const mount2 = "25 1 0:23 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
	const mount1 = "20 1 0:1 / /proc rw - proc proc rw\n30 1 0:9 /a /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
	for _, c := range []struct {
		name, groups, mounts string
		files                map[string]string
		want                 int
	}{
		{"no files", "", "", nil, 1 << 30},
		{"unlimited", v2, mount2, map[string]string{"sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, 1 << 30},
		{"rounded up", v2, mount2, map[string]string{"sys/fs/cgroup/a/b/cpu.max": "150000 100000\n"}, 2},
		{"less than one", v2, mount2, map[string]string{"sys/fs/cgroup/a/b/cpu.max": "10000 100000\n"}, 1},
		{"a group above is tighter", v2, mount2, map[string]string{
			"sys/fs/cgroup/a/b/cpu.max": "800000 100000\n", "sys/fs/cgroup/a/cpu.max": "300000 100000\n"}, 3},
		{"version 1, mounted from a group on", v1, mount1, map[string]string{
			"sys/fs/cgroup/cpu/b/cpu.cfs_quota_us": "500000\n", "sys/fs/cgroup/cpu/b/cpu.cfs_period_us": "100000\n"}, 5},
		{"version 1, none", v1, mount1, map[string]string{
			"sys/fs/cgroup/cpu/b/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/b/cpu.cfs_period_us": "100000\n"}, 1 << 30},
		{"nonsense", v2, mount2, map[string]string{"sys/fs/cgroup/a/b/cpu.max": "many some\n"}, 1 << 30},
	} {
		root := t.TempDir()
		files := map[string]string{"proc/self/cgroup": c.groups, "proc/self/mountinfo": c.mounts}
		for name, s := range c.files {
			files[name] = s
		}
		for name, s := range files {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := write(filepath.Join(root, name), s); err != nil {
				t.Fatal(err)
			}
		}
		if n := quota(root); n != c.want {
			t.Errorf("%s: %d, want %d", c.name, n, c.want)
		}
	}
}

func TestP12_ActiveChildren(t *testing.T) {
	needProcesses(t)
	g, open := opener(t)
	a, b := NewProcess(gated, g), NewProcess(gated, g)
	before := len(ActiveChildren())
	for _, p := range []*Process{a, b} {
		started(t, p)
	}
	if list := ActiveChildren(); len(list) != before+2 || list[before] != a || list[before+1] != b {
		t.Errorf("%v", list)
	}
	open()
	<-a.Done() // nobody calls Join
	<-b.Done()
	if list := ActiveChildren(); len(list) != before {
		t.Errorf("%v", list)
	}
	if n := zombies(); n != 0 {
		t.Errorf("%d zombies", n)
	}
}

func TestP13_Recursion(t *testing.T) {
	needProcesses(t)
	if s := play(t, "chain", "2"); s != "7 6 5" {
		t.Errorf("depths %q", s)
	}
	if s := play(t, "chain", "1", WithMaxDepth(1)); s != "1 0" {
		t.Errorf("depths %q", s)
	}
	if _, err := Call(ctxT(t), inChild, script{"chain", "2"}, WithMaxDepth(1), WithStderr(devNull(t))); !errors.Is(err, ErrNested) {
		t.Errorf("deeper than allowed: %v", err)
	}
	if s := play(t, "pool", ""); s != "16" {
		t.Errorf("pool in a child: %q", s)
	}
}

func TestP14_Done(t *testing.T) {
	needProcesses(t)
	p := scene("return", "x")
	select {
	case <-p.Done():
		t.Error("done before Start")
	default:
	}
	<-started(t, p).Done()
	<-p.Done()
}

func TestP15_Close(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	g, open := opener(t)
	p := started(t, NewProcess(gated, g))
	if err := p.Close(); !errors.Is(err, ErrAlive) {
		t.Error(err)
	}
	open()
	joined(t, p)
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	_, joinErr := p.Join(ctx)
	_, resultErr := Result[int](ctx, p)
	for i, err := range []error{p.Start(ctx), joinErr, resultErr, p.Terminate(), p.Kill(), p.Signal(syscall.SIGHUP), p.Stop(ctx)} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("call %d after Close: %v", i, err)
		}
	}
}

func TestP16_ManyProcesses(t *testing.T) {
	needProcesses(t)
	n := 100
	if testing.Short() {
		n = 20
	}
	var list []*Process
	for range n {
		list = append(list, started(t, NewProcess(square, 2)))
	}
	for i, p := range list {
		if exit := joined(t, p); !exit.Success() {
			t.Errorf("process %d: %v", i, exit)
		}
	}
	list = nil
	for range n {
		list = append(list, started(t, NewProcess(block, 1)))
	}
	for _, p := range list {
		if err := p.Terminate(); err != nil {
			t.Error(err)
		}
	}
	for i, p := range list {
		if exit := joined(t, p); exit.Signal != syscall.SIGTERM {
			t.Errorf("process %d: %v", i, exit)
		}
	}
	if n := zombies(); n != 0 {
		t.Errorf("%d zombies", n)
	}
}

var byteCount = Register("test.length", func(_ context.Context, b []byte) (int, error) { return len(b), nil })

func TestP17_ArgumentsAreNotKept(t *testing.T) {
	needProcesses(t)
	const size = 10 << 20
	var keep []*Process
	for range 10 {
		p := started(t, NewProcess(byteCount, make([]byte, size)))
		joined(t, p)
		keep = append(keep, p)
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 5*size {
		t.Errorf("%d MiB in use after arguments of 100 MiB", m.HeapAlloc>>20)
	}
	runtime.KeepAlive(keep)
}

func TestP18_TrackedGoroutines(t *testing.T) {
	needProcesses(t)
	path := filepath.Join(t.TempDir(), "notes")
	play(t, "hooks", path, WithStderr(devNull(t)))
	if s := text(t, path); !strings.HasPrefix(s, "goroutine, second goroutine, ") && !strings.HasPrefix(s, "second goroutine, goroutine, ") {
		t.Errorf("%q", s)
	}
}

func TestP19_ClosedStdio(t *testing.T) {
	needProcesses(t)
	if s := play(t, "silent", ""); s != "exit status 0" {
		t.Errorf("%q", s)
	}
}

// upper is a runner with exported and unexported state, as a subclass of Process would have it.
type upper struct {
	Words []string
	sep   string
}

func (u *upper) Run(context.Context) error {
	for _, w := range u.Words {
		if w == "" {
			return errors.New("empty word")
		}
		if _, err := os.Stdout.WriteString(strings.ToUpper(w) + u.sep); err != nil {
			return err
		}
	}
	return nil
}

var uppers = RegisterRunner[*upper]("test.upper")

func TestP20_Runner(t *testing.T) {
	needProcesses(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := started(t, uppers.New(&upper{[]string{"hello", "world"}, "!\n"}, WithStdout(w)))
	_ = w.Close()
	out, err := io.ReadAll(r)
	if string(out) != "HELLO!\nWORLD!\n" || err != nil {
		t.Errorf("%q %v", out, err)
	}
	if exit := joined(t, p); !exit.Success() {
		t.Error(exit)
	}
	p = started(t, uppers.New(&upper{Words: []string{""}}, WithStderr(devNull(t))))
	exit := joined(t, p)
	if _, err := Result[struct{}](ctxT(t), p); exit.Code != 1 || err == nil || !strings.Contains(err.Error(), "empty word") {
		t.Error(exit, err)
	}
}

func TestP21_PanicTextIsComplete(t *testing.T) {
	needProcesses(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, err = Call(ctxT(t), crash, order{Do: "goroutine"}, WithStderr(w))
	_ = w.Close()
	all, _ := io.ReadAll(bufio.NewReader(r))
	var ce *CrashError
	if !errors.As(err, &ce) || ce.Exit.Code != 2 || !strings.Contains(string(ce.StderrTail), "panic: elsewhere") ||
		!strings.Contains(string(ce.StderrTail), "main_test.go") || !strings.HasSuffix(string(all), string(ce.StderrTail)) {
		t.Errorf("%v\n%s", err, all)
	}
}

func TestP22_ExitCodes(t *testing.T) {
	needProcesses(t)
	for _, c := range []struct {
		scene, arg string
		code       int
	}{{"return", "x", 0}, {"fail", "some reason", 1}, {"exit", "0", 0}, {"exit", "1", 1}, {"exit", "8", 8}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p := started(t, scene(c.scene, c.arg, WithStderr(w)))
		exit := joined(t, p)
		_ = w.Close()
		said, _ := io.ReadAll(r)
		_ = r.Close()
		reason := p.Err() != nil && strings.Contains(p.Err().Error(), "some reason")
		if exit.Code != c.code || reason != (c.scene == "fail") || len(said) > 0 {
			t.Errorf("%s %s: %v, %v, %q", c.scene, c.arg, exit, p.Err(), said)
		}
	}
}

func TestP23_AtExit(t *testing.T) {
	needProcesses(t)
	for how, want := range map[string]struct {
		code int
		end  string
	}{
		"":     {0, "hook 2, hook 1, hook 0"},
		"fail": {1, "hook 2, hook 1, hook 0"},
		"exit": {8, "hook 2, hook 1, hook 0"},
	} {
		path := filepath.Join(t.TempDir(), "notes")
		p := started(t, scene("hooks", path+"|"+how, WithStderr(devNull(t))))
		if exit := joined(t, p); exit.Code != want.code {
			t.Errorf("%q: %v", how, exit)
		}
		if s := text(t, path); !strings.HasSuffix(s, want.end) || strings.Count(s, "hook") != 3 {
			t.Errorf("%q: %q, want the end %q", how, s, want.end)
		}
	}
}

func TestP24_Inheritance(t *testing.T) {
	needProcesses(t)
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	t.Setenv("GOMEMLIMIT", "1000000000")
	t.Setenv("GODEBUG", "madvdontneed=1")
	t.Setenv("MULTIPROC_TEST_VALUE", "from the parent")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if s := play(t, "inherited", ""); s != "1000000000|madvdontneed=1|from the parent|"+here+"|27" {
		t.Errorf("%q", s)
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	opts := []ProcOption{WithDir(dir), WithEnv("MULTIPROC_TEST_VALUE=option", "GODEBUG="), WithMemoryLimit(1 << 30)}
	if s := play(t, "inherited", "", opts...); s != "1073741824||option|"+dir+"|27" {
		t.Errorf("%q", s)
	}
}

func TestP25_WrongOrder(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	p := scene("return", "x")
	_, joinErr := p.Join(ctx)
	for i, err := range []error{joinErr, p.Terminate(), p.Kill(), p.Signal(syscall.SIGHUP), p.Stop(ctx)} {
		if !errors.Is(err, ErrNotStarted) {
			t.Errorf("call %d before Start: %v", i, err)
		}
	}
	started(t, p)
	if err := p.Start(ctx); !errors.Is(err, ErrStarted) {
		t.Error(err)
	}
	joined(t, p)
	if err := p.Start(ctx); !errors.Is(err, ErrStarted) {
		t.Error(err)
	}
}

func TestP27_HooksRunOnce(t *testing.T) {
	needProcesses(t)
	dir := t.TempDir()
	play(t, "policy", dir) // calls Shutdown twice and then ends, which would run them again
	if s := text(t, dir+"/hooks"); s != "hook" {
		t.Errorf("%q", s)
	}
}
