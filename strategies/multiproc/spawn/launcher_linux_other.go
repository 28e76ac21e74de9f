//go:build !amd64 && !arm64

package spawn

import "syscall"

func (*request) launch(string, []string, *syscall.ProcAttr) (int, error) { return 0, ErrUnavailable }
