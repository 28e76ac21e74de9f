//go:build !linux

package manager

import (
	"context"
	"os"
	"syscall"

	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// Managers in a process of their own need Linux; NewLocal works everywhere.

type listener struct{}

func listen(string) (*listener, error)                    { return nil, spawn.ErrUnavailable }
func (*listener) accept() (*os.File, error)               { return nil, spawn.ErrUnavailable }
func (*listener) close()                                  {}
func dial(context.Context, string) (*os.File, error)      { return nil, spawn.ErrUnavailable }
func sameUser(*os.File) (int, error)                      { return 0, spawn.ErrUnavailable }
func sendWith(*os.File, []byte, *os.File) error           { return spawn.ErrUnavailable }
func recvWith(*os.File, []byte) (*os.File, error)         { return nil, spawn.ErrUnavailable }
func tryWrite(syscall.RawConn, []byte) (n int, err error) { return 0, spawn.ErrUnavailable }
func osYield()                                            {}
