package spawn

import (
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// EndOrphans kills and reaps the processes that have become children of this one because it is a subreaper: whatever left
// its group before its parent ended. Call it when every child that Start returned has been reaped; a child that was
// started in another way would be killed, too. It gives up after patience.
func EndOrphans(patience time.Duration) {
	for began := time.Now(); hasChildren() && time.Since(began) < patience; {
		for _, c := range children() {
			endOrphan(c.pid)
		}
		time.Sleep(orphanPause)
	}
}

// orphanPause is between two looks for orphans: a killed process takes a moment, and its own children come here then.
const orphanPause = 200 * time.Microsecond

// endOrphan kills a process that has become a child of this one, and reaps it if it has ended by then. What is stuck in the
// kernel is left to the next look.
func endOrphan(pid int) {
	living.Lock()
	defer living.Unlock()
	if living.child[pid] != nil {
		return
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	for {
		if _, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil); err != syscall.EINTR {
			return
		}
	}
}

// EndOrphans kills and reaps the processes that have become children of this one because it is a subreaper, and that began
// when the child did or later: what the child has left behind, whatever group that is in. It is for a process that goes on,
// and may have other children from before, and any that Start and Run have started. Call it when the child has been reaped.
// It gives up after patience. Where this process has no other children, it costs a system call, else a look through /proc.
//
// An orphan of somebody else's that began less than a Tick before the child may be taken for one of the child's.
func (c *Child) EndOrphans(patience time.Duration) {
	for began := time.Now(); hasChildren() && time.Since(began) < patience; time.Sleep(orphanPause) {
		left := false
		for _, o := range children() {
			if o.began >= c.began && !isLiving(o.pid) {
				left = true
				endOrphan(o.pid)
			}
		}
		// A parent can be reaped only once its children have come here, so that nothing is missed between two looks.
		if !left {
			return
		}
	}
}

func isLiving(pid int) bool {
	living.Lock()
	defer living.Unlock()
	return living.child[pid] != nil
}

// ticks returns the time since the machine was started in the units of /proc/PID/stat, see proc(5) and times(2).
func ticks() int64 {
	const bootTime = 7 // CLOCK_BOOTTIME
	var t syscall.Timespec
	if _, _, e := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, bootTime, uintptr(unsafe.Pointer(&t)), 0); e != 0 {
		return math.MaxInt64
	}
	return t.Nano() / int64(Tick)
}

// KillAll kills every group that this process has started, and what has left them. Nothing can be started afterwards: it
// is for a process that is about to end itself.
func KillAll() {
	living.Lock() // for good: a start that is under way is finished, and no other begins
	for pid, c := range living.child {
		if c.group {
			_ = syscall.Kill(-pid, syscall.SIGKILL)
		}
	}
	for began := time.Now(); hasChildren() && time.Since(began) < 100*time.Millisecond; {
		left := 0
		for _, c := range children() {
			if syscall.Kill(c.pid, syscall.SIGKILL) == nil && !exited(c.pid, false) {
				left++
			}
		}
		if left == 0 {
			return // zombies are reaped by whoever inherits them
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// ReapOrphans reaps processes that have ended and have become children of this one because it is a subreaper, so that they
// do not use up the process numbers of the machine. Where none has ended it costs a system call.
func ReapOrphans() {
	for {
		pid, err := ended()
		if err != 0 || pid == 0 || !reapOrphan(pid) {
			return
		}
	}
}

// reapOrphan reaps a process that has ended, unless it is one of those that Start and Run will.
func reapOrphan(pid int) bool {
	living.Lock()
	defer living.Unlock()
	if living.child[pid] != nil {
		return false
	}
	got, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
	return got == pid && err == nil
}

// hasChildren reports whether this process has any child, a zombie included.
func hasChildren() bool {
	_, err := ended()
	return err != syscall.ECHILD
}

// ended returns the number of a child that has ended and not been reaped; 0: there is none.
func ended() (int, syscall.Errno) {
	const pAll = 0
	var info [16]uint64 // siginfo_t, whose si_pid is the fifth word of 32 bits
	_, _, e := syscall.Syscall6(syscall.SYS_WAITID, pAll, 0, uintptr(unsafe.Pointer(&info)),
		uintptr(syscall.WEXITED|syscall.WNOHANG|wNoWait), 0, 0)
	return int(int32(info[2])), e
}

// orphan is a child of this process, be it one that Start started or not, and when it began, in ticks.
type orphan struct {
	pid   int
	began int64
}

// children lists this process's children from /proc: not every kernel has a file that does.
func children() (list []orphan) {
	self := strconv.Itoa(os.Getpid())
	names, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, n := range names {
		pid, err := strconv.Atoi(n.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + n.Name() + "/stat")
		if err != nil {
			continue
		}
		// The parent is the second field after the name, which is in parentheses and may contain anything.
		text := string(stat)
		f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
		if len(f) > 19 && f[1] == self {
			began, _ := strconv.ParseInt(f[19], 10, 64)
			list = append(list, orphan{pid, began})
		}
	}
	return list
}
