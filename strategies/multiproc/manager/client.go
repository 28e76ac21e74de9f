package manager

import (
	"context"
	"encoding/binary"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// client is a process's connection to a manager: one for all its goroutines and handles.
type client struct {
	slots
	link    *link
	done    chan struct{} // closed when the connection has ended
	once    sync.Once
	vacant  chan struct{} // rouses one who waits, to poll
	waiting atomic.Int32
	alone   bool // one P: others run only when this one lets them
}

func newClient(l *link) *client {
	c := &client{link: l, done: make(chan struct{}), vacant: make(chan struct{}, 1), alone: runtime.GOMAXPROCS(0) == 1}
	go c.read()
	return c
}

// read takes what comes through the socket, until the end.
func (cl *client) read() {
	var failure error
	err := cl.link.read(func(msg []byte) {
		if err := cl.answer(msg); err != nil && failure == nil {
			failure = err
			cl.link.close()
		}
	}, cl.rung)
	if failure == nil {
		failure = err
	}
	cl.close(gone(failure))
}

// close ends the connection: every call ends with err.
func (cl *client) close(err error) {
	cl.link.close()
	cl.slots.fail(err)
	cl.once.Do(func() { close(cl.done) })
}

func (cl *client) answer(msg []byte) error {
	c, err := cl.slots.finish(msg)
	if c != nil {
		go c.takeBack(cl)
	}
	return err
}

// rung is what a bell leads to.
func (cl *client) rung() {
	if cl.link.in == nil {
		return
	}
	cl.link.rx.Lock()
	defer cl.link.rx.Unlock()
	for {
		cl.collect()
		if !cl.link.rest() || cl.link.closed.Load() {
			return
		}
	}
}

// collect takes all answers in the ring. Called with rx held.
func (cl *client) collect() bool {
	some, err := cl.link.drain(func(msg []byte) {
		if cl.answer(msg) != nil {
			cl.link.close()
		}
	})
	if err != nil {
		cl.link.close() // the reader ends the calls
	}
	return some
}

// do sends the call and waits for its answer, which is statusGone when the connection ends and statusCancelled when ctx
// does.
func (cl *client) do(ctx context.Context, c *call) {
	if ok, err := cl.slots.add(c); !ok {
		if err == nil {
			err = cl.slots.await(ctx, c)
		}
		if err != nil {
			c.refuse(ctx)
			return
		}
	}
	c.socket = cl.link.send(c.buf, false)
	for c.state.Load() != callDone {
		if cl.link.in != nil && cl.link.rx.TryLock() {
			progress := cl.poll(ctx, c)
			cl.link.rx.Unlock()
			cl.resign(progress)
			if c.state.Load() == callDone {
				return
			}
		}
		if !c.state.CompareAndSwap(callPending, callParked) {
			return
		}
		if cl.park(ctx, c) {
			return
		}
	}
}

// poll takes answers until that of c is there, ctx ends, or nothing has come for a while. It reports whether anything
// has. Called with rx held.
func (cl *client) poll(ctx context.Context, c *call) (progress bool) {
	in := cl.link.in
	in.watch.Store(watching)
	ended := ctx.Done()
	if c.giveIn == giveInTry {
		ended = nil // long since
	}
	var since time.Time
	spin := spinning()
	yields := 0
	for i := 1; c.state.Load() != callDone; i++ {
		if in.some() {
			if !cl.collect() {
				return progress // damaged, and closed
			}
			progress, i, yields, since = true, 0, 0, time.Time{}
			select {
			case <-ended:
				return progress
			default:
				continue
			}
		}
		if spin && i < spinPolls {
			continue
		}
		i = 0
		osYield()
		if cl.alone {
			runtime.Gosched()
		}
		if yields++; !spin {
			if yields > soleYields { // the manager is on this CPU: it had its chance
				break
			}
			continue
		}
		switch now := time.Now(); {
		case since.IsZero():
			since = now
		case now.Sub(since) > spinTime:
			return progress
		}
	}
	return progress
}

// soleYields is how often a process lets the other side have the only CPU before it sleeps.
const soleYields = 3

// resign ends a turn at polling, after rx has been given up. Another one who waits takes over, if something has come, or
// those who wait would take turns for ever.
func (cl *client) resign(progress bool) {
	for cl.link.in.watch.Load() == watching && !cl.link.closed.Load() {
		if !cl.link.rx.TryLock() {
			return // whoever has it comes here later
		}
		if cl.link.rest() {
			cl.link.in.watch.Store(watching)
			cl.collect()
		}
		cl.link.rx.Unlock()
	}
	if progress && cl.waiting.Load() > 0 {
		select {
		case cl.vacant <- struct{}{}:
		default:
		}
	}
}

// park waits for the answer without polling; false says that the caller should poll.
func (cl *client) park(ctx context.Context, c *call) bool {
	cl.waiting.Add(1)
	defer cl.waiting.Add(-1)
	done, invited := c.park(ctx, cl.vacant, func() { cl.link.send(cancelOf(c), c.socket) })
	if done && invited { // and did not need it
		cl.offer()
	}
	return done
}

// offer passes the turn to poll on.
func (cl *client) offer() {
	if cl.waiting.Load() > 1 {
		select {
		case cl.vacant <- struct{}{}:
		default:
		}
	}
}

// cancelOf is the message that cancels a call.
func cancelOf(c *call) []byte {
	msg := binary.LittleEndian.AppendUint32(nil, binary.LittleEndian.Uint32(c.buf))
	return append(msg, opCancel, 0)
}
