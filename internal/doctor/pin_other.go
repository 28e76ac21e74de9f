//go:build !linux

package doctor

import "github.com/parbench/parbench/internal/host"

// pin is not available here: the loop is repeated wherever the system puts it.
func pin(int) (func(), error) { return func() {}, nil }

// openCounter is not available here.
func openCounter() error { return host.ErrUnknown }
