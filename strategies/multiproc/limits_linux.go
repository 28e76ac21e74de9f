package multiproc

import (
	"bytes"
	"os"
	"slices"
	"strconv"
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

// signalTree signals every descendant of the child that /proc knows, and repeats that until it finds no new one. For
// SIGKILL all of them, and the child, are stopped first: who is stopped starts nothing, and cannot leave orphans that are
// not found, nor its number to a stranger. The child itself is left to the caller.
func signalTree(c *child, sig syscall.Signal) {
	first := sig
	if sig == syscall.SIGKILL {
		first = syscall.SIGSTOP
		_ = c.Signal(first)
	}
	var seen []int
	for {
		fresh := slices.DeleteFunc(descendants(c.Pid()), func(pid int) bool { return slices.Contains(seen, pid) })
		if len(fresh) == 0 {
			break
		}
		for _, pid := range slices.Backward(fresh) { // the youngest generation first, while its parents are there
			_ = syscall.Kill(pid, first)
		}
		seen = append(seen, fresh...)
	}
	if sig == syscall.SIGKILL {
		for _, pid := range seen {
			_ = syscall.Kill(pid, sig)
		}
	}
}

// descendants returns the processes below pid, breadth first.
func descendants(pid int) []int {
	_ = spawn.FDIn
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
	var found []int
	for todo := []int{pid}; len(todo) > 0; todo = todo[1:] {
		found = append(found, children[todo[0]]...)
		todo = append(todo, children[todo[0]]...)
	}
	return found
}
