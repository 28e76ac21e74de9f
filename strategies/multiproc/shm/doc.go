// Package shm gives the processes and goroutines of Go programs shared memory and ways to synchronise on it: an [Arena]
// on an anonymous memory file, typed arrays and values in it, and Mutex, RWMutex, Reentrant, Semaphore,
// BoundedSemaphore, Cond, Event and Barrier.
//
// One process makes an arena and hands its [Arena.File] to others (exec.Cmd.ExtraFiles, SCM_RIGHTS), which [Open] it.
// An object in it is known everywhere by its [Ref], an offset that travels as a number:
//
//	arena, err := shm.NewArena(1 << 20)
//	m, err := arena.NewMutex()     // here
//	m, err := arena.Mutex(ref)     // there, with ref = m.Ref()
//
// Nothing has a name in a file system, so nothing is left behind, whoever is killed.
//
// What is uncontended costs no system call. Who has to wait spins for at most 50 microseconds (not at all where the
// process may use one CPU only) and then sleeps in the kernel; all goroutines of a process that wait for the same object
// share one operating-system thread. Every wait takes a context. An object that is free is taken even when the context
// has ended already.
//
// A process that dies while it holds a lock does not stop the others: the next one that locks gets it with the state
// [OwnerDied], which asks it to repair what the lock protects. docs/shm.md says what else survives a crash, and gives
// the memory layout.
//
// The processes must be of one PID namespace and trust each other: each can write anything anywhere in the arena.
// The race detector does not see memory that another process writes; among the goroutines of one process it is told
// about every lock and wake-up here.
//
// Not for: other machines, memory with Go pointers in it, locks between programs of different versions of this layout,
// and systems other than Linux on amd64 and arm64, where everything returns [ErrUnavailable].
package shm
