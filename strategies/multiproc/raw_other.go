//go:build !unix

package multiproc

import "github.com/parbench/parbench/strategies/multiproc/spawn"

func rawRead(int, []byte) (int, error)      { return 0, spawn.ErrUnavailable }
func rawWrite(int, []byte) (int, error)     { return 0, spawn.ErrUnavailable }
func tryWrite(uintptr, []byte) (int, error) { return 0, spawn.ErrUnavailable }
