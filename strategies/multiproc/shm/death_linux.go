//go:build amd64 || arm64

package shm

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

const (
	sysPidfdOpen = 434
	pollIn       = 1
)

// deaths are the processes whose end somebody in this process waits for: a pidfd each, in the runtime's poller, for as
// long as there is such a waiter.
var deaths struct {
	sync.Mutex
	m map[int]*deathWatch
}

type deathWatch struct {
	file    *os.File
	waiters map[*func()]struct{}
}

// watchDeath calls f, once, when the process ends, unless stop is called before. It does nothing where the kernel cannot
// watch: before Linux 5.3, in a sandbox, without descriptors, or because there is no such process any more.
func watchDeath(pid int, f func()) (stop func()) {
	deaths.Lock()
	defer deaths.Unlock()
	w := deaths.m[pid]
	if w == nil {
		fd, _, e := syscall.Syscall(sysPidfdOpen, uintptr(pid), syscall.O_NONBLOCK, 0)
		if e != 0 {
			return func() {}
		}
		w = &deathWatch{file: os.NewFile(fd, "pidfd"), waiters: make(map[*func()]struct{})}
		conn, err := w.file.SyscallConn()
		if err != nil {
			_ = w.file.Close()
			return func() {}
		}
		if deaths.m == nil {
			deaths.m = make(map[int]*deathWatch)
		}
		deaths.m[pid] = w
		go w.run(pid, conn)
	}
	key := &f
	w.waiters[key] = struct{}{}
	return func() {
		deaths.Lock()
		defer deaths.Unlock()
		delete(w.waiters, key)
		if len(w.waiters) == 0 && deaths.m[pid] == w {
			delete(deaths.m, pid)
			_ = w.file.Close() // ends run
		}
	}
}

// run waits until the process has ended or the file is closed.
func (w *deathWatch) run(pid int, conn syscall.RawConn) {
	err := conn.Read(func(fd uintptr) bool {
		p := struct {
			fd              int32
			events, revents int16
		}{int32(fd), pollIn, 0}
		ts := timespec{}
		n, _, e := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
		return e == 0 && n > 0
	})
	if errors.Is(err, os.ErrClosed) {
		return
	}
	// Also where the runtime cannot poll it: the waiters look for themselves then.
	deaths.Lock()
	if deaths.m[pid] == w {
		delete(deaths.m, pid)
		_ = w.file.Close()
	}
	told := make([]*func(), 0, len(w.waiters))
	for f := range w.waiters {
		told = append(told, f)
	}
	clear(w.waiters)
	deaths.Unlock()
	for _, f := range told {
		(*f)()
	}
}
