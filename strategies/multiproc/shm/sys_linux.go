//go:build amd64 || arm64

package shm

import (
	"math/bits"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// Numbers from the kernel's headers that package syscall lacks (golang.org/x/sys would delay every start).
const (
	sysFutexWaitv = 449

	mfdCloexec      = 1
	mfdAllowSealing = 2
	fDupFDCloexec   = 1030
	fAddSeals       = 1033
	fGetSeals       = 1034
	sealSeal        = 1
	sealShrink      = 2
	sealGrow        = 4

	futexWaitBitset = 9
	futexWakeBitset = 10
	futex2Size32    = 2

	clockMonotonic    = 1
	madvHugepage      = 14
	madvPopulateWrite = 23
	fallocKeepSize    = 1
	fallocPunchHole   = 2
	mapNoReserve      = 0x4000
	mapFixed          = 0x10
	mapAnonymous      = 0x20
)

const supported = true

// memfile makes an anonymous memory file that can never change its size again.
func memfile(size int64) (*os.File, error) {
	name := [...]byte{'s', 'h', 'm', '-', 'a', 'r', 'e', 'n', 'a', 0}
	fd, _, e := syscall.Syscall(sysMemfdCreate, uintptr(unsafe.Pointer(&name)), mfdCloexec|mfdAllowSealing, 0)
	if e != 0 {
		return nil, os.NewSyscallError("memfd_create", e)
	}
	f := os.NewFile(fd, "shm-arena")
	if err := f.Truncate(size); err != nil {
		f.Close()
		return nil, err
	}
	if _, _, e := syscall.Syscall(syscall.SYS_FCNTL, fd, fAddSeals, sealShrink|sealGrow|sealSeal); e != 0 {
		f.Close()
		return nil, os.NewSyscallError("fcntl F_ADD_SEALS", e)
	}
	return f, nil
}

// fileID is what tells one memory file from another in this process.
type fileID struct{ dev, ino uint64 }

// inspect returns the size and identity of a file that is sealed against shrinking; others could be truncated under a
// mapping, which is a SIGBUS.
func inspect(f *os.File) (int64, fileID, error) {
	fd := f.Fd()
	seals, _, e := syscall.Syscall(syscall.SYS_FCNTL, fd, fGetSeals, 0)
	if e != 0 || seals&sealShrink == 0 {
		return 0, fileID{}, ErrNotArena
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(int(fd), &st); err != nil {
		return 0, fileID{}, os.NewSyscallError("fstat", err)
	}
	return st.Size, fileID{st.Dev, st.Ino}, nil
}

func dup(f *os.File) (*os.File, error) {
	fd, _, e := syscall.Syscall(syscall.SYS_FCNTL, f.Fd(), fDupFDCloexec, 3)
	if e != 0 {
		return nil, os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", e)
	}
	return os.NewFile(fd, "shm-arena"), nil
}

func mapFile(f *os.File, size int, huge bool) ([]byte, error) {
	b, err := syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED|mapNoReserve)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	if huge {
		// Advice only: a kernel without huge pages for memory files refuses it.
		_ = syscall.Madvise(b, madvHugepage)
	}
	return b, nil
}

func unmap(b []byte) { _ = syscall.Munmap(b) }

// detach puts private zero memory in place of the file, so that the file can go while stale handles stay harmless.
func detach(b []byte) {
	//nolint:errcheck // On failure the file stays mapped, which wastes memory and harms nobody.
	syscall.Syscall6(syscall.SYS_MMAP, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|mapFixed|mapAnonymous|mapNoReserve, ^uintptr(0), 0)
}

// populate gives every page of b memory now, so that there is an error here rather than a SIGBUS later.
func populate(f *os.File, b []byte, off int64) error {
	for {
		err := syscall.Madvise(b, madvPopulateWrite)
		switch err {
		case nil:
			return nil
		case syscall.EINTR, syscall.EAGAIN:
		case syscall.EINVAL, syscall.ENOSYS: // before Linux 5.14
			err = syscall.Fallocate(int(f.Fd()), 0, off, int64(len(b)))
			if err == syscall.EINTR {
				continue
			}
			if err == nil || err == syscall.EOPNOTSUPP || err == syscall.ENOSYS {
				return nil
			}
			return ErrNoMemory
		default:
			return ErrNoMemory
		}
	}
}

// punch returns the memory of whole pages to the machine; they read as zero afterwards.
func punch(f *os.File, off, n int64) bool {
	return syscall.Fallocate(int(f.Fd()), fallocKeepSize|fallocPunchHole, off, n) == nil
}

type timespec struct{ sec, nsec int64 }

func monotonicAfter(d time.Duration) timespec {
	var ts timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&ts)), 0)
	ts.nsec += int64(d)
	ts.sec += ts.nsec / 1e9
	ts.nsec %= 1e9
	return ts
}

// futexWait sleeps while *p is val, until a wake-up that matches mask, or for d. Not a raw system call: the goroutine's P
// must be free for others meanwhile. Not private: others map the same file elsewhere.
func futexWait(p *uint32, val, mask uint32, d time.Duration) {
	ts := monotonicAfter(d)
	for {
		_, _, e := syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(p)), futexWaitBitset, uintptr(val),
			uintptr(unsafe.Pointer(&ts)), 0, uintptr(mask))
		if e != syscall.EINTR {
			return
		}
	}
}

// futexWake wakes up to n sleepers whose mask has a bit of this one. It never blocks, so it may be raw.
func futexWake(p *uint32, n int32, mask uint32) {
	_, _, _ = syscall.RawSyscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(p)), futexWakeBitset, uintptr(n), 0, 0, uintptr(mask))
}

// waitvEntry is struct futex_waitv of the kernel.
type waitvEntry struct {
	val   uint64
	addr  uintptr // 64 bits on both architectures; the memory is not the collector's
	flags uint32
	_     uint32
}

// futexWaitv sleeps until one of several words is woken or has not its value. It returns the index of one such word, -1
// where it is unknown, and false where the kernel (before Linux 5.16) or its sandbox lacks the call.
func futexWaitv(es []waitvEntry, d time.Duration) (int, bool) {
	ts := monotonicAfter(d)
	i, _, e := syscall.Syscall6(sysFutexWaitv, uintptr(unsafe.Pointer(&es[0])), uintptr(len(es)), 0,
		uintptr(unsafe.Pointer(&ts)), clockMonotonic, 0)
	switch e {
	case 0:
		return int(i), true
	case syscall.ENOSYS, syscall.EPERM, syscall.EINVAL:
		return -1, false
	}
	return -1, true
}

func osyield() { syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0) }

// usableCPUs is how many CPUs the calling thread may run on.
func usableCPUs() int {
	var mask [128]uint64
	n, _, e := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask)))
	if e != 0 {
		return 1
	}
	cpus := 0
	for _, w := range mask[:(n+7)/8] {
		cpus += bits.OnesCount64(w)
	}
	return cpus
}

// pidNamespace identifies the PID namespace of this process; 0 where /proc does not tell.
func pidNamespace() uint64 {
	s, err := os.Readlink("/proc/self/ns/pid")
	if err != nil || len(s) < len("pid:[]") {
		return 0
	}
	n, _ := strconv.ParseUint(s[len("pid:["):len(s)-1], 10, 64)
	return n
}

// procStat reads what /proc/PID/stat says about a process: its start in clock ticks since boot, and whether it is a
// zombie without another live thread. A killed process whose first thread has ended may still be running in others.
func procStat(pid int) (start uint64, zombie, ok bool) {
	fd, err := syscall.Open("/proc/"+strconv.Itoa(pid)+"/stat", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return 0, false, false
	}
	defer syscall.Close(fd)
	var buf [1024]byte
	n, err := syscall.Read(fd, buf[:])
	if err != nil || n <= 0 {
		return 0, false, false
	}
	// The name in parentheses may hold anything; fields are counted from its end. State is the 3rd field, the number of
	// threads the 20th, the start the 22nd: proc_pid_stat(5).
	b := buf[:n]
	i := n - 1
	for i > 0 && b[i] != ')' {
		i--
	}
	state, threads, field := byte(0), uint64(0), 2
	for i++; i < n; i++ {
		if b[i] == ' ' {
			field++
			continue
		}
		switch field {
		case 3:
			state = b[i]
		case 20:
			threads = threads*10 + uint64(b[i]-'0')
		case 22:
			start = start*10 + uint64(b[i]-'0')
		}
	}
	return start, (state == 'Z' || state == 'X') && threads <= 1, field >= 22
}

// processGone tells whether there is no process of that number any more, reaped or not.
func processGone(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }
