package multiproc

import "sync/atomic"

const sysMemfdCreate = 279

// release stores v after everything stored before.
func release(a *atomic.Uint64, v uint64) { a.Store(v) }
