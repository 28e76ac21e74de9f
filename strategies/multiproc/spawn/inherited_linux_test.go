package spawn

import (
	"os"
	"syscall"
	"testing"
)

// What was inherited without the mark gets it, in either way, and the standard descriptors do not.
func TestCloseInherited(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	marked := func(fd int) bool {
		t.Helper()
		flags, _, e := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
		if e != 0 {
			t.Fatal(e)
		}
		return flags&syscall.FD_CLOEXEC != 0
	}
	for name, mark := range map[string]func(){"all at once": CloseInherited, "one by one": func() { closeInheritedOneByOne(3) }} {
		fd, err := syscall.Dup(int(f.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		if marked(fd) {
			t.Fatal("a copy has the mark already")
		}
		mark()
		if !marked(fd) {
			t.Errorf("%s: not marked", name)
		}
		if marked(2) {
			t.Errorf("%s: standard error is marked", name)
		}
		if err := syscall.Close(fd); err != nil {
			t.Error(err)
		}
	}
}
