package capture

import (
	"os"

	"golang.org/x/sys/unix"
)

// widen makes a pipe larger, so that who writes and who reads wait less for each other. Where that is not allowed, it stays
// as it is. (Who writes copies into the pipe all the same, which is most of what a flood costs: to splice(2) what will not be
// kept to /dev/null instead of reading it gained nothing measurable beyond this.)
func widen(f *os.File) {
	if rc, err := f.SyscallConn(); err == nil {
		_ = rc.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, PipeSize) })
	}
}
