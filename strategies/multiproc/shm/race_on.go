//go:build race

package shm

import (
	"runtime"
	"unsafe"
)

// The race detector ignores memory that is not the runtime's, so it sees no order in what is synchronised there. These
// tell it, for the goroutines of this process: one byte of ordinary memory stands for the objects that share its hash.
var raceBytes [1024]byte

func raceByte(off uint64) unsafe.Pointer { return unsafe.Pointer(&raceBytes[off>>4%1024]) }

// raceAcquire says that what was released under off before happens before what follows.
func raceAcquire(off uint64) { runtime.RaceAcquire(raceByte(off)) }

// raceRelease says that what was done so far is visible to those who acquire off later.
func raceRelease(off uint64) { runtime.RaceReleaseMerge(raceByte(off)) }
