//go:build !linux

package strategies

// PeakMemory is not available here.
func PeakMemory() int64 { return 0 }
