package host

import (
	"syscall"
	"time"
	"unsafe"
)

// ProcessCPU returns the CPU time that all threads of a process have used, 0 for this process, from its CPU-time clock:
// nanoseconds, where /proc counts ticks. A process that has ended gives 0.
func ProcessCPU(pid int) time.Duration {
	const processCPUTime = 2 // CLOCK_PROCESS_CPUTIME_ID
	clock := uintptr(processCPUTime)
	if pid != 0 {
		// The kernel's encoding of another process's clock: the complemented pid above three bits that name the kind.
		clock = uintptr(^pid)<<3 | processCPUTime
	}
	var ts syscall.Timespec
	if _, _, e := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&ts)), 0); e != 0 {
		return 0
	}
	return time.Duration(ts.Nano())
}
