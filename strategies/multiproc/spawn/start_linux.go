package spawn

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// request is a start on its way to the spawning thread.
type request struct {
	cmd   *Command
	child *Child
	sys   syscall.SysProcAttr
	pidfd int // -1: none
	err   error
	done  chan struct{}
}

var spawner struct {
	once  sync.Once
	queue chan *request
}

// living knows the children that have not been reaped by their number, so that one that the kernel has handed out again is
// never mistaken for the old one, nor a child for an orphan. Held across each start and each reaping, which excludes these.
var living = struct {
	sync.Mutex
	child map[int]*Child
}{child: make(map[int]*Child)}

// Start starts the child. Its error names the path or the CPUs.
func Start(cmd Command) (*Child, error) {
	spawner.once.Do(func() {
		spawner.queue = make(chan *request)
		go spawnLoop()
	})
	r := newRequest(&cmd)
	r.sys.PidFD = &r.pidfd
	r.done = make(chan struct{})
	spawner.queue <- r
	<-r.done
	if r.err != nil {
		return nil, r.err
	}
	go r.child.watch(r.pidfd)
	return r.child, nil
}

func newRequest(cmd *Command) *request {
	return &request{cmd: cmd, child: &Child{group: cmd.NewGroup, done: make(chan struct{})}, pidfd: -1}
}

// Run starts the child, hands it to started, and returns when it has been reaped. It does all that on the thread of the
// calling goroutine, which the kernel wakes when the child ends: without the two changes of threads that Start and Done
// cost, for one thread for each child that runs (BenchmarkStart and BenchmarkRun). An error says that there is no child, and
// started was not called then; the child's own end is for Wait to tell.
func Run(cmd Command, started func(*Child)) error {
	// Until the child has ended, because its death signal comes when the thread ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r := newRequest(&cmd)
	if err := r.start(); err != nil {
		return err
	}
	started(r.child)
	r.child.watch(r.pidfd)
	return nil
}

// spawnLoop never returns: the parent-death signal of every child hangs on the life of its thread.
func spawnLoop() {
	runtime.LockOSThread()
	for r := range spawner.queue {
		r.err = r.start()
		close(r.done)
	}
}

func (r *request) start() (err error) {
	cmd := r.cmd
	args := cmd.Args
	if len(args) == 0 {
		args = []string{cmd.Path}
	}
	env := cmd.Env
	if env == nil {
		env = os.Environ()
	}
	null := -1
	if cmd.Stdin == nil || cmd.Stdout == nil || cmd.Stderr == nil {
		null, err = syscall.Open(os.DevNull, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "open", Path: os.DevNull, Err: err}
		}
		defer syscall.Close(null)
	}
	files := make([]uintptr, 0, 8)
	for _, f := range []*os.File{cmd.Stdin, cmd.Stdout, cmd.Stderr} {
		if f == nil {
			files = append(files, uintptr(null))
		} else {
			files = append(files, f.Fd())
		}
	}
	if cmd.Protocol {
		var in, out [2]int
		if err := syscall.Pipe2(in[:], syscall.O_CLOEXEC); err != nil {
			return os.NewSyscallError("pipe2", err)
		}
		if err := syscall.Pipe2(out[:], syscall.O_CLOEXEC); err != nil {
			_ = syscall.Close(in[0])
			_ = syscall.Close(in[1])
			return os.NewSyscallError("pipe2", err)
		}
		defer syscall.Close(in[0])
		defer syscall.Close(out[1])
		files = append(files, uintptr(in[0]), uintptr(out[1]))
		// Non-blocking on this side only: each end of a pipe is an open file of its own.
		_ = syscall.SetNonblock(in[1], true)
		_ = syscall.SetNonblock(out[0], true)
		r.child.In = os.NewFile(uintptr(in[1]), "|child")
		r.child.Out = os.NewFile(uintptr(out[0]), "child|")
		defer func() {
			if err != nil {
				_ = r.child.In.Close()
				_ = r.child.Out.Close()
			}
		}()
	}
	for _, f := range cmd.Extra {
		files = append(files, f.Fd())
	}
	if cmd.CPUs != nil {
		restore, err := pin(cmd.CPUs)
		if err != nil {
			return err
		}
		defer restore()
	}
	death := syscall.SIGKILL
	if cmd.NoDeathSignal {
		death = 0
	}
	sys := &r.sys
	sys.Setpgid, sys.Pdeathsig = cmd.NewGroup, death
	if cmd.ControlGroup != nil {
		sys.UseCgroupFD, sys.CgroupFD = true, int(cmd.ControlGroup.Fd())
	}
	attr := &syscall.ProcAttr{Dir: cmd.Dir, Env: env, Files: files, Sys: sys}
	living.Lock()
	defer living.Unlock()
	r.child.began = ticks()
	var pid int
	if cmd.Launcher != nil {
		pid, err = r.launch(cmd.Path, args, attr)
	} else {
		pid, _, err = syscall.StartProcess(cmd.Path, args, attr)
	}
	runtime.KeepAlive(cmd)
	if err != nil {
		return &os.PathError{Op: "start", Path: cmd.Path, Err: err}
	}
	r.child.pid = pid
	living.child[pid] = r.child
	return nil
}

// pin sets the affinity of the calling thread, which the child inherits, and returns what puts it back.
func pin(cpus []int) (restore func(), err error) {
	var old, mask [128]uint64 // 8192 CPUs, the kernel's own limit
	for _, c := range cpus {
		if c < 0 || c >= len(mask)*64 {
			return nil, &CPUError{CPUs: cpus, Err: syscall.EINVAL}
		}
		mask[c/64] |= 1 << (c % 64)
	}
	n, _, e := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(old), uintptr(unsafe.Pointer(&old)))
	if e != 0 {
		return nil, os.NewSyscallError("sched_getaffinity", e)
	}
	// The kernel silently intersects the mask with what the process may use; a CPU that is not there must be an error,
	// so the result is read back.
	if _, _, e := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask))); e != 0 {
		return nil, &CPUError{CPUs: cpus, Err: e}
	}
	restore = func() {
		syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, n, uintptr(unsafe.Pointer(&old)))
	}
	var got [128]uint64
	if _, _, e := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(got), uintptr(unsafe.Pointer(&got))); e != 0 || got != mask {
		restore()
		return nil, &CPUError{CPUs: cpus, Err: syscall.EINVAL}
	}
	return restore, nil
}

// CPUError says that a child could not be pinned.
type CPUError struct {
	CPUs []int
	Err  error
}

func (e *CPUError) Error() string {
	s := "spawn: cannot pin a child to CPUs "
	for i, c := range e.CPUs {
		if i > 0 {
			s += ","
		}
		s += strconv.Itoa(c)
	}
	return s + ": " + e.Err.Error() + "; choose from the CPUs this process may use"
}

// Unwrap returns the cause.
func (e *CPUError) Unwrap() error { return e.Err }

const (
	pPID    = 1 // P_PID of waitid(2)
	wNoWait = 0x01000000
)

// exited reports whether the process has ended, without reaping it; block says whether to wait for that.
func exited(pid int, block bool) bool {
	options := uintptr(syscall.WEXITED | wNoWait)
	if !block {
		options |= syscall.WNOHANG
	}
	var info [16]uint64 // siginfo_t, 128 bytes
	for {
		_, _, e := syscall.Syscall6(syscall.SYS_WAITID, pPID, uintptr(pid), uintptr(unsafe.Pointer(&info)), options, 0, 0)
		switch e {
		case syscall.EINTR:
		case 0:
			return int32(info[0]) != 0 // si_signo is SIGCHLD, or 0 when WNOHANG found nothing
		default:
			return true // ECHILD: somebody else reaped it
		}
	}
}

// watch waits for the process to end, kills what is left of its group while the zombie still holds the group's number,
// and reaps it.
func (c *Child) watch(pidfd int) {
	if !c.pollExit(pidfd) {
		exited(c.pid, true)
	}
	if c.group {
		_ = syscall.Kill(-c.pid, syscall.SIGKILL)
	}
	living.Lock()
	defer living.Unlock()
	delete(living.child, c.pid)
	c.mu.Lock()
	var status syscall.WaitStatus
	var usage syscall.Rusage
	for {
		_, err := syscall.Wait4(c.pid, &status, 0, &usage)
		if err == syscall.EINTR {
			continue
		}
		c.err = os.NewSyscallError("wait4", err)
		break
	}
	c.reaped = true
	c.mu.Unlock()
	c.state = Ended(status, usage)
	if c.err != nil {
		c.state.Code = -1
	}
	close(c.done)
}

// pollExit parks the goroutine, not a thread, until the process has ended; false means that pidfds cannot be polled
// here (before Linux 5.3).
func (c *Child) pollExit(pidfd int) bool {
	if pidfd < 0 {
		return false
	}
	// os.NewFile registers a descriptor with the runtime's poller only if it is non-blocking.
	if err := syscall.SetNonblock(pidfd, true); err != nil {
		_ = syscall.Close(pidfd)
		return false
	}
	f := os.NewFile(uintptr(pidfd), "pidfd")
	defer f.Close()
	rc, err := f.SyscallConn()
	if err != nil {
		return false
	}
	return rc.Read(func(uintptr) bool { return exited(c.pid, false) }) == nil
}

// Signal sends sig to the process, never to a stranger that got its number later: after reaping it returns ErrDone.
func (c *Child) Signal(sig syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped {
		return ErrDone
	}
	return os.NewSyscallError("kill", syscall.Kill(c.pid, sig))
}

// Kill sends SIGKILL to the process, or with Command.NewGroup to its whole group. It is idempotent, and does nothing
// once the process has been reaped: its group was killed before that.
func (c *Child) Kill() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped {
		return nil
	}
	pid := c.pid
	if c.group {
		pid = -pid
	}
	return os.NewSyscallError("kill", syscall.Kill(pid, syscall.SIGKILL))
}

// Reap waits for the process, then reaps every member of its group that has become a child of this process (see
// BecomeSubreaper), until none is left. Call it after Kill. It returns ctx's error if that ends first. A process that
// has moved to another group is not found by this.
func (c *Child) Reap(ctx context.Context) error {
	if _, err := c.Wait(ctx); err != nil {
		return err
	}
	if !c.group {
		return nil
	}
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		if c.reapOrphans() {
			return nil
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
}

// reapOrphans reaps what can be reaped at once and reports whether the group has no member left here. A member's own
// children come to the subreaper before the member itself can be waited for, so "no children" is final.
func (c *Child) reapOrphans() bool {
	living.Lock()
	defer living.Unlock()
	if living.child[c.pid] != nil {
		return true // the number belongs to a new process: our group is gone
	}
	for {
		pid, err := syscall.Wait4(-c.pid, nil, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
		case errors.Is(err, syscall.ECHILD):
			return true
		case err != nil:
			return true
		case pid == 0:
			return false
		}
	}
}

const prSetChildSubreaper = 36

// BecomeSubreaper makes orphans among the descendants of this process its children (prctl(2),
// PR_SET_CHILD_SUBREAPER), so that Reap finds them.
func BecomeSubreaper() error {
	_, _, e := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0)
	if e != 0 {
		return os.NewSyscallError("prctl", e)
	}
	return nil
}
