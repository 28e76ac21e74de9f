//go:build !linux || (!amd64 && !arm64)

package shm

import (
	"errors"
	"os"
	"testing"
)

func TestUnavailable(t *testing.T) {
	_, err := NewArena(1 << 16)
	_, err2 := Open(os.Stdin)
	if !errors.Is(err, ErrUnavailable) || !errors.Is(err2, ErrUnavailable) {
		t.Error(err, err2)
	}
}
