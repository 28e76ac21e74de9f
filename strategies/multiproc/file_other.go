//go:build !linux

package multiproc

import (
	"context"
	"os"

	"github.com/parbench/parbench/strategies/multiproc/shm"
)

func sendFile(context.Context, *sharedQueue, *os.File) error { return shm.ErrUnavailable }

func recvFile(context.Context, []byte) (*os.File, error) { return nil, shm.ErrUnavailable }
