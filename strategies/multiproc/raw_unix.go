//go:build unix

package multiproc

import (
	"errors"
	"syscall"
)

// rawRead and rawWrite block in the system call. A worker has nothing else to do meanwhile, and the runtime's poller
// would add two system calls to every message.
func rawRead(fd int, b []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, b)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

func rawWrite(fd int, b []byte) (int, error) {
	for {
		n, err := syscall.Write(fd, b)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// tryWrite writes what fits to a non-blocking descriptor.
func tryWrite(fd uintptr, b []byte) (int, error) {
	n, err := rawWrite(int(fd), b)
	if errors.Is(err, syscall.EAGAIN) {
		return 0, nil
	}
	return n, err
}
