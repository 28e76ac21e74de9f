//go:build amd64 || arm64

package spawn

import (
	"io"
	"os"
	"syscall"
	"unsafe"
)

const (
	mfdCloexec      = 1
	mfdAllowSealing = 2
	mfdExec         = 0x10 // Linux 6.3; before, every memory file could be executed
	addSeals        = 1033 // F_ADD_SEALS
	sealAll         = 0xf  // F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE
	madvCollapse    = 25   // Linux 6.1
	hugePage        = 2 << 20
)

// Image copies the executable of this process into anonymous memory made of huge pages and returns it: a process that
// is started from its Path maps its code with a few page faults instead of hundreds. The copy is sealed, costs
// its size in memory, and is gone with its last user. An error says that this system has no such memory to give.
func Image() (_ *os.File, err error) {
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer exe.Close()
	info, err := exe.Stat()
	if err != nil {
		return nil, err
	}
	f, err := MemoryFile("process image")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	size := int(info.Size()+hugePage-1) &^ (hugePage - 1)
	if err := f.Truncate(int64(size)); err != nil {
		return nil, err
	}
	if _, err := io.Copy(f, exe); err != nil {
		return nil, err
	}
	if err := collapse(f.Fd(), size); err != nil {
		return nil, err
	}
	if _, _, e := syscall.Syscall(syscall.SYS_FCNTL, f.Fd(), addSeals, sealAll); e != 0 {
		return nil, os.NewSyscallError("fcntl(F_ADD_SEALS)", e)
	}
	return f, nil
}

// MemoryFile returns an empty file that exists in memory only, can be executed (see Path) and sealed, and is gone with its
// last user. The name is for those who look at /proc. An error says that this system has none to give.
func MemoryFile(name string) (*os.File, error) {
	b, err := syscall.ByteSliceFromString(name)
	if err != nil {
		return nil, err
	}
	fd, _, e := syscall.Syscall(sysMemfdCreate, uintptr(unsafe.Pointer(&b[0])), mfdCloexec|mfdAllowSealing|mfdExec, 0)
	if e == syscall.EINVAL {
		fd, _, e = syscall.Syscall(sysMemfdCreate, uintptr(unsafe.Pointer(&b[0])), mfdCloexec|mfdAllowSealing, 0)
	}
	if e != 0 {
		return nil, os.NewSyscallError("memfd_create", e)
	}
	return os.NewFile(fd, name), nil
}

// collapse moves a memory file of that size into huge pages.
func collapse(fd uintptr, size int) error {
	// Address and offset must agree modulo the size of a huge page: take more room than needed and map at the place in it
	// that does.
	room, _, e := syscall.Syscall6(syscall.SYS_MMAP, 0, uintptr(size)+hugePage, syscall.PROT_NONE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE, ^uintptr(0), 0)
	if e != 0 {
		return os.NewSyscallError("mmap", e)
	}
	defer func() { _, _, _ = syscall.Syscall(syscall.SYS_MUNMAP, room, uintptr(size)+hugePage, 0) }()
	at := (room + hugePage - 1) &^ (hugePage - 1)
	if _, _, e := syscall.Syscall6(syscall.SYS_MMAP, at, uintptr(size), syscall.PROT_READ,
		syscall.MAP_SHARED|syscall.MAP_FIXED, fd, 0); e != 0 {
		return os.NewSyscallError("mmap", e)
	}
	if _, _, e := syscall.Syscall(syscall.SYS_MADVISE, at, uintptr(size), madvCollapse); e != 0 {
		return os.NewSyscallError("madvise(MADV_COLLAPSE)", e)
	}
	return nil
}
