package multiproc

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// call is a job in its untyped form. It is part of the job and lives as long. Every future has one, so its fields are
// as small and as few as can be.
type call struct {
	frame    []byte                        // nil when the payload lies in the worker's area alone: see claim
	small    [headerSize + inlineSize]byte // where a short frame lies
	size     int                           // of the frame
	at       uint32                        // of a payload without a frame, in the area
	count    int32                         // items
	retries  int32
	attempts int32           // workers it has cost
	affinity uint32          // 0: any worker will do
	used     uint64          // position in the worker's area up to which the payload reaches, 0 if it is not there
	ctx      context.Context // of the waiting caller, or nil
	timeout  time.Duration
	owner    receiver
	fate     error // set when the call is resolved without a result
}

// receiver takes the result of a call.
type receiver interface {
	// deliver is called exactly once for each accepted call, without the fleet's mu held; payload is valid during the call
	// only. It must not call the pool.
	deliver(payload []byte, err error)
}

func (c *call) reset(ctx context.Context, frame []byte, count int, opt jobOptions, owner receiver) {
	c.frame, c.ctx, c.timeout, c.retries, c.affinity, c.owner = frame, ctx, opt.timeout, opt.retry, opt.affinity, owner
	c.size, c.count, c.attempts, c.used, c.fate = len(frame), int32(count), 0, 0, nil
}

// fleet is the untyped part of a ProcessPool: a queue of calls and the workers they go to. Every accepted call is in
// exactly one place, the queue or one worker's list; whoever takes it out, under mu, resolves it. That is what makes
// every future resolve exactly once.
type fleet struct {
	fn   string
	opt  poolOptions
	quit chan struct{} // closed by close
	gone chan struct{} // closed when the pool has finished
	turns

	large atomic.Int64 // size of the last call if it was large, else 0
	sent  atomic.Int64 // calls in the workers' lists

	mu       sync.Mutex
	state    int
	inflight int // unresolved calls: see takeRoom
	queue    backlog[*call]
	workers  []*peer // started and not yet reaped
	lost     int     // workers lost in a row without having taken a task
	broken   error
	account  uint32     // number of the last account: see TimeTransfers
	ready    chan error // one message for each first worker

	completed, crashes, timeouts, restarts atomic.Int64
	events                                 events
}

func newFleet(fn string, opt poolOptions) *fleet {
	f := &fleet{fn: fn, opt: opt, quit: make(chan struct{}), gone: make(chan struct{}), ready: make(chan error, opt.workers),
		events: events{f: opt.event}}
	f.turns.init()
	f.minder = time.AfterFunc(time.Hour, f.mindTick)
	f.minder.Stop()
	return f
}

// start starts the workers and waits until they are ready.
func (f *fleet) start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := nestable(ctx); err != nil {
		return err
	}
	f.activate()
	if f.opt.lazy {
		return nil
	}
	f.mu.Lock()
	for range f.opt.workers {
		f.launch(f.freeSlot())
	}
	f.mu.Unlock()
	var err error
	for range f.opt.workers {
		select {
		case e := <-f.ready:
			if err == nil {
				err = e
			}
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			f.terminate(ErrTerminated)
			<-f.gone
			return err
		}
	}
	return nil
}

// launch adds a worker in a free slot. Called with mu held.
func (f *fleet) launch(slot int) *peer {
	p := &peer{f: f, limit: 1, slot: slot}
	f.workers = append(f.workers, p)
	f.publish()
	go p.run()
	return p
}

// freeSlot returns the lowest position that no worker has.
func (f *fleet) freeSlot() int {
	for slot := 0; ; slot++ {
		if f.unmanned(slot) {
			return slot
		}
	}
}

func (f *fleet) unmanned(slot int) bool {
	return !slices.ContainsFunc(f.workers, func(p *peer) bool { return p.slot == slot })
}

// slotOf returns the slot of the worker that a call is bound to, -1 if it is bound to none.
func slotOf(affinity uint32, workers int) int {
	if affinity == 0 {
		return -1
	}
	return int(affinity % uint32(workers))
}

// push adds a call to the queue. Called with mu held.
func (f *fleet) push(c *call) {
	slot := slotOf(c.affinity, f.opt.workers)
	f.queue.of(slot, f.opt.workers).push(c)
	if f.opt.lazy {
		f.grow(slot)
	}
}

// grow starts a worker of a lazy pool if calls are waiting for which none is free or on its way: for one that is bound to
// a slot, the worker there. Called with mu held.
func (f *fleet) grow(slot int) {
	if len(f.workers) >= f.opt.workers {
		return
	}
	if slot >= 0 {
		if f.unmanned(slot) {
			f.launch(slot)
		}
		return
	}
	free := 0
	for _, p := range f.workers {
		if !p.up || p.fifo.len() == 0 {
			free++
		}
	}
	if free < f.queue.any.len() {
		f.launch(f.freeSlot())
	}
}

// growing says that a worker of a lazy pool is on its way, for which calls should rather wait than queue up behind a long
// one. Called with mu held.
func (f *fleet) growing() bool {
	return f.opt.lazy && slices.ContainsFunc(f.workers, func(p *peer) bool { return !p.up })
}

// submit accepts calls in their order and returns how many. waited says that the caller awaits them at once (see await);
// else the minder sees to their answers. Without wait it returns ErrFull where it would have to wait for room.
func (f *fleet) submit(ctx context.Context, calls []*call, wait, waited bool) (n int, err error) {
	var dropped []*call
	for n < len(calls) && err == nil {
		var room int
		if room, err = f.enter(ctx, wait); err != nil { // else mu is held
			break
		}
		if room = min(room, len(calls)-n); f.opt.lazy {
			room = 1 // whether a worker is needed is known when the call before has one
		}
		f.takeRoom(room)
		for _, c := range calls[n : n+room] {
			f.push(c)
		}
		n += room
		dropped = f.feed(waited, dropped)
	}
	if !waited {
		f.mind()
	}
	f.drop(dropped)
	return n, err
}

// feed gives the workers what they can take of the queue. Called with mu held, which it gives up.
func (f *fleet) feed(waited bool, dropped []*call) []*call {
	var fed []*peer
	for f.queue.len() > 0 {
		p := f.taker()
		if p == nil || !waited && p.busy() && f.queue.len() < batchSize {
			break
		}
		dropped = p.refill(dropped, true)
		if len(p.pend)+len(p.tail) > 0 {
			fed = append(fed, p)
		}
	}
	f.mu.Unlock()
	f.flushAll(fed)
	return dropped
}

// hold takes room for one call before its input is encoded: ends of pipes move with that, and must not in vain.
func (f *fleet) hold(ctx context.Context, wait bool) error {
	if _, err := f.enter(ctx, wait); err != nil {
		return err
	}
	f.takeRoom(1)
	f.mu.Unlock()
	return nil
}

// submitHeld submits a call that has room, or, with a failure, gives the room back.
func (f *fleet) submitHeld(c *call, failure error, waited bool) error {
	f.mu.Lock()
	if err := f.admit(failure); err != nil {
		return err
	}
	f.push(c)
	f.drop(f.feed(waited, nil))
	if !waited {
		f.mind()
	}
	return nil
}

// admit is the last look at a call that has room: with a failure, or if the pool has been closed meanwhile, it gives the
// room back, and mu, which is held.
func (f *fleet) admit(failure error) error {
	if failure == nil {
		failure = f.refuses()
	}
	if failure != nil {
		f.leaveRoom(1)
		f.mu.Unlock()
		f.settle()
	}
	return failure
}

// enter returns with mu held and for how many calls there is room, at least one; or without mu and an error.
func (f *fleet) enter(ctx context.Context, wait bool) (room int, err error) {
	hint := false // took the only hint that there is room, and passes it on
	for {
		f.mu.Lock()
		open := f.state == poolOpen
		if room := f.opt.maxInFlight - f.inflight; open && room > 0 {
			if hint && room > 1 {
				f.offerRoom()
			}
			return room, nil
		}
		f.mu.Unlock()
		switch {
		case !open:
			f.offerRoom()
			return 0, f.refusal()
		case !wait:
			return 0, ErrFull
		}
		if err := f.awaitRoom(ctx); err != nil {
			return 0, err
		}
		hint = true
	}
}

// refusal says why the pool takes no work, nil if it does.
func (f *fleet) refusal() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refuses()
}

// refuses is refusal with mu held.
func (f *fleet) refuses() error {
	switch {
	case f.state == poolOpen:
		return nil
	case f.broken != nil:
		return f.broken
	}
	return ErrClosed
}

// taker returns the worker with the fewest unanswered calls among those that can take one of the queue, or nil.
func (f *fleet) taker() *peer { return f.idlest(1) }

// idlest returns the worker with the fewest unanswered calls among those that can take another, and for which at least
// waiting calls are in the queue, or nil.
func (f *fleet) idlest(waiting int) *peer {
	var best *peer
	for _, p := range f.workers {
		if p.accepts() && (best == nil || p.fifo.len() < best.fifo.len()) && f.queue.waiting(p.slot) >= waiting {
			best = p
			if p.fifo.len() == 0 {
				break
			}
		}
	}
	return best
}

// spread gives queued calls to every worker that can take some, and returns those workers. Called with mu held.
func (f *fleet) spread(dropped []*call) ([]*peer, []*call) {
	var fed []*peer
	for f.queue.len() > 0 {
		p := f.taker()
		if p == nil {
			break
		}
		dropped = p.refill(dropped, false)
		fed = append(fed, p)
	}
	return fed, dropped
}

// resolve gives the outcome of a call that has been taken out of every list.
func (f *fleet) resolve(c *call, payload []byte, err error) {
	f.completed.Add(1)
	f.mu.Lock()
	f.leaveRoom(1)
	f.mu.Unlock()
	c.owner.deliver(payload, err)
}

// drop resolves calls whose fate is set.
func (f *fleet) drop(calls []*call) {
	for _, c := range calls {
		f.resolve(c, nil, c.fate)
	}
}

func (f *fleet) cancel(c *call, still func() bool) bool {
	f.mu.Lock()
	ok := f.queue.remove(c, still)
	f.mu.Unlock()
	if ok {
		f.resolve(c, nil, ErrCancelled)
		f.settle()
	}
	return ok
}

func (f *fleet) cancelPending() int {
	f.mu.Lock()
	open := f.queue.takeAll()
	f.mu.Unlock()
	for _, c := range open {
		f.resolve(c, nil, ErrCancelled)
	}
	f.settle()
	return len(open)
}

func (f *fleet) closed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state != poolOpen
}

func (f *fleet) close() {
	f.mu.Lock()
	if f.state == poolOpen {
		f.state = poolClosed
		close(f.quit)
		f.shut.Store(true)
		f.offerRoom()
	}
	f.mu.Unlock()
	f.stepDown() // nobody may ever ask for what is unfinished
	f.settle()
}

// settle tells idle workers of a closed pool to leave and notices when the pool has finished.
func (f *fleet) settle() {
	f.mu.Lock()
	if f.state == poolOpen {
		f.mu.Unlock()
		return
	}
	var leaving []*peer
	for _, p := range f.workers {
		if f.queue.waiting(p.slot) == 0 && p.dismiss() {
			leaving = append(leaving, p)
		}
	}
	if len(f.workers) == 0 && f.queue.len() == 0 {
		select {
		case <-f.gone:
		default:
			close(f.gone)
		}
	}
	f.mu.Unlock()
	f.flushAll(leaving)
}

func (f *fleet) flushAll(peers []*peer) {
	for _, p := range peers {
		f.mu.Lock()
		p.flush()
	}
}

// terminate resolves everything with err and kills the workers; gone is closed when they have been reaped.
func (f *fleet) terminate(err error) {
	f.mu.Lock()
	var open []*call
	if f.state != poolTerminated {
		if f.state == poolOpen {
			close(f.quit)
		}
		f.state = poolTerminated
		f.shut.Store(true)
		f.offerRoom()
		open = f.queue.takeAll()
		for _, p := range f.workers {
			f.sent.Add(-int64(p.fifo.len()))
			for p.fifo.len() > 0 {
				open = append(open, p.take())
			}
			if p.child != nil {
				_ = p.child.Kill()
			}
		}
	}
	f.mu.Unlock()
	for _, c := range open {
		f.resolve(c, nil, err)
	}
	f.settle()
}

func (f *fleet) join(ctx context.Context) error {
	if !f.closed() {
		return ErrRunning
	}
	select {
	case <-f.gone:
		return nil
	default:
	}
	select {
	case <-f.gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *fleet) pids() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	pids := make([]int, 0, len(f.workers))
	for _, p := range f.workers {
		if p.child != nil {
			pids = append(pids, p.child.Pid())
		}
	}
	return pids
}

func (f *fleet) stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := Stats{Pids: make([]int, 0, len(f.workers)), MaxInFlight: f.opt.maxInFlight, Queued: f.queue.len(), Completed: f.completed.Load(), Crashes: f.crashes.Load(),
		Timeouts: f.timeouts.Load(), Restarts: f.restarts.Load()}
	for _, p := range f.workers {
		if p.child != nil {
			s.Workers++
			s.Pids = append(s.Pids, p.child.Pid())
		}
		s.Running += p.fifo.len()
		s.Each = append(s.Each, p.stats())
	}
	slices.SortFunc(s.Each, func(a, b WorkerStats) int { return a.Slot - b.Slot })
	return s
}

// ended is called by a worker's goroutine when its process has been reaped. It settles the worker's calls and starts
// a replacement where one is needed.
func (f *fleet) ended(p *peer, cause error) {
	f.mu.Lock()
	for i, q := range f.workers {
		if q == p {
			f.workers = slices.Delete(f.workers, i, i+1)
			break
		}
	}
	f.publish()
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil // it may have fired and be waiting for mu
	}
	f.sent.Add(-int64(p.fifo.len()))
	var failed []*call
	if p.fifo.len() > 0 && cause != nil && !p.idle {
		// Calls are answered in order: the first unanswered one was running.
		c := p.take()
		if c.attempts++; c.attempts <= c.retries && !errors.Is(cause, ErrTimeout) {
			p.fifo.pushFront(c)
		} else {
			var ce *CrashError
			if errors.As(cause, &ce) {
				ce.Attempts = int(c.attempts)
			}
			c.fate = cause
			failed = append(failed, c)
		}
	}
	for i := p.fifo.len() - 1; i >= 0; i-- { // the others never started: back to the head of the queue, in order
		c := *p.fifo.at(i)
		f.queue.of(slotOf(c.affinity, f.opt.workers), f.opt.workers).pushFront(c)
	}
	if p.begun {
		f.lost = 0
	} else if cause != nil {
		f.lost++
	}
	f.events.emit(p.ending(cause))
	needed := f.state == poolOpen && !f.opt.lazy || f.state != poolTerminated && f.queue.waiting(p.slot) > 0
	var fed []*peer
	switch {
	case f.state == poolTerminated, !needed && f.state == poolClosed:
	case f.lost > f.opt.restart, hopeless(cause):
		f.broken = &brokenError{cause}
		f.events.emit(Event{Kind: PoolBroken, Err: f.broken})
	case !needed:
	default:
		f.restarts.Add(1)
		f.launch(p.slot).heir = true
		fed, failed = f.spread(failed)
	}
	broken := f.broken
	f.mu.Unlock()
	f.flushAll(fed)
	f.drop(failed)
	if broken != nil {
		f.terminate(broken)
	}
	f.settle()
}
