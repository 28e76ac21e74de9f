package multiproc

import "syscall"

const (
	fSetPipeSize = 1031 // F_SETPIPE_SZ
	bigPipe      = 1 << 20
)

// growPipe lets a pipe hold a megabyte, so that a large message takes few hand-offs between the processes. It may fail
// when the user has many pipes (pipe(7)); then the message takes more of them.
func growPipe(fd uintptr) {
	_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, fd, fSetPipeSize, bigPipe)
}
