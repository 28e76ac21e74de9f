package multiproc

import (
	"errors"
	"sync"
)

// EventKind says what happened to a worker.
type EventKind int

// What can happen to a worker or its pool.
const (
	WorkerStarted  EventKind = iota + 1 // its process exists
	WorkerLeft                          // it ended as it was told: MaxTasks, Close
	WorkerTimedOut                      // it was killed because of a Timeout
	WorkerLost                          // it ended by itself, or never became ready; Err says how
	PoolBroken                          // the pool has given up; Err says why
)

var eventNames = [...]string{"unknown", "worker started", "worker left", "worker timed out", "worker lost", "pool broken"}

// String returns a phrase such as "worker lost".
func (k EventKind) String() string {
	if k < 0 || int(k) >= len(eventNames) {
		k = 0
	}
	return eventNames[k]
}

// Event is something that happened to a worker of a pool: see OnEvent.
type Event struct {
	Kind EventKind
	Pid  int   // of the worker; 0 where there is no process
	Slot int   // position of the worker, from 0 to Workers-1
	Err  error // nil, or why
	// Dropped is how many events just before this one were dropped, because the function was still busy with an earlier one
	// and 1024 others were waiting. The oldest go first: the last event always arrives.
	Dropped int
}

// Attrs returns what the event says as keys and values, in the form that log/slog takes:
//
//	multiproc.OnEvent(func(e multiproc.Event) { slog.Info(e.Kind.String(), e.Attrs()...) })
//
// This package does not import log/slog, which every worker would initialise before its first task.
func (e Event) Attrs() []any {
	attrs := []any{"slot", e.Slot}
	if e.Pid != 0 {
		attrs = append(attrs, "pid", e.Pid)
	}
	if e.Err != nil {
		attrs = append(attrs, "err", e.Err)
	}
	if e.Dropped > 0 {
		attrs = append(attrs, "dropped", e.Dropped)
	}
	return attrs
}

// stats describes the worker. Called with the fleet's mu held.
func (p *peer) stats() WorkerStats {
	s := WorkerStats{Slot: p.slot, State: WorkerIdle, Running: p.fifo.len(), Bound: p.f.queue.own(p.slot), Taken: p.taken}
	if p.child != nil {
		s.Pid = p.child.Pid()
	}
	switch {
	case p.left || p.late != nil || p.f.state == poolTerminated || p.over:
		s.State = WorkerLeaving
	case !p.up:
		s.State = WorkerStarting
	case s.Running > 0:
		s.State = WorkerBusy
	}
	return s
}

// maxEvents is how many events may wait for the user's function. Workers may crash faster than it takes them.
const maxEvents = 1024

// events passes events to the user's function in order, on a goroutine that exists while there are some.
type events struct {
	f       func(Event)
	mu      sync.Mutex
	list    queue[Event]
	running bool
}

// emit may be called with locks held.
func (e *events) emit(ev Event) {
	if e.f == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.list.len() == maxEvents {
		lost := e.list.pop().Dropped + 1
		e.list.at(0).Dropped += lost
	}
	e.list.push(ev)
	if !e.running {
		e.running = true
		go e.drain()
	}
}

func (e *events) drain() {
	for {
		e.mu.Lock()
		if e.list.len() == 0 {
			e.running = false
			e.mu.Unlock()
			return
		}
		ev := e.list.pop()
		e.mu.Unlock()
		guard("an OnEvent callback", func() { e.f(ev) })
	}
}

// ending is the event of a worker's end.
func (p *peer) ending(cause error) Event {
	ev := Event{Kind: WorkerLost, Slot: p.slot, Err: cause}
	if p.child != nil {
		ev.Pid = p.child.Pid()
	}
	switch {
	case cause == nil:
		ev.Kind = WorkerLeft
	case errors.Is(cause, ErrTimeout) && !hopeless(cause):
		ev.Kind = WorkerTimedOut
	}
	return ev
}

// crashCause says why a worker ended by itself; up, whether it was ready before.
func crashCause(e *CrashError, fn string, up bool) error {
	if !up && e.Exit.Code == exitUnregistered {
		return &unregisteredError{fn, e}
	}
	return e
}
