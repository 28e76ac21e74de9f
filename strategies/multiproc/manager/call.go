package manager

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parbench/parbench/strategies/multiproc"
)

// call is one request of this process, and its answer. Calls are used again.
type call struct {
	buf    []byte // the message: number, operation, object, what the operation needs
	rep    []byte // the answer's result
	status byte
	state  atomic.Int32
	wake   chan struct{} // of size 1
	socket bool          // the message took the socket
	lost   bool          // abandoned; the answer, when it comes, is somebody else's

	// undo, if not 0, is the operation that takes back what the call did for a caller who has gone: a lock that was granted
	// too late, an item that was taken.
	undo   byte
	giveIn byte // how the call ends with its context
}

// States of a call.
const (
	callPending   = iota
	callParked    // its caller sleeps
	callDone      //
	callAbandoned // its caller has gone
)

// How a call ends with its context.
const (
	giveInCancel byte = iota // the server is told, and says what became of it
	giveInNever              // it says when it is over: waiting at a Cond
	giveInTry                // the context has ended already; the call does not wait at the server
)

// cancelGrace is how long a caller whose context has ended waits for the server to say whether the call was done.
const cancelGrace = 200 * time.Millisecond

var calls = sync.Pool{New: func() any { return &call{wake: make(chan struct{}, 1)} }}

// newCall begins a message.
func newCall(op byte, obj uint64) *call {
	c := calls.Get().(*call)
	c.state.Store(callPending)
	c.undo, c.giveIn, c.socket, c.lost = 0, giveInCancel, false, false
	c.buf = appendNum(append(c.buf[:0], 0, 0, 0, 0, op), obj)
	return c
}

// end lets the call be used again, unless it was abandoned.
func (c *call) end() {
	if c.lost {
		return
	}
	if cap(c.buf) > backlog {
		c.buf = nil
	}
	if cap(c.rep) > backlog {
		c.rep = nil
	}
	calls.Put(c)
}

// refuse ends a call that was not sent, because ctx or the connection has ended.
func (c *call) refuse(ctx context.Context) {
	if c.status = statusGone; ctx.Err() != nil {
		c.status = statusCancelled
	}
	c.state.Store(callDone)
}

// was tells whether the answer has that status; nothing is known of an abandoned one.
func (c *call) was(status byte) bool { return !c.lost && c.status == status }

// result is the answer as something to read.
func (c *call) result() cursor { return cursor{b: c.rep} }

// err is the error that the answer's status stands for.
func (c *call) err(what string) error {
	switch {
	case c.status == statusOK:
		return nil
	case c.status == statusFailure:
		return multiproc.DecodeFailure(c.rep, what)
	case int(c.status) < len(statusErrors) && statusErrors[c.status] != nil:
		return statusErrors[c.status]
	}
	return errBad
}

// slots numbers the calls that have no answer yet. The zero value has none.
type slots struct {
	mu     sync.Mutex
	list   []slot
	unused []uint32
	err    error         // set when there will be no more answers
	room   chan struct{} // rouses one who waits for a slot
	sought int           // how many do
}

type slot struct {
	c   *call
	gen uint32
}

const (
	slotBits = 12
	maxSlots = 1 << slotBits // calls of one process that have no answer yet; more wait here
)

// add numbers the call; false where all numbers are in use.
func (s *slots) add(c *call) (ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return false, s.err
	}
	var i uint32
	switch n := len(s.unused); {
	case n > 0:
		i = s.unused[n-1]
		s.unused = s.unused[:n-1]
	case len(s.list) < maxSlots:
		i = uint32(len(s.list))
		s.list = append(s.list, slot{})
	default:
		return false, nil
	}
	x := &s.list[i]
	x.c, x.gen = c, x.gen+1
	// The generation keeps a late cancellation from reaching the next call with the slot.
	binary.LittleEndian.PutUint32(c.buf, x.gen<<slotBits|i)
	return true, nil
}

// await is add that waits for room.
func (s *slots) await(ctx context.Context, c *call) error {
	for {
		ok, err := s.add(c)
		if ok || err != nil {
			return err
		}
		s.mu.Lock()
		if s.room == nil {
			s.room = make(chan struct{}, maxSlots)
		}
		s.sought++
		full := len(s.unused) == 0 && s.err == nil
		room := s.room // fail closes and forgets it
		s.mu.Unlock()
		if full {
			select {
			case <-room:
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		s.mu.Lock()
		s.sought--
		s.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// take ends the numbering of the call with that number.
func (s *slots) take(id uint32) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := id & (maxSlots - 1)
	if int(i) >= len(s.list) || s.list[i].c == nil || s.list[i].gen<<slotBits|i != id {
		return nil
	}
	c := s.list[i].c
	s.list[i].c = nil
	s.unused = append(s.unused, i)
	if s.sought > 0 {
		select {
		case s.room <- struct{}{}:
		default:
		}
	}
	return c
}

var errAnswer = errors.New("an answer that nobody has asked for")

// finish hands an answer to its call. It returns the call where its caller has gone.
func (s *slots) finish(msg []byte) (abandoned *call, err error) {
	if len(msg) < answerHeader {
		return nil, errAnswer
	}
	c := s.take(binary.LittleEndian.Uint32(msg))
	if c == nil {
		return nil, errAnswer
	}
	c.status = msg[4]
	c.rep = append(c.rep[:0], msg[answerHeader:]...)
	return c.finish(), nil
}

// finish tells the caller that the answer is there. It returns the call where the caller has gone.
func (c *call) finish() (abandoned *call) {
	switch c.state.Swap(callDone) {
	case callParked:
		c.wake <- struct{}{}
	case callAbandoned:
		return c
	}
	return nil
}

// fail ends all calls: there will be no answers.
func (s *slots) fail(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	list := s.list
	s.list, s.unused = nil, nil
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
	s.mu.Unlock()
	for _, x := range list {
		if x.c != nil {
			x.c.status, x.c.rep = statusGone, nil
			x.c.finish()
		}
	}
}

// caller is a way to the server.
type caller interface {
	// do sends the call and waits for its answer. Its status is statusGone when the connection ends and statusCancelled
	// when ctx does; c.lost says that it was abandoned.
	do(ctx context.Context, c *call)
}

// park sleeps until the answer is there, which is done, or vacant invites the caller to poll. When ctx ends, cancel tells
// the server; where that does not say what became of the call, the call is abandoned, which is done as well. Called with
// the state callParked.
func (c *call) park(ctx context.Context, vacant <-chan struct{}, cancel func()) (done, invited bool) {
	ended := ctx.Done()
	var timer *time.Timer
	var late <-chan time.Time
	patience := func() {
		timer = time.NewTimer(cancelGrace)
		late, vacant = timer.C, nil // it will not be long
	}
	if c.giveIn == giveInTry {
		ended = nil
		patience()
	}
	defer func() {
		if timer != nil {
			timer.Stop()
		}
	}()
	for {
		select {
		case <-c.wake:
			return true, false
		case <-vacant:
			if c.state.CompareAndSwap(callParked, callPending) {
				return false, true
			}
			<-c.wake
			return true, true
		case <-ended:
			ended = nil
			cancel()
			if c.giveIn == giveInCancel {
				patience()
			}
		case <-late:
			if c.state.CompareAndSwap(callParked, callAbandoned) {
				c.lost = true
				return true, false
			}
			<-c.wake
			return true, false
		}
	}
}

// takeBack undoes what a call did whose caller has gone.
func (c *call) takeBack(by caller) {
	if c.status != statusOK || c.undo == 0 {
		return
	}
	msg := cursor{b: c.buf[5:]}
	u := newCall(c.undo, msg.num())
	msg.byte() // whether to wait
	switch c.undo {
	case queueUnget:
		u.buf = append(u.buf, c.rep...)
	case syncRelease:
		u.buf = append(u.buf, 1)
	case syncUnlock, syncRUnlock:
		u.buf = append(u.buf, msg.b...) // the owner
		if r := c.result(); r.byte() == stateOwnerDied {
			u.buf = append(u.buf, stateOwnerDied) // somebody has to be told yet
		}
	}
	by.do(context.Background(), u)
	u.end()
}
