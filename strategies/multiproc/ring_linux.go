//go:build amd64 || arm64

package multiproc

import (
	"os"
	"syscall"
	"unsafe"

	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

const (
	mfdCloexec        = 1
	madvPopulateWrite = 23
	futexWaitOp       = 0
	futexWakeOp       = 1
)

// fdRing is the worker's descriptor of its shared memory, until it has mapped it.
const fdRing = spawn.FDOut + 1

// createRing makes the shared memory of a worker. Where it is not available (an old kernel, a sandbox, no memory) the
// pipes do the work alone.
func createRing() (*ring, *os.File, error) {
	name := [...]byte{'m', 'u', 'l', 't', 'i', 'p', 'r', 'o', 'c', 0}
	fd, _, e := syscall.Syscall(sysMemfdCreate, uintptr(unsafe.Pointer(&name)), mfdCloexec, 0)
	if e != 0 {
		return nil, nil, os.NewSyscallError("memfd_create", e)
	}
	f := os.NewFile(fd, "multiproc")
	if err := f.Truncate(ringSize); err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	r, err := mapRing(int(fd))
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	// The slots have memory from the start; the areas get it as they grow.
	if err := populate(r.mem[:areaOffset]); err != nil {
		r.unmap()
		_ = f.Close()
		return nil, nil, err
	}
	return r, f, nil
}

func mapRing(fd int) (*ring, error) {
	mem, err := syscall.Mmap(fd, 0, ringSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	return newRing(mem), nil
}

// openRing maps a worker's shared memory. The mapping stays for the life of the process, the descriptor does not.
func openRing() (*ring, error) {
	r, err := mapRing(fdRing)
	_ = syscall.Close(fdRing)
	return r, err
}

func (r *ring) unmap() { _ = syscall.Munmap(r.mem) }

// populate gives memory to pages (madvise(2), MADV_POPULATE_WRITE, Linux 5.14).
func populate(b []byte) error {
	_, _, e := syscall.Syscall(syscall.SYS_MADVISE, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), madvPopulateWrite)
	if e != 0 {
		return os.NewSyscallError("madvise", e)
	}
	return nil
}

// futexWait sleeps while *p is val. It is not a raw system call, so that the thread's P is free for others meanwhile.
// It may return for no reason.
func futexWait(p *uint32, val uint32) {
	_, _, _ = syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(p)), futexWaitOp, uintptr(val), 0, 0, 0)
}

// futexWake wakes one sleeper. It never blocks, so it may be raw.
func futexWake(p *uint32) {
	_, _, _ = syscall.RawSyscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(p)), futexWakeOp, 1, 0, 0, 0)
}

// osYield lets another thread have the CPU. Without it, a thread that is woken may have to wait on the spinner's CPU.
func osYield() { _, _, _ = syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0) }
