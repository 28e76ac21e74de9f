package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// ErrNoGroup is wrapped by NewGroup's error when this process may not make control groups.
var ErrNoGroup = errors.New("no control group can be made")

const groupPrefix = "parbench-"

// Group is a control group that accounts for the processes of one trial and can end them all, also those that left
// their process group. It holds no descriptor. It is safe for concurrent use.
type Group interface {
	// Open opens the group's directory for processes to be born into (spawn.Command.ControlGroup), which costs nothing
	// where Add costs 10 to 15 ms, because the kernel waits for all CPUs before it moves a running process. The error
	// wraps ErrNoGroup with cgroup v1, which has no such thing. The caller closes the file.
	Open() (*os.File, error)
	// Add moves a process with all its threads into the group. Children that it starts from then on are in it too; what
	// it used before stays with its old group.
	Add(pid int) error
	// UsageNS returns the CPU time that all members, past ones included, used in the group, in nanoseconds. A thread that
	// is running now is charged up to its last tick or context switch.
	UsageNS() (int64, error)
	// Members returns the processes that are in the group now.
	Members() []int
	// Kill sends SIGKILL to every member, and to those that they start meanwhile. It does not wait for them to end. With
	// cgroup v2 the group cannot be used again: some kernels (6.18 among them) also kill what is born into it later.
	Kill() error
	// Remove removes the group, waiting up to a second for killed members to be gone. Removing twice is no error.
	Remove() error
}

var _ Group = group{}

// group is a directory in a cgroup file system.
type group struct {
	dir string // on this machine, root included
	v2  bool
}

var groupCount atomic.Int64

// NewGroup makes a group below this process's own and checks that it accounts. The name must be unique; it is preceded
// by "parbench-PID-" unless it has that already, and an empty name stands for a running number, so that
// RemoveStaleGroups can recognise what a dead process left. cgroup v2 is tried first (it kills all members at once),
// then v1 cpuacct. The error wraps ErrNoGroup where neither is permitted.
func (m *Machine) NewGroup(name string) (Group, error) { return m.newGroup(name, m.groupPlaces()) }

// newGroup makes a group in the first of the places that lets it.
func (m *Machine) newGroup(name string, places []hierarchy) (Group, error) {
	own := groupPrefix + strconv.Itoa(os.Getpid()) + "-"
	switch {
	case name == "":
		name = own + strconv.FormatInt(groupCount.Add(1), 10)
	case !strings.HasPrefix(name, own):
		name = own + name
	}
	if strings.ContainsAny(name, "/\x00\n") || len(name) > 200 {
		return nil, fmt.Errorf("make control group %q: a name has at most 200 bytes and no slash: %w", name, ErrNoGroup)
	}
	cause := errors.New("no cgroup v2 and no cpuacct hierarchy is mounted")
	for _, h := range places {
		g := group{dir: m.path(path.Join(h.own, name)), v2: h.v2}
		if err := os.Mkdir(g.dir, 0o755); err != nil {
			cause = err
			continue
		}
		_, err := g.UsageNS()
		if err == nil {
			// Where moving a process is not permitted, opening the file fails already.
			var f *os.File
			if f, err = os.OpenFile(path.Join(g.dir, "cgroup.procs"), os.O_WRONLY, 0); err == nil {
				err = f.Close()
			}
		}
		if err == nil {
			return g, nil
		}
		cause = err
		_ = os.Remove(g.dir)
	}
	return nil, fmt.Errorf("make control group: %w (%w)", ErrNoGroup, bare(cause))
}

// bare takes the path from a file error: group paths can hold user names, and these errors are shown and stored.
func bare(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("%s: %w", pe.Op, pe.Err)
	}
	return err
}

// groupPlaces lists the hierarchies that can hold a trial's group, best first.
func (m *Machine) groupPlaces() []hierarchy {
	var v1, v2 []hierarchy
	for _, h := range m.hierarchies() {
		switch {
		case h.v2:
			v2 = append(v2, h)
		case h.has("cpuacct"):
			v1 = append(v1, h)
		}
	}
	return append(v2, v1...)
}

func (g group) Open() (*os.File, error) {
	if !g.v2 {
		return nil, fmt.Errorf("open %s: %w: only cgroup v2 lets processes be born into a group", g.dir, ErrNoGroup)
	}
	return os.Open(g.dir)
}

func (g group) Add(pid int) error {
	err := g.write("cgroup.procs", strconv.Itoa(pid))
	if err != nil {
		return fmt.Errorf("move process %d into its control group: %w", pid, bare(err))
	}
	return nil
}

// write writes to a file that must exist.
func (g group) write(file, text string) error {
	f, err := os.OpenFile(path.Join(g.dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func (g group) UsageNS() (int64, error) {
	m := &Machine{root: g.dir}
	if g.v2 {
		if us, ok := m.pairs("cpu.stat")["usage_usec"]; ok {
			return us * 1000, nil
		}
		return 0, fmt.Errorf("read usage_usec in cpu.stat of the control group: %w", ErrUnknown)
	}
	ns, err := strconv.ParseInt(m.Setting("cpuacct.usage"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read cpuacct.usage of the control group: %w", ErrUnknown)
	}
	return ns, nil
}

func (g group) Kill() error {
	if g.v2 && g.write("cgroup.kill", "1") == nil {
		return nil
	}
	// v1, and v2 before Linux 5.14: members can start others while they are killed, so go on until a pass finds none.
	// A killed process may be listed for a moment still; the bound is for one that cannot die.
	var errs error
	for range 1000 {
		pids := g.Members()
		if len(pids) == 0 {
			return nil
		}
		errs = nil
		for _, pid := range pids {
			if pid == os.Getpid() {
				continue
			}
			if err := kill(pid); err != nil {
				errs = errors.Join(errs, fmt.Errorf("kill process %d: %w", pid, err))
			}
		}
		time.Sleep(200 * time.Microsecond)
	}
	return errs
}

// members lists the processes in the group.
func (g group) Members() []int {
	var out []int
	m := &Machine{root: g.dir}
	for line := range m.lines("cgroup.procs") {
		if pid := atoi(line, 0); pid > 0 {
			out = append(out, pid)
		}
	}
	return out
}

func (g group) Remove() error {
	const patience = time.Second
	wait := 100 * time.Microsecond
	for start := time.Now(); ; {
		err := os.Remove(g.dir)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if time.Since(start) > patience {
			return fmt.Errorf("remove the control group: %w", bare(err))
		}
		time.Sleep(wait)
		wait = min(2*wait, 20*time.Millisecond)
	}
}

// RemoveStaleGroups removes the empty groups that parbench processes now dead left beside this process's own, and
// returns their number. Groups with members, and those of live processes, stay.
func (m *Machine) RemoveStaleGroups() int {
	n := 0
	for _, h := range m.groupPlaces() {
		for _, name := range m.names(h.own) {
			rest, ok := strings.CutPrefix(name, groupPrefix)
			text, _, dashed := strings.Cut(rest, "-")
			pid := atoi(text, 0)
			if !ok || !dashed || pid <= 0 || m.exists("/proc/"+strconv.Itoa(pid)) {
				continue
			}
			// rmdir refuses a group that has members.
			if os.Remove(m.path(path.Join(h.own, name))) == nil {
				n++
			}
		}
	}
	return n
}
