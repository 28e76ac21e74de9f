package multiproc

import (
	"sync/atomic"
	"unsafe"
)

const sysMemfdCreate = 319

// release stores v after everything stored before. On amd64 every store does; sync/atomic's also waits until the line
// has come from the other CPU, which a batch of messages need not do one by one.
//
//go:noinline
func release(a *atomic.Uint64, v uint64) { *(*uint64)(unsafe.Pointer(a)) = v }
