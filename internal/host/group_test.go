//go:build unix

package host

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const childRole = "HOST_TEST_CHILD"

// TestMain plays the member of a group: it works until told that it may stop waiting, says so, and waits for ever.
func TestMain(m *testing.M) {
	if os.Getenv(childRole) == "" {
		os.Exit(m.Run())
	}
	in := bufio.NewReader(os.Stdin)
	for {
		if _, err := in.ReadString('\n'); err != nil {
			os.Exit(0) // the test is gone
		}
		x := uint64(1)
		for range 30_000_000 {
			x = x*6364136223846793005 + 1442695040888963407
		}
		os.Stdout.WriteString("worked " + strconv.FormatUint(x, 10) + "\n")
	}
}

// member starts a child that works once for every line written to it.
func member(t *testing.T) (cmd *exec.Cmd, work func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(exe)
	cmd.Env = append(os.Environ(), childRole+"=1")
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
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewReader(out)
	return cmd, func() {
		t.Helper()
		if _, err := io.WriteString(in, "\n"); err != nil {
			t.Fatal(err)
		}
		if l, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(l, "worked") {
			t.Fatalf("child said %q, %v", l, err)
		}
	}
}

// TestGroup runs on whatever hierarchies this machine has and lets this process use; with none it checks the refusal.
func TestGroup(t *testing.T) {
	m := Open("")
	tried := 0
	for _, h := range m.groupPlaces() {
		g, err := m.newGroup("test-"+strconv.Itoa(tried), []hierarchy{h})
		if err != nil {
			if !errors.Is(err, ErrNoGroup) {
				t.Errorf("NewGroup: %v, want ErrNoGroup", err)
			}
			continue
		}
		tried++
		t.Run("v2="+strconv.FormatBool(h.v2), func(t *testing.T) { testGroup(t, g.(group)) })
	}
	g, err := m.NewGroup("")
	if tried == 0 {
		if !errors.Is(err, ErrNoGroup) {
			t.Errorf("NewGroup where no group can be made: %v, want ErrNoGroup", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Remove(); err != nil {
		t.Error(err)
	}
}

func testGroup(t *testing.T, g group) {
	defer func() {
		if err := g.Remove(); err != nil {
			t.Error(err)
		}
		if err := g.Remove(); err != nil {
			t.Errorf("removing twice: %v", err)
		}
		if _, err := os.Stat(g.dir); !os.IsNotExist(err) {
			t.Errorf("the group is still there: %v", err)
		}
	}()
	if err := g.Add(1 << 30); err == nil {
		t.Error("a process that does not exist can be added")
	}
	cmd, work := member(t)
	work() // before it is a member
	if err := g.Add(cmd.Process.Pid); err != nil {
		// Making a group may be allowed where moving processes is not (a container's own files).
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EBUSY) {
			t.Logf("cannot move a process: %v", err)
			return
		}
		t.Fatal(err)
	}
	before, err := g.UsageNS()
	if err != nil {
		t.Fatal(err)
	}
	own := ProcessCPU(cmd.Process.Pid)
	work()
	after, err := g.UsageNS()
	if err != nil {
		t.Fatal(err)
	}
	// The child waits again, so all its work is charged: what the group gained is what the child's clock gained. The
	// tolerance of 1 ms is for its way out of the read and into the next, which straddle the readings.
	gained, used := after-before, int64(ProcessCPU(cmd.Process.Pid)-own)
	if used <= 0 || gained < used/2 || gained > 2*used+1e6 {
		t.Errorf("the group gained %d ns while its member used %d", gained, used)
	}
	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the member ended with %v, want SIGKILL", err)
	}
	if last, err := g.UsageNS(); err != nil || last < after {
		t.Errorf("usage after the end: %d, %v; was %d", last, err, after)
	}
	if err := g.Kill(); err != nil {
		t.Errorf("killing an empty group: %v", err)
	}
}

// On a machine whose files are no cgroup file system nothing is left behind.
func TestNoGroup(t *testing.T) {
	for _, name := range trees {
		m := tree(t, name, nil)
		_, err := m.NewGroup("")
		if !errors.Is(err, ErrNoGroup) {
			t.Errorf("%q: %v, want ErrNoGroup", name, err)
		}
		if err != nil && strings.Contains(err.Error(), m.root) {
			t.Errorf("%q: the error shows a group's path: %v", name, err)
		}
		left, err := filepath.Glob(filepath.Join(m.root, "sys/fs/cgroup", "*", groupPrefix+"*"))
		if err != nil || len(left) > 0 {
			t.Errorf("%q: left behind %v, %v", name, left, err)
		}
	}
	if _, err := Open("").NewGroup("a/../b"); !errors.Is(err, ErrNoGroup) {
		t.Errorf("a name with a slash: %v", err)
	}
}

func TestRemoveStaleGroups(t *testing.T) {
	m := tree(t, "vm-cgroup1", map[string]string{
		"proc/77/stat": "77 (alive) S",
		"sys/fs/cgroup/unified/parbench-78-2/cgroup.procs": "500\n", // rmdir refuses it, as the kernel would with a member
	})
	at := func(p string) string { return path.Join(m.root, "sys/fs/cgroup", p) }
	stale := []string{"unified/parbench-78-1", "cpuacct/parbench-79-x"}
	stay := []string{"unified/parbench-77-1", "unified/parbench-x-1", "unified/parbench-80", "unified/other-78-1", "unified/parbench-78-2"}
	for _, p := range append(stale, stay...) {
		if err := os.MkdirAll(at(p), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if n := m.RemoveStaleGroups(); n != len(stale) {
		t.Errorf("removed %d groups, want %d", n, len(stale))
	}
	for _, p := range stale {
		if _, err := os.Stat(at(p)); !os.IsNotExist(err) {
			t.Errorf("%s is still there", p)
		}
	}
	for _, p := range stay {
		if _, err := os.Stat(at(p)); err != nil {
			t.Errorf("%s is gone", p)
		}
	}
}

func TestProcessCPU(t *testing.T) {
	if ProcessCPU(0) == 0 {
		if Open("").exists("/proc/self/stat") {
			t.Fatal("this process has used no CPU time")
		}
		return // no such clock on this system
	}
	cmd, work := member(t)
	work()
	first := ProcessCPU(cmd.Process.Pid)
	work()
	if second := ProcessCPU(cmd.Process.Pid); second <= first {
		t.Errorf("a child that worked went from %v to %v", first, second)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if got := ProcessCPU(cmd.Process.Pid); got != 0 {
		t.Errorf("a process that was reaped: %v, want 0", got)
	}
}
