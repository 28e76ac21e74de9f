package spawn

import (
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
		for _, pid := range children() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			for {
				// What is stuck in the kernel is left to the next round.
				if _, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil); err != syscall.EINTR {
					break
				}
			}
		}
		time.Sleep(200 * time.Microsecond) // a killed process takes a moment, and its own children come here then
	}
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
		list := children()
		left := 0
		for _, pid := range list {
			if syscall.Kill(pid, syscall.SIGKILL) == nil && !exited(pid, false) {
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

// children lists this process's children from /proc: not every kernel has a file that does.
func children() (pids []int) {
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
		if len(f) > 1 && f[1] == self {
			pids = append(pids, pid)
		}
	}
	return pids
}
