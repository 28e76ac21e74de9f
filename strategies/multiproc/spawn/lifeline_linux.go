package spawn

import (
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

// CloseOnExec marks descriptors so that nothing the process starts inherits them. A child calls it on FDIn and FDOut
// first of all: a process that held a copy of a lifeline would keep it alive.
func CloseOnExec(fds ...int) {
	for _, fd := range fds {
		syscall.CloseOnExec(fd)
	}
}

// CloseInherited marks every descriptor but the standard ones, so that nothing this process starts from now on inherits
// what whoever started it had left open. It is for a process that is about to start others; what it has opened itself is
// marked already.
func CloseInherited() {
	const (
		first            = 3
		closeRange       = 436 // SYS_CLOSE_RANGE, the same on every architecture of Go's
		closeRangeOnExec = 4   // CLOSE_RANGE_CLOEXEC, since Linux 5.11
	)
	if _, _, e := syscall.RawSyscall(closeRange, first, uintptr(^uint32(0)), closeRangeOnExec); e == 0 {
		return
	}
	closeInheritedOneByOne(first)
}

// closeInheritedOneByOne is the fallback for older kernels.
func closeInheritedOneByOne(first int) {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, n := range names {
		if fd, err := strconv.Atoi(n.Name()); err == nil && fd >= first {
			syscall.CloseOnExec(fd) // no error where it is that of the listing, and closed again
		}
	}
}

// Lifeline watches a descriptor, normally FDIn, and calls onClose on a goroutine of its own when nobody holds the
// other end any more. It reads nothing and does not change the descriptor: unread data stay, blocking reads stay
// blocking. It costs a goroutine and one descriptor, no thread.
func Lifeline(fd int, onClose func()) {
	f, ep, err := hangupPoller(fd)
	if err != nil {
		go func() { blockUntilHangup(fd); onClose() }()
		return
	}
	go func() {
		defer f.Close()
		rc, err := f.SyscallConn()
		if err == nil {
			var ev [1]syscall.EpollEvent
			err = rc.Read(func(uintptr) bool {
				n, err := syscall.EpollWait(ep, ev[:], 0)
				return n > 0 || err != nil && err != syscall.EINTR
			})
		}
		if err != nil {
			blockUntilHangup(fd)
		}
		onClose()
	}()
}

// hangupPoller returns an epoll instance that becomes readable when fd hangs up, itself registered with the runtime's
// poller. The detour lets fd stay blocking, which the runtime's poller does not accept.
func hangupPoller(fd int) (f *os.File, ep int, err error) {
	ep, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, 0, err
	}
	// No events are asked for: EPOLLHUP and EPOLLERR are always reported.
	ev := syscall.EpollEvent{Fd: int32(fd)}
	if err = syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, fd, &ev); err == nil {
		err = syscall.SetNonblock(ep, true)
	}
	if err != nil {
		_ = syscall.Close(ep)
		return nil, 0, err
	}
	return os.NewFile(uintptr(ep), "lifeline"), ep, nil
}

// blockUntilHangup is the fallback: it keeps a thread in poll(2).
func blockUntilHangup(fd int) {
	for {
		p := struct {
			fd      int32
			events  int16
			revents int16
		}{fd: int32(fd)}
		n, _, e := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, 0, 0, 0, 0)
		if n == 1 || e != 0 && e != syscall.EINTR {
			return
		}
	}
}

const prSetName = 15 // PR_SET_NAME

// ShowName makes the program's name that of the process in ps and top, where one that was started from a link in /proc
// would go by the link's. Linux shows the first 15 bytes.
func ShowName(program string) {
	var name [16]byte
	for i := len(program) - 1; i >= 0; i-- {
		if program[i] == '/' {
			program = program[i+1:]
			break
		}
	}
	copy(name[:15], program)
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetName, uintptr(unsafe.Pointer(&name)), 0)
}
