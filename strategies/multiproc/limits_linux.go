package multiproc

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unsafe"
)

// addNice adds to the nice value of this process. On Linux every thread has its own, inherited from the thread that
// started it, and the runtime has started some by now: it goes through them until it finds no new one.
func addNice(n int) error {
	// The raw call returns 20 - nice.
	now, _, _ := syscall.RawSyscall(syscall.SYS_GETPRIORITY, syscall.PRIO_PROCESS, 0, 0)
	target := min(max(20-int(now)+n, -20), 19)
	done := make(map[int]bool)
	for again := true; again; {
		again = false
		list, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, d := range list {
			tid, err := strconv.Atoi(d.Name())
			if err != nil || done[tid] {
				continue
			}
			again, done[tid] = true, true
			if err := syscall.Setpriority(syscall.PRIO_PROCESS, tid, target); err != nil && err != syscall.ESRCH {
				return &os.SyscallError{Syscall: "setpriority " + strconv.Itoa(target) + " (WithNice)", Err: err}
			}
		}
	}
	return nil
}

const rlimitData = 2 // RLIMIT_DATA

// limitMemory sets RLIMIT_DATA a quarter above what the garbage collector aims at, beyond what is mapped by now.
func limitMemory(n int64) error {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return err
	}
	pages := 0
	if f := bytes.Fields(b); len(f) > 5 { // data and stack, in pages
		pages, _ = strconv.Atoi(string(f[5]))
	}
	limit := uint64(pages*os.Getpagesize()) + uint64(n) + uint64(n)/4
	var old syscall.Rlimit
	if err := syscall.Getrlimit(rlimitData, &old); err != nil {
		return os.NewSyscallError("getrlimit", err)
	}
	limit = min(limit, old.Max)
	return os.NewSyscallError("setrlimit", syscall.Setrlimit(rlimitData, &syscall.Rlimit{Cur: limit, Max: limit}))
}

// affinity returns the CPUs that this process may use.
func affinity() []int {
	var mask [128]uint64
	n, _, e := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask)))
	if e != 0 {
		return nil
	}
	var cpus []int
	for i := range int(n) * 8 {
		if mask[i/64]&(1<<(i%64)) != 0 {
			cpus = append(cpus, i)
		}
	}
	return cpus
}

// signalTree signals every descendant of the child. For SIGKILL the child is stopped first; it is left to the caller.
func signalTree(c *child, sig syscall.Signal) {
	if sig == syscall.SIGKILL {
		_ = c.Signal(syscall.SIGSTOP)
		killDescendants(c.Pid(), nil)
		return
	}
	for _, pid := range slices.Backward(descendants(c.Pid(), nil)) { // the youngest first, while its parents are there
		_ = syscall.Kill(pid, sig)
	}
}

// killDescendants kills what is below pid, but for what is below those that skip names. It stops them all before it kills
// the first: who is stopped starts nothing, leaves no orphans that are not found, and does not give its number to a
// stranger.
func killDescendants(pid int, skip func(int) bool) {
	var seen []int
	for {
		fresh := slices.DeleteFunc(descendants(pid, skip), func(pid int) bool { return slices.Contains(seen, pid) })
		if len(fresh) == 0 {
			break
		}
		for _, pid := range fresh {
			_ = syscall.Kill(pid, syscall.SIGSTOP)
		}
		seen = append(seen, fresh...)
	}
	for _, pid := range seen {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// endFamily kills what this process has started, and, if it leads a group of its own, that group: itself included.
func endFamily(skip func(int) bool) {
	killDescendants(os.Getpid(), skip)
	if syscall.Getpgrp() == os.Getpid() {
		_ = syscall.Kill(0, syscall.SIGKILL)
	}
}

// descendants returns the processes below pid, breadth first, without those that skip names and what is below them.
func descendants(pid int, skip func(int) bool) (found []int) {
	below := childrenOf
	if !listsChildren() {
		all := scanChildren()
		below = func(pid int) []int { return all[pid] }
	}
	for todo := []int{pid}; len(todo) > 0; todo = todo[1:] {
		for _, c := range below(todo[0]) {
			if skip == nil || !skip(c) {
				found = append(found, c)
				todo = append(todo, c)
			}
		}
	}
	return found
}

// listsChildren says whether this kernel keeps lists of children (CONFIG_PROC_CHILDREN).
var listsChildren = sync.OnceValue(func() bool {
	pid := strconv.Itoa(os.Getpid())
	_, err := os.Stat("/proc/self/task/" + pid + "/children")
	return err == nil
})

// childrenOf reads the lists of all threads: each has the children that it started.
func childrenOf(pid int) (found []int) {
	dir := "/proc/" + strconv.Itoa(pid) + "/task/"
	threads, _ := os.ReadDir(dir)
	for _, t := range threads {
		b, _ := os.ReadFile(dir + t.Name() + "/children")
		for f := range bytes.FieldsSeq(b) {
			if n, err := strconv.Atoi(string(f)); err == nil {
				found = append(found, n)
			}
		}
	}
	return found
}

// scanChildren asks every process for its parent.
func scanChildren() map[int][]int {
	children := make(map[int][]int)
	list, _ := os.ReadDir("/proc")
	for _, d := range list {
		n, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile("/proc/" + d.Name() + "/stat")
		if err != nil {
			continue
		}
		// The name, in brackets, may hold anything.
		if f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:]); len(f) > 1 {
			parent, _ := strconv.Atoi(string(f[1]))
			children[parent] = append(children[parent], n)
		}
	}
	return children
}

// isPipe says whether a descriptor is the read end of a pipe, as a lifeline is.
func isPipe(fd int) bool {
	var st syscall.Stat_t
	return syscall.Fstat(fd, &st) == nil && st.Mode&syscall.S_IFMT == syscall.S_IFIFO
}

const prSetDeathSignal = 1 // PR_SET_PDEATHSIG

// tradeDeathSignal has the kernel send SIGCONT at the end of the parent instead of SIGKILL: it does nothing to a process
// that runs, and makes one that is stopped see its lifeline. Where busy loops cannot be preempted the lifeline's watch
// might never run: SIGKILL stays.
func tradeDeathSignal() {
	if strings.Contains(os.Getenv("GODEBUG"), "asyncpreemptoff=1") {
		return
	}
	syscall.RawSyscall(syscall.SYS_PRCTL, prSetDeathSignal, uintptr(syscall.SIGCONT), 0)
}
