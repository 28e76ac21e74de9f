package multiproc

import (
	"os"
	"runtime"
	"sync/atomic"
)

// heapReserve is how much a child may allocate between two collections of its garbage, at least. The runtime's own 4 MiB
// suit a program whose heap grows with its work; a worker's heap stays almost empty, and every few messages would be a
// collection: with items of 1 KiB these took almost half of a receiver's time.
const heapReserve = 16 << 20

// reserve is what makes it so: memory that counts as live, and that nobody ever touches, so that it takes none from the
// machine. (The rate itself cannot be set: runtime/debug brings fmt, which a child must not initialise. The rate would also
// hold for large heaps, whereas this is lost in them.)
var reserve atomic.Pointer[[heapReserve]byte]

// reserveHeap makes the reserve at the end of the first collection: a child that allocates little never gets there, and
// making it starts a collection. Who sets GOGC or a limit of memory has decided for himself.
func reserveHeap() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	type sentinel struct{ _ [2]*byte } // not so small that it shares its place
	runtime.AddCleanup(new(sentinel), func(struct{}) { reserve.Store(new([heapReserve]byte)) }, struct{}{})
}
