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
	groups.Lock() // for good: a start that is under way is finished, and no other begins
	for pid := range groups.leader {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
	for began := time.Now(); hasChildren() && time.Since(began) < 100*time.Millisecond; {
		list := children()
		living := 0
		for _, pid := range list {
			if syscall.Kill(pid, syscall.SIGKILL) == nil && !exited(pid, false) {
				living++
			}
		}
		if living == 0 {
			return // zombies are reaped by whoever inherits them
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// hasChildren reports whether this process has any child, a zombie included.
func hasChildren() bool {
	const pAll = 0
	var info [16]uint64 // siginfo_t
	_, _, e := syscall.Syscall6(syscall.SYS_WAITID, pAll, 0, uintptr(unsafe.Pointer(&info)),
		uintptr(syscall.WEXITED|syscall.WNOHANG|wNoWait), 0, 0)
	return e != syscall.ECHILD
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
