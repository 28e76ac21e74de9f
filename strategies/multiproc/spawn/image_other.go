//go:build !linux || (!amd64 && !arm64)

package spawn

import "os"

// Image returns ErrUnavailable.
func Image() (*os.File, error) { return nil, ErrUnavailable }

// MemoryFile returns ErrUnavailable.
func MemoryFile(string) (*os.File, error) { return nil, ErrUnavailable }
