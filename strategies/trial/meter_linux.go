package trial

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// clockProcessCPU is CLOCK_PROCESS_CPUTIME_ID of linux/time.h.
const clockProcessCPU = 2

// cpuClock returns the id of another process's CPU clock, as clock_getcpuclockid(3) makes it: the complement of the
// process id, shifted by three, with 2 for "scheduled time".
func cpuClock(pid int) uintptr { return uintptr(int32(^pid<<3 | 2)) }

func readClock(id uintptr) time.Duration {
	var ts syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		return 0
	}
	return time.Duration(ts.Nano())
}

func (m *meter) readSelf() {
	m.cpu += readClock(clockProcessCPU)
	var self, children syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &self) == nil {
		m.count(&self)
	}
	if syscall.Getrusage(syscall.RUSAGE_CHILDREN, &children) == nil {
		m.count(&children)
		m.cpu += time.Duration(children.Utime.Nano() + children.Stime.Nano())
	}
}

func (m *meter) count(r *syscall.Rusage) {
	m.ctxVoluntary += int64(r.Nvcsw)
	m.ctxForced += int64(r.Nivcsw)
	m.faultsMinor += int64(r.Minflt)
	m.faultsMajor += int64(r.Majflt)
}

func (m *meter) readWorker(pid int) {
	m.cpu += readClock(cpuClock(pid))
	dir := "/proc/" + strconv.Itoa(pid)
	// The switches in a process's status are those of its first thread only.
	threads, err := os.ReadDir(dir + "/task")
	if err != nil {
		return // it ended; from now on it is among the reaped children
	}
	for _, t := range threads {
		status, err := os.ReadFile(dir + "/task/" + t.Name() + "/status")
		if err != nil {
			continue
		}
		m.ctxVoluntary += field(status, "voluntary_ctxt_switches:")
		m.ctxForced += field(status, "nonvoluntary_ctxt_switches:")
	}
	if stat, err := os.ReadFile(dir + "/stat"); err == nil {
		// minflt and majflt are fields 10 and 12; the second, the name in parentheses, may contain anything.
		f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(f) > 9 {
			m.faultsMinor += number(f[7])
			m.faultsMajor += number(f[9])
		}
	}
}

// readMemory returns a process's high-water mark and its proportional share of memory now, in bytes.
func readMemory(pid int) (peak, pss int64) {
	dir := "/proc/" + strconv.Itoa(pid)
	if status, err := os.ReadFile(dir + "/status"); err == nil {
		peak = field(status, "VmHWM:") << 10
	}
	if rollup, err := os.ReadFile(dir + "/smaps_rollup"); err == nil {
		pss = field(rollup, "Pss:") << 10
	}
	return peak, pss
}

// field returns the number after a name at the beginning of a line; 0 where there is none.
func field(text []byte, name string) int64 {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			if f := bytes.Fields(rest); len(f) > 0 {
				return number(f[0])
			}
		}
	}
	return 0
}

func number(b []byte) int64 {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
