package command

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// anonymous makes a file that is in no directory, and gone with the last process that has it open, however that ends. path
// leads to it for as long as this process has. (Not spawn.MemoryFile, which is for programs: a system may refuse memory
// that can be executed.)
func anonymous(content []byte) (f *os.File, path string, err error) {
	const name = "parbench-commands"
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, "", os.NewSyscallError("memfd_create", err)
	}
	f = os.NewFile(uintptr(fd), name)
	if _, err := f.Write(content); err != nil {
		f.Close()
		return nil, "", err
	}
	return f, spawn.Path(f), nil
}
