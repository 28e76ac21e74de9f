//go:build !linux

package strategies

// peakMemory is not available here.
func peakMemory() int64 { return 0 }
