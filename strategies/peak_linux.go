package strategies

import (
	"os"
	"strconv"
	"strings"
)

// PeakMemory returns the high-water mark of this process's memory in bytes, 0 where /proc does not say. Unlike
// getrusage's ru_maxrss it does not count what the parent had before exec.
func PeakMemory() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, found := strings.Cut(string(status), "\nVmHWM:")
	if !found {
		return 0
	}
	kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseInt(kib, 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}
