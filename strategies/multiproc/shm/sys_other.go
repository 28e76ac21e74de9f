//go:build !linux || (!amd64 && !arm64)

package shm

import (
	"os"
	"time"
)

const supported = false

type fileID struct{}

type waitvEntry struct {
	val   uint64
	addr  uintptr
	flags uint32
}

const futex2Size32 = 0

func memfile(int64) (*os.File, error)                  { return nil, ErrUnavailable }
func inspect(*os.File) (int64, fileID, error)          { return 0, fileID{}, ErrUnavailable }
func dup(*os.File) (*os.File, error)                   { return nil, ErrUnavailable }
func mapFile(*os.File, int, bool) ([]byte, error)      { return nil, ErrUnavailable }
func unmap([]byte)                                     {}
func detach([]byte)                                    {}
func populate(*os.File, []byte, int64) error           { return ErrUnavailable }
func memoryFor(uint64) bool                            { return true }
func punch(*os.File, int64, int64) bool                { return false }
func futexWait(*uint32, uint32, uint32, time.Duration) {}
func futexWake(*uint32, int32, uint32)                 {}
func futexWaitv([]waitvEntry, time.Duration) (int, bool) {
	return -1, false
}
func watchDeath(int, func()) func()                { return func() {} }
func osyield()                                     {}
func usableCPUs() int                              { return 1 }
func pidNamespace() uint64                         { return 0 }
func procStat(int) (start uint64, zombie, ok bool) { return 0, false, false }
func processGone(int) bool                         { return false }
