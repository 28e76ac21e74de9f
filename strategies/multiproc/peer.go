package multiproc

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
)

// peer is the parent's side of one worker process. All fields are behind the fleet's mu except where noted.
type peer struct {
	f     *fleet
	slot  int // its position in the pool
	child *child
	conn  syscall.RawConn // of child.In
	up    bool            // ready for calls
	heir  bool            // in the place of a worker that is gone
	over  bool            // its process has ended
	bad   error           // its answers made no sense
	fifo  queue[*call]    // sent or about to be, unanswered, in order
	bytes int             // of the calls in fifo
	taken int             // calls it was ever given
	left  bool            // told to leave
	late  *call           // the call whose timeout passed, for which the worker was killed
	begun bool            // of a dead worker: it had begun a call
	idle  bool            // of a dead worker: it was at none of its calls
	timer *time.Timer     // of the first call in fifo

	// limit is how many calls may be unanswered at once. It follows the pace of the worker, so that short calls travel
	// in batches and long ones wait in the queue, where any worker can take them.
	limit int
	pace  float64   // seconds a call takes, smoothed; 0: unknown
	since time.Time // when the worker last answered, or got work while idle

	// Outgoing bytes. Whoever finds nobody writing writes.
	pend    [][]byte
	tail    []byte // small frames put together
	spare   []byte
	writing bool
	grown   bool // the pipes hold more than they did

	// Shared memory, nil where the pipes do all the work.
	ring    *ring
	calls   uint64     // put into it
	answers uint64     // taken out of it; changes with the lead and mu
	freed   uint64     // position up to which payload of answers has been taken; behind the lead
	told    uint64     // what the worker knows of it; behind the lead
	big     []byte     // an answer that came through the pipe, until it is taken; with the lead and mu
	claimed bool       // somebody writes a call into the area: see claim
	pen     sync.Mutex // held meanwhile, so that the memory stays
	stalled bool       // the next answer comes through the pipe; with the lead and mu
}

const (
	// lead is how much work, in time, may wait in a worker: long enough to hide a round trip (some 40 µs between cores),
	// short enough not to matter when another worker falls idle.
	lead     = time.Millisecond
	maxLimit = ringSlots
	// maxBytes is how much payload may wait in a pipe, ringBytes in shared memory, beyond the first call.
	maxBytes  = 256 << 10
	ringBytes = 1536 << 10
	// ownFrame is the size from which a frame is written from where it is instead of being copied behind others.
	ownFrame = 16 << 10
	// pipeSize is what a pipe holds by default.
	pipeSize = 64 << 10
)

func (p *peer) accepts() bool {
	bytes := maxBytes
	if p.ring != nil {
		bytes = ringBytes
	}
	return p.up && !p.left && p.late == nil && !p.claimed && p.fifo.len() < p.limit && (p.fifo.len() == 0 || p.bytes < bytes) &&
		(p.f.opt.maxTasks == 0 || p.taken < p.f.opt.maxTasks) && (p.fifo.len() == 0 || !p.f.growing() && !p.last())
}

// last reports whether no call may follow those that the worker has. Without shared memory the worker cannot be held back
// (see arm), so a call behind one with a clock might have begun when the worker is killed for that one. Called with mu held.
func (p *peer) last() bool { return p.ring == nil && (*p.fifo.at(p.fifo.len() - 1)).timeout > 0 }

// refill moves calls from the queue to the worker until it has enough. Calls whose caller has gone are appended to
// dropped, with their fate. waited says that the caller takes the answers next, so that no bell is needed. Called with
// mu held.
func (p *peer) refill(dropped []*call, waited bool) []*call {
	f := p.f
	sent := 0
	// A fair share, so that one worker does not get what another could begin at once.
	most := (f.queue.any.len()+f.opt.workers-1)/f.opt.workers + f.queue.own(p.slot)
	if p.ring != nil && !waited {
		// Before the call is there, whose answer may come at once; and counted before, so that whoever is giving up the lead
		// sees it or is seen by ask.
		f.sent.Add(1)
		sent--
		p.ask()
	}
	for n := 0; n < most && f.queue.waiting(p.slot) > 0 && p.accepts(); {
		c := f.queue.pop(p.slot)
		if c.ctx != nil && c.ctx.Err() != nil {
			c.fate = c.ctx.Err()
			dropped = append(dropped, c)
			continue
		}
		first := p.fifo.len() == 0
		p.fifo.push(c)
		p.bytes += c.size
		p.taken++
		if p.ring != nil {
			p.send(c)
		} else {
			p.write(c.frame)
		}
		sent++
		n++
		if first {
			p.since = time.Now()
			p.arm()
		}
	}
	f.sent.Add(int64(sent)) // this also makes what was put visible before rouse looks
	if p.ring != nil {
		p.ring.rouse()
	}
	return dropped
}

// take removes the first call from the list; who calls it counts it out of sent. Called with mu held.
func (p *peer) take() *call {
	c := p.fifo.pop()
	p.bytes -= c.size
	if c.used != 0 && p.ring != nil {
		p.ring.reqs.tail = c.used
	}
	c.used = 0
	return c
}

// arm starts the clock of the call that has just become first. Called with mu held.
func (p *peer) arm() {
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	if p.fifo.len() == 0 || p.fifo.front().timeout == 0 {
		return
	}
	var t *time.Timer
	t = time.AfterFunc(p.fifo.front().timeout, func() {
		p.f.mu.Lock()
		defer p.f.mu.Unlock()
		if p.timer != t {
			return // it fired while it was being stopped
		}
		if p.ring != nil {
			// First the word, then the look: either the answer is seen here, or the worker sees the word before it begins the
			// next call, which must not be lost with this one.
			p.ring.ctl.halt.Or(haltNow)
			if p.hasAnswer() { // it is about to be taken
				p.ring.ctl.halt.And(^uint32(haltNow))
				return
			}
		}
		p.late = p.fifo.front()
		_ = p.child.Kill()
	})
	p.timer = t
}

// dismiss tells an idle worker to leave; true means that there is something to flush. Called with mu held.
func (p *peer) dismiss() bool {
	if !p.up || p.left || p.fifo.len() > 0 {
		return false
	}
	p.left = true
	p.hurry()
	if p.ring != nil {
		p.put(p.nextSlot(), slotQuit)
		p.f.sent.Add(0) // see refill
		p.ring.rouse()
		return false
	}
	p.write(appendHeader(nil, frameQuit, 0))
	return true
}

// hurry kills the worker, which was told to leave, when it takes longer than the grace period: hooks, goroutines and
// children that its end waits for may never come to theirs. Called with mu held.
func (p *peer) hurry() {
	var t *time.Timer
	t = time.AfterFunc(p.f.opt.proc.grace, func() {
		p.f.mu.Lock()
		defer p.f.mu.Unlock()
		if p.timer == t { // else it has ended meanwhile
			_ = p.child.Kill()
		}
	})
	p.timer = t // free: no call has a clock any more
}

// write appends a frame to what has to be sent. Called with mu held.
func (p *peer) write(frame []byte) {
	if len(frame) < ownFrame {
		p.tail = append(p.tail, frame...)
		return
	}
	if !p.grown && p.conn != nil && len(frame) > pipeSize {
		p.grown = true
		_ = p.conn.Control(growPipe)
		if out, err := p.child.Out.SyscallConn(); err == nil {
			_ = out.Control(growPipe)
		}
	}
	if len(p.tail) > 0 {
		p.pend = append(p.pend, p.tail)
		p.tail = nil
	}
	p.pend = append(p.pend, frame)
}

// flush sends what there is, unless somebody is at it already. It never blocks: when the pipe is full, a goroutine
// takes over. Called with mu held, which it gives up.
func (p *peer) flush() {
	if p.writing || p.conn == nil || len(p.pend)+len(p.tail) == 0 {
		p.f.mu.Unlock()
		return
	}
	p.writing = true
	for len(p.pend) > 0 || len(p.tail) > 0 {
		pend, tail := p.pend, p.tail
		p.pend, p.tail, p.spare = nil, p.spare[:0], nil
		p.f.mu.Unlock()
		for i := 0; i <= len(pend); i++ {
			b := tail
			if i < len(pend) {
				b = pend[i]
			}
			if n := p.try(b); n < len(b) {
				go p.finish(b[n:], pend[min(i+1, len(pend)):], tail, i < len(pend))
				return
			}
		}
		p.f.mu.Lock()
		p.spare = tail
	}
	p.writing = false
	p.f.mu.Unlock()
}

// try writes as much as the pipe takes now. On an error the worker is gone, which its reader notices; the bytes count
// as written.
func (p *peer) try(b []byte) int {
	done := 0
	for done < len(b) {
		var n int
		var err error
		if e := p.conn.Write(func(fd uintptr) bool { n, err = tryWrite(fd, b[done:]); return true }); e != nil || err != nil {
			return len(b)
		}
		if n == 0 {
			break
		}
		done += n
	}
	return done
}

// finish writes the rest of an interrupted flush, waiting for the pipe, and goes on flushing.
func (p *peer) finish(rest []byte, pend [][]byte, tail []byte, withTail bool) {
	_, err := p.child.In.Write(rest)
	for _, b := range pend {
		if err == nil {
			_, err = p.child.In.Write(b)
		}
	}
	if withTail && err == nil {
		_, _ = p.child.In.Write(tail)
	}
	p.f.mu.Lock()
	p.writing = false
	p.flush()
}

// run starts the worker, receives its answers until it ends, and reports that.
func (p *peer) run() {
	cause := p.open()
	for pause := firstPause; cause != nil && p.spared(pause); pause = min(2*pause, lastPause) {
		cause = p.open()
	}
	if cause == nil {
		cause = p.receive()
	}
	p.finishUp(cause)
}

func (p *peer) open() error {
	f := p.f
	opt, kind := f.opt.proc, rolePool
	opt.killTree = true // a task that is killed leaves nothing behind
	if n := len(f.opt.pinned); n > 0 {
		opt.cpus = f.opt.pinned[p.slot%n : p.slot%n+1]
	}
	var r *ring
	if !f.opt.pipes {
		var file *os.File
		var err error
		// Where it cannot be had, the pipes do the work.
		if r, file, err = createRing(); err == nil {
			defer file.Close()
			opt.extra, kind = []*os.File{file}, roleRing
		}
	}
	// One P starts faster, and a worker runs one task at a time.
	c, err := startChild(&opt, kind, f.fn, self.childName("Worker", &self.workers), "GOMAXPROCS=1")
	if err != nil {
		if r != nil {
			r.unmap()
		}
		return err
	}
	f.events.emit(Event{Kind: WorkerStarted, Pid: c.Pid(), Slot: p.slot})
	f.mu.Lock()
	p.child, p.ring = c, r
	if p.conn, err = c.In.SyscallConn(); err != nil || f.state == poolTerminated {
		_ = c.Kill()
	}
	init := &initCall{e: &entry{}}
	if f.opt.init != nil {
		init = f.opt.init
	}
	b := append(appendString(appendHeader(nil, frameInit, 0), init.e.name), init.enc...)
	sealFrame(b, 0)
	p.write(b)
	p.flush()
	return nil
}

// receive handles answers until the end of file, and returns why there was one: nil if the worker was told to leave.
func (p *peer) receive() error {
	var buf frameBuffer
	for {
		n, _ := p.child.Out.Read(buf.space())
		if n <= 0 { // whatever there is to say about it comes from the worker's end
			break
		}
		buf.filled(n)
		cause := p.frames(&buf)
		if errors.Is(cause, ErrInit) {
			return cause
		}
		if cause != nil {
			p.damaged(cause)
			break
		}
	}
	return nil
}

// damaged ends a worker whose answers make no sense: that is a crash.
func (p *peer) damaged(err error) {
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	p.bad = err
	_ = p.child.Kill()
}

// frames handles every complete frame in the buffer: under one lock, with one refill and one write. It returns why there
// can be no more, or nil.
func (p *peer) frames(buf *frameBuffer) (cause error) {
	f := p.f
	var store [64]pipeAnswer
	done := store[:0]
	var dropped []*call
	var fed []*peer
	bell := false
	f.mu.Lock()
	for cause == nil {
		h, payload, ok := buf.next()
		if !ok {
			cause = buf.bad()
			break
		}
		switch {
		case h.kind == frameReady && !p.up:
			p.up = true
			f.publish()
			f.announce(nil)
			fed, dropped = f.spread(dropped)
		case h.kind == frameFailed && !p.up:
			cause = initFailure(payload)
		case h.kind == frameBell && p.ring != nil:
			bell = true
		case h.kind == frameResult && p.ring != nil:
			f.mu.Unlock()
			p.bigAnswer(payload)
			f.mu.Lock()
		case h.kind == frameResult && p.fifo.len() > 0:
			done = append(done, pipeAnswer{p.take(), payload})
		case h.kind == frameResult: // of a call that Terminate has resolved
		default:
			cause = &DecodeError{"frame", errFrame}
		}
	}
	if len(done) > 0 {
		f.sent.Add(-int64(len(done)))
		dropped = p.answered(len(done), dropped)
	}
	idle := p.fifo.len() == 0
	p.flush()
	f.flushAll(fed)
	for _, d := range done {
		f.resolve(d.c, d.payload, nil)
	}
	f.drop(dropped)
	if bell {
		f.tend()
	}
	if idle {
		f.settle()
	}
	return cause
}

// pipeAnswer is a call with its result.
type pipeAnswer struct {
	c       *call
	payload []byte
}

// answered sees to what n answers change: the pace, the clock of the next call, more calls. Called with mu held.
func (p *peer) answered(n int, dropped []*call) []*call {
	p.adapt(n)
	p.arm()
	// Waiting for half of the room makes the next write a batch.
	if p.fifo.len() <= p.limit/2 {
		dropped = p.refill(dropped, true)
	}
	if m := p.f.opt.maxTasks; m > 0 && p.taken >= m {
		p.dismiss()
	}
	return dropped
}

// announce tells start about one of the first workers. Called with mu held.
func (f *fleet) announce(err error) {
	select {
	case f.ready <- err:
	default:
	}
}

// adapt sets the limit after n answers. Called with mu held.
func (p *peer) adapt(n int) {
	now := time.Now()
	each := now.Sub(p.since).Seconds() / float64(n)
	p.since = now
	if p.pace == 0 {
		p.pace = each
	}
	p.pace += (each - p.pace) / 4
	p.f.pace.Store(int64(p.pace * 1e9))
	p.limit = 1 + min(maxLimit-1, int(lead.Seconds()/max(p.pace, 1e-7)))
}

// finishUp waits for the process's end, makes sure of it, and settles its calls.
func (p *peer) finishUp(cause error) {
	f := p.f
	if p.child == nil {
		f.mu.Lock()
		f.announce(cause)
		f.mu.Unlock()
		f.ended(p, cause)
		return
	}
	c := p.child
	t := time.NewTimer(f.opt.proc.grace)
	select {
	case <-c.Done():
	case <-t.C: // it closed its pipe, or hangs on its way out
		_ = c.Kill()
		<-c.Done()
	}
	t.Stop()
	_ = c.In.Close()
	_ = c.Out.Close()
	stderr := c.end()
	exit, _ := c.Wait(context.Background())
	f.mu.Lock()
	up := p.up
	p.up, p.over = false, true
	f.mu.Unlock()
	if p.ring != nil {
		// The worker's last answers count, and nobody may be polling or writing when the memory goes.
		p.pen.Lock()
		f.takeLead()
		f.collect()
	}
	f.mu.Lock()
	p.salvage()
	// Which call the worker was at, if any, is known where there is shared memory. Else it counts as at the first one.
	p.begun = p.taken > 0
	running := p.fifo.len() > 0
	if p.ring != nil {
		begun := p.ring.ctl.begun.Load()
		p.begun, running = begun > 0, running && begun > p.answers
	}
	if p.late != nil && p.fifo.len() > 0 && p.fifo.front() == p.late {
		running = true // begun or not, its time is over
	}
	p.begun = p.begun || p.late != nil // it was killed on purpose
	p.idle = !running
	if cause == nil {
		switch {
		case p.late != nil && p.fifo.len() > 0 && p.fifo.front() == p.late:
			cause = ErrTimeout
			f.timeouts.Add(1)
		case p.late != nil && !running: // it was answered after all
			cause = ErrTimeout
		case !p.left || p.fifo.len() > 0:
			cause = crashCause(&CrashError{Pid: c.Pid(), Exit: exit, Attempts: 1, StderrTail: stderr, Err: p.bad}, f.fn, up)
			if f.state != poolTerminated {
				f.crashes.Add(1)
			}
		}
	}
	if !up {
		f.announce(cause)
	}
	f.mu.Unlock()
	f.ended(p, cause)
	if p.ring != nil {
		p.ring.unmap()
		f.giveUp(true)
		f.stepDown()
	}
}
