package multiproc

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// turns decides who takes the workers' answers out of shared memory. Whoever waits for the pool takes a turn, the lead,
// and polls for everybody: no other goroutine has to be woken for that, which would cost more than most tasks. When
// nobody is waiting, or the wait gets long, each worker is asked to ring a bell in its pipe with its next answer, and
// its reader, parked in the runtime's poller, takes the lead for a moment.
//
// Who holds the lead must not hold mu meanwhile, except to take answers, and after giving it up calls stepDown, or mind
// where that may wait.
type turns struct {
	lead    sync.Mutex
	leading atomic.Bool  // somebody has the lead and will ask for bells when giving it up
	wanted  atomic.Int32 // goroutines in takeLead; who polls gives way
	vacant  chan struct{}
	waiting atomic.Int32            // goroutines blocked in await
	polled  atomic.Pointer[[]*peer] // the workers with shared memory
	batch   []answered              // of collect; behind lead
	spin    bool                    // another CPU may be answering meanwhile
	pace    atomic.Int64            // nanoseconds between the last answers of a worker, smoothed; 0: unknown

	bells   atomic.Bool // see leave
	minder  *time.Timer // see mind
	minding atomic.Bool // it is running
	seen    int64       // completed at its last tick
	alone   bool        // one P: other goroutines run only when this one lets them

	space      chan struct{} // rouses one who waits for room
	roomSought atomic.Int32  // goroutines waiting for room
	full       atomic.Bool   // there is no room now
	left       atomic.Int64  // room given back so far
	shut       atomic.Bool   // nobody gets room any more
}

func (t *turns) init() {
	t.vacant, t.space = make(chan struct{}, 1), make(chan struct{}, 1)
	t.polled.Store(new([]*peer))
	t.spin, t.alone = several(), runtime.GOMAXPROCS(0) == 1
}

const (
	// spinTime bounds how long somebody polls in vain: as long as it takes to be woken, which is what polling saves.
	spinTime = 50 * time.Microsecond
	// longCall is a pace from which polling is in vain: it would cost the workers their CPUs, and where these are all busy a
	// yield lasts a whole time slice (1 to 3 ms, measured), in which answers wait although a sleeper would be woken at once.
	longCall = 4 * spinTime
	// spinPolls is how many polls are between two looks at the clock, with a yield each: less than a microsecond.
	spinPolls = 256
)

// room is the fleet as something to wait for room in.
type room struct{ f *fleet }

func (r room) ready() bool {
	return r.f.shut.Load() || !r.f.full.Load()
}
func (r room) wake() <-chan struct{} { return r.f.space }

// takeRoom takes the room of n calls, of which there is as much. Called with mu held.
func (f *fleet) takeRoom(n int) {
	if f.inflight += n; f.inflight >= f.opt.maxInFlight {
		f.full.Store(true)
	}
}

// leaveRoom gives back the room of n calls. Called with mu held.
func (f *fleet) leaveRoom(n int) {
	if f.inflight >= f.opt.maxInFlight {
		f.full.Store(false)
	}
	f.inflight -= n
	f.left.Add(int64(n))
	f.offerRoom()
}

// offerRoom rouses one of those who wait for room.
func (f *fleet) offerRoom() {
	if f.roomSought.Load() > 0 {
		select {
		case f.space <- struct{}{}:
		default:
		}
	}
}

// departure is the next time that room is given back, as something to wait for, given how often it was.
type departure struct {
	f    *fleet
	seen int64
}

func (d departure) ready() bool           { return d.f.shut.Load() || d.f.left.Load() != d.seen }
func (d departure) wake() <-chan struct{} { return d.f.space }

// awaitDeparture waits until more room has been given back than seen, or the pool is closed; false means that ctx ended
// first. There must be somebody who has room.
func (f *fleet) awaitDeparture(ctx context.Context, seen int64) bool {
	f.roomSought.Add(1)
	err := f.await(ctx, departure{f, seen})
	f.roomSought.Add(-1)
	f.offerRoom() // it may have taken the only hint
	return err == nil
}

// awaitRoom waits until there may be room, or the pool is closed.
func (f *fleet) awaitRoom(ctx context.Context) error {
	f.roomSought.Add(1)
	err := f.await(ctx, room{f})
	f.roomSought.Add(-1)
	return err
}

// await implements awaiter. A call that was submitted as waited needs nothing else to be answered.
func (f *fleet) await(ctx context.Context, w waitable) error {
	for !w.ready() {
		polled := f.wanted.Load() == 0 && f.lead.TryLock()
		if polled {
			progress := f.poll(ctx, w)
			f.giveUp(progress)
			if progress && !f.bells.Load() && f.pace.Load() < int64(spinTime) {
				f.mind() // short calls: whoever waits here comes back soon, and the workers have enough to do until then
			} else {
				f.stepDown()
			}
			if w.ready() {
				return nil
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		f.waiting.Add(1)
		// Who had the lead may have given it up before it could see that somebody waits.
		if polled || f.leading.Load() || f.wanted.Load() > 0 {
			select {
			case <-w.wake():
			case <-f.vacant:
			case <-ctx.Done():
			}
		} else {
			runtime.Gosched()
		}
		f.waiting.Add(-1)
	}
	return nil
}

// poll takes answers until w is ready, ctx ends, somebody needs the lead, or nothing has come for a while. It reports
// whether anything has come. Called with the lead.
func (f *fleet) poll(ctx context.Context, w waitable) (progress bool) {
	f.leading.Store(true)
	peers := *f.polled.Load()
	for _, p := range peers {
		if c := &p.ring.ctl.ring; c.Load() != 0 {
			c.Store(0)
		}
	}
	if len(peers) == 0 {
		return false
	}
	var since time.Time
	yields := 0
	for i := 1; ; i++ {
		if anyAnswer(peers) {
			f.collect()
			progress = true
			i, yields, since = 0, 0, time.Time{}
			if w.ready() || f.wanted.Load() > 0 || ctx.Err() != nil {
				return true
			}
			continue
		}
		if time.Duration(f.pace.Load()) > longCall {
			return progress
		}
		if f.spin && i < spinPolls {
			continue
		}
		i = 0
		if w.ready() || f.wanted.Load() > 0 || ctx.Err() != nil {
			return progress
		}
		osYield()
		if f.alone {
			runtime.Gosched() // with other Ps it would wake one for nothing
		}
		if yields++; !f.spin {
			// The worker is on this CPU: it had its chance.
			if yields > 2 {
				return progress
			}
			continue
		}
		switch now := time.Now(); {
		case since.IsZero():
			since = now
		case now.Sub(since) > spinTime:
			return progress
		}
		peers = *f.polled.Load()
	}
}

func anyAnswer(peers []*peer) bool {
	for _, p := range peers {
		if p.hasAnswer() {
			return true
		}
	}
	return false
}

// takeLead waits for the lead.
func (f *fleet) takeLead() {
	f.wanted.Add(1)
	f.lead.Lock()
	f.wanted.Add(-1)
	f.leading.Store(true)
}

// giveUp ends a turn. handOver says whether somebody else who waits should take over: not if nothing came for so long
// that one gave up, or those who wait would take turns for ever.
func (f *fleet) giveUp(handOver bool) {
	f.leading.Store(false)
	f.lead.Unlock()
	if handOver && f.spin && f.waiting.Load() > 0 {
		select {
		case f.vacant <- struct{}{}:
		default:
		}
	}
}

// stepDown makes sure that no answer is overlooked while nobody polls: it asks the workers that owe answers for a bell,
// and takes those that have come before the worker could know.
func (f *fleet) stepDown() {
	for f.sent.Load() > 0 {
		if !f.askAll() || !f.lead.TryLock() {
			return // whoever has the lead comes here later
		}
		f.leading.Store(true)
		f.collect()
		f.leading.Store(false)
		f.lead.Unlock()
	}
	if f.bells.Load() {
		f.bells.Store(false)
	}
}

// leave is stepDown for somebody who waits, if at all, for a channel: until everything is answered no answer may wait for
// somebody who polls.
func (f *fleet) leave() {
	f.bells.Store(true)
	f.stepDown()
}

// askAll asks for bells and reports whether there is an answer already.
func (f *fleet) askAll() (more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.workers {
		if p.ring != nil && p.fifo.len() > 0 {
			p.ask()
			more = more || p.hasAnswer()
		}
	}
	return more
}

// tend is what a bell leads to.
func (f *fleet) tend() {
	if f.lead.TryLock() {
		f.leading.Store(true)
		f.giveUp(f.collect() > 0)
		f.stepDown()
	}
}

// mindTime is how long answers may wait for somebody who polls before bells are asked for.
const mindTime = 500 * time.Microsecond

// mind sees to the answers of calls that nobody awaits yet. Their callers will probably ask for them soon, or make more
// calls, and then take the answers themselves: a bell for each would cost more than that. If nobody does, the minder
// asks for bells, so that answers are taken, and queued calls sent, however long the caller is away. Future.Done and
// TryGet ask at once.
func (f *fleet) mind() {
	if !f.minding.Load() && f.minding.CompareAndSwap(false, true) {
		f.minder.Reset(mindTime)
	}
}

func (f *fleet) mindTick() {
	n := f.completed.Load()
	active := f.leading.Load() || n != f.seen
	f.seen = n
	if active && f.sent.Load() > 0 {
		f.minder.Reset(mindTime)
		return
	}
	f.minding.Store(false) // before looking: a call that is sent from here on starts the minder again
	f.stepDown()
}

// What Imap has under way for each worker: chunks at least, so that a round trip is hidden, and items at most, because
// more of them do not get into one batch and leave the caches.
const (
	minAhead = 32
	maxAhead = 256
)

// ahead is how many items in chunks of that many are as much work as may wait in the workers.
func (f *fleet) ahead(chunk int) int {
	n := minAhead * chunk
	if pace := f.pace.Load(); pace > 0 {
		n = max(n, min(maxAhead, int(int64(lead)/pace)*chunk))
	}
	return n * f.opt.workers
}

// publish tells those who poll about the workers. Called with mu held.
func (f *fleet) publish() {
	list := make([]*peer, 0, len(f.workers))
	for _, p := range f.workers {
		if p.ring != nil && p.up {
			list = append(list, p)
		}
	}
	f.polled.Store(&list)
}

// answered is a call with its result: payload, or n bytes of short.
type answered struct {
	c       *call
	payload []byte
	n       int
	short   [inlineSize]byte
}

// collect takes every answer that has come: under one lock, with one refill for each worker. It returns their number.
// Called with the lead, so that payload in shared memory stays until it has been delivered.
func (f *fleet) collect() int {
	batch := f.batch[:0]
	var dropped []*call
	var fed []*peer
	idle := false
	f.mu.Lock()
	for _, p := range f.workers {
		if p.ring == nil {
			continue
		}
		n := len(batch)
		if batch = p.drain(batch); len(batch) == n {
			continue
		}
		dropped = p.answered(len(batch)-n, dropped)
		idle = idle || p.fifo.len() == 0
		if len(p.pend)+len(p.tail) > 0 {
			fed = append(fed, p)
		}
	}
	if n := len(batch); n > 0 {
		f.sent.Add(-int64(n))
		f.completed.Add(int64(n))
		f.leaveRoom(n)
	}
	f.mu.Unlock()
	f.flushAll(fed)
	for i := range batch {
		a := &batch[i]
		payload := a.payload
		if payload == nil {
			payload = a.short[:a.n]
		}
		c := a.c
		a.c, a.payload = nil, nil
		c.owner.deliver(payload, nil)
	}
	f.batch = batch
	for _, p := range *f.polled.Load() {
		p.release()
	}
	f.drop(dropped)
	if idle && f.shut.Load() {
		f.settle()
	}
	return len(batch)
}
