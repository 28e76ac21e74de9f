//go:build !linux || (!amd64 && !arm64)

package manager

import "testing"

func needProcesses(t testing.TB) {
	t.Skip("managers in a process of their own need Linux on amd64 or arm64")
}
