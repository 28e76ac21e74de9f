//go:build !linux

package spawn

import (
	"errors"
	"testing"
)

func child(string) {}

func TestUnavailable(t *testing.T) {
	if _, err := Start(Command{Path: "/bin/true"}); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
}
