// Package manager gives the processes of Go programs objects that live in a process of their own and that all of them
// reach by messages, as Python's multiprocessing.Manager does: Dict, List, Array, Value, Namespace, Queue, Mutex,
// Reentrant, RWMutex, Semaphore, Cond, Event, Barrier, and values of the user's own types (RegisterService).
//
//	m, err := manager.Start(ctx)            // a process
//	d, err := manager.NewDict[string, int](ctx, m)
//	err = d.Set(ctx, "answer", 42)          // in it
//
// An object is named by a handle, a small value. Handles may be arguments and results of functions in other processes,
// items of queues, and values in other objects of the manager; wherever one arrives, it means the same object. Unrelated
// processes of the same user Connect with the manager's address and token, and find handles by name (Publish, Lookup).
// An object lives until it is freed (Free) or its manager ends; nobody counts references, so a handle may travel without
// anybody holding another one meanwhile.
//
// Values are copied, in the wire form of package multiproc, which the manager keeps without looking into it. Every method
// is atomic, takes a context, and returns ErrManagerGone as soon as the manager has ended. Calls that wait hold up nobody
// else. A process that dies with a lock does not stop others: the next one gets it with the state OwnerDied.
//
// NewLocal makes a manager within the process, with the same objects and the same behaviour.
//
// Non-goals: other machines, access by other users, and keeping anything beyond the manager's end. Where processes share
// a machine and nothing but numbers, a lock or a queue, package shm and multiproc.Queue are faster by one to two orders.
// Managers in a process of their own need Linux; docs/manager.md says more.
package manager
