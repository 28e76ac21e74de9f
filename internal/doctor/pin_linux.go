package doctor

import (
	"errors"

	"golang.org/x/sys/unix"
)

// pin moves the calling thread to one CPU; the function it returns restores the thread's mask.
func pin(cpu int) (func(), error) {
	var old, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &old); err != nil {
		return nil, err
	}
	one.Set(cpu)
	if !one.IsSet(cpu) {
		return nil, errors.New("the CPU number is beyond what the system call takes here")
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return nil, err
	}
	return func() {
		// It was the mask a moment ago; should the cpuset have changed since, the kernel takes what is left of it.
		_ = unix.SchedSetaffinity(0, &old)
	}, nil
}

// openCounter opens a counter of this process's user-space cycles, the least that any hardware counter needs.
func openCounter() error {
	attr := unix.PerfEventAttr{
		Type:   unix.PERF_TYPE_HARDWARE,
		Config: unix.PERF_COUNT_HW_CPU_CYCLES,
		Bits:   unix.PerfBitDisabled | unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv,
	}
	attr.Size = unix.PERF_ATTR_SIZE_VER5
	fd, err := unix.PerfEventOpen(&attr, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}
