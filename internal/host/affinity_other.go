//go:build !linux

package host

// affinity is not available here.
func affinity() ([]int, error) { return nil, ErrUnknown }
