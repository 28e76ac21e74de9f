package limits

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

func TestExplain(t *testing.T) {
	of := func(op string, err error) error {
		return fmt.Errorf("task 3: %w", &fs.PathError{Op: op, Path: "/bin/true", Err: err})
	}
	for _, c := range []struct {
		err           error
		instead, want string
	}{
		{os.NewSyscallError("pipe2", syscall.EMFILE), "", "pipe2: too many open files; raise ulimit -n"},
		{of("open", syscall.EMFILE), "use fewer", "task 3: open /bin/true: too many open files; raise ulimit -n, or use fewer"},
		{of("open", syscall.ENFILE), "", "task 3: open /bin/true: too many open files in system; raise the system's limit on open files (on Linux the sysctl fs.file-max)"},
		{of("start", syscall.EAGAIN), "", "task 3: start /bin/true: resource temporarily unavailable; raise ulimit -u, or the container's limit on processes"},
		{of("fork/exec", syscall.EAGAIN), "", "task 3: fork/exec /bin/true: resource temporarily unavailable; raise ulimit -u, or the container's limit on processes"},
		{of("read", syscall.EAGAIN), "x", "task 3: read /bin/true: resource temporarily unavailable"},
		{of("start", syscall.ENOENT), "x", "task 3: start /bin/true: no such file or directory"},
	} {
		got := Explain(c.err, c.instead)
		if got.Error() != c.want || !errors.Is(got, c.err) {
			t.Errorf("%v, want %s", got, c.want)
		}
	}
	if err := Explain(nil, "x"); err != nil {
		t.Error(err)
	}
}
