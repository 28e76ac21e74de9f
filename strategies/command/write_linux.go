package command

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// anonymous makes a file that is in no directory, and gone with the last process that has it open, however that ends. path
// leads to it for as long as this process has.
func anonymous(content []byte) (f *os.File, path string, err error) {
	const name = "parbench-commands"
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, "", os.NewSyscallError("memfd_create", err)
	}
	f = os.NewFile(uintptr(fd), name)
	if _, err := f.Write(content); err != nil {
		f.Close()
		return nil, "", err
	}
	return f, fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd), nil
}
