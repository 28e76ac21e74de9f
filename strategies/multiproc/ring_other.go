//go:build !linux || (!amd64 && !arm64)

package multiproc

import (
	"os"
	"sync/atomic"

	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

const fdRing = spawn.FDOut + 1

func createRing() (*ring, *os.File, error) { return nil, nil, spawn.ErrUnavailable }
func openRing() (*ring, error)             { return nil, spawn.ErrUnavailable }
func (r *ring) unmap()                     {}
func populate([]byte) error                { return spawn.ErrUnavailable }
func futexWait(*uint32, uint32)            {}
func futexWake(*uint32)                    {}
func osYield()                             {}

func release(a *atomic.Uint64, v uint64) { a.Store(v) }
