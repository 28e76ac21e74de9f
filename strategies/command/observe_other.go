//go:build !linux

package command

import (
	"context"
	"errors"
)

// observePeak is only available on Linux.
func observePeak(context.Context, string, []string, []string, string) (int64, error) {
	return 0, errors.New("observing a process's memory is only available on Linux")
}
