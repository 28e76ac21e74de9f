package multiproc

import (
	"time"
	"unsafe"
)

// The parent's side of a worker's shared memory.

// nextSlot returns the slot of the next call; it is free because at most ringSlots calls are unanswered. Called with mu held.
func (p *peer) nextSlot() *slot { return &p.ring.req[p.calls%ringSlots] }

const (
	// busyCalls is how many calls a worker has that need not get the next one at once.
	busyCalls = 8
	// batchSize is how many calls wait for others to travel with, if all workers are busy. To send one costs as much as the
	// rest of a short call, because the slot's line has to come from the other CPU before the lock can be given up; that of
	// several in one go comes meanwhile.
	batchSize = 16
)

// busy reports whether the worker has short calls enough. They are answered while the next ones are made, and whoever
// takes the answers, or at the latest the minder, sends what is waiting. Called with mu held.
func (p *peer) busy() bool { return p.ring != nil && p.fifo.len() >= busyCalls }

// put makes the slot visible to the worker, sooner or later: see refill. Called with mu held.
func (p *peer) put(s *slot, kind uint32) {
	s.kind = kind
	p.calls++
	release(&s.stamp, p.calls)
}

// send hands a call to the worker. What has no place in shared memory goes through the pipe; the slot then only says
// so. Called with mu held.
func (p *peer) send(c *call) {
	s := p.nextSlot()
	payload := c.frame[headerSize:]
	s.size, s.count = uint32(len(payload)), uint32(c.count)
	if len(payload) <= inlineSize {
		copy(s.data[:], payload)
		p.put(s, slotInline)
		return
	}
	if len(payload) <= areaMax {
		if off, end, ok := p.ring.reqs.alloc(len(payload)); ok {
			copyBulk(p.ring.reqs.buf[off:], payload)
			s.at, c.used = uint32(off), end
			p.put(s, slotArea)
			return
		}
	}
	p.write(c.frame)
	p.put(s, slotPipe)
}

// claim is the first half of a submission that encodes its input where the worker reads it, without a copy on the way:
// it gives room for one call and memory of at least size bytes that nobody else touches until hand, the second half.
// It is nil where it cannot be done at once; the call then takes the ordinary way, or, if busy says that an answer
// changes that, waits for one.
func (f *fleet) claim(size int) (_ *peer, buf []byte, busy bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	busy = f.inflight > 0 && f.queue.len() == 0 && size <= areaMax && !f.opt.lazy && !f.opt.pipes && f.state == poolOpen
	if size > areaMax || f.opt.lazy || f.state != poolOpen || f.queue.len() > 0 || f.inflight >= f.opt.maxInFlight {
		return nil, nil, busy
	}
	p := f.idlest(0)
	if p == nil || p.ring == nil {
		return nil, nil, busy && p == nil
	}
	if buf = p.ring.reqs.reserve(size); buf == nil {
		return nil, nil, busy && p.fifo.len() > 0
	}
	f.takeRoom(1)
	p.claimed = true
	p.pen.Lock() // free: whoever else takes it has ended the worker before
	return p, buf, false
}

// hand submits a call whose payload has been encoded into what claim returned, or, where it did not fit, elsewhere. With
// a failure it gives the claim back.
func (f *fleet) hand(p *peer, c *call, payload, buf []byte, failure error, waited bool) error {
	inPlace := unsafe.SliceData(payload) == unsafe.SliceData(buf)
	if failure == nil && !inPlace {
		c.frame = frameOf(c.count, payload)
	}
	f.mu.Lock()
	p.claimed = false
	if inPlace && (!p.up || p.left || p.late != nil) { // it has ended meanwhile, or will
		c.frame, inPlace = frameOf(c.count, payload), false
	}
	p.pen.Unlock()
	if err := f.admit(failure); err != nil {
		return err
	}
	c.size = headerSize + len(payload)
	if inPlace {
		p.handOver(c, len(payload))
	} else {
		f.push(c)
	}
	dropped := f.feed(true, nil) // what came while the worker was claimed
	if !waited {
		f.mind()
	}
	f.drop(dropped)
	return nil
}

// handOver makes a payload that is in place already the worker's next call. Called with mu held.
func (p *peer) handOver(c *call, size int) {
	s := p.nextSlot()
	s.size, s.count = uint32(size), uint32(c.count)
	at, end := p.ring.reqs.commit(size)
	c.at, c.used, s.at = uint32(at), end, uint32(at)
	first := p.fifo.len() == 0
	p.fifo.push(c)
	p.bytes += c.size
	p.taken++
	p.put(s, slotArea)
	if first {
		p.since = time.Now()
		p.arm()
	}
	p.f.sent.Add(1)
	p.ring.rouse()
}

// salvage makes frames of the unanswered calls whose payload is in the area alone, before that goes. Called with mu held.
func (p *peer) salvage() {
	for i := range p.fifo.len() {
		if c := *p.fifo.at(i); c.frame == nil {
			size := c.size - headerSize
			c.frame = frameOf(c.count, p.ring.reqs.buf[c.at:int(c.at)+size])
		}
	}
}

// frameOf makes a frame of a call's payload.
func frameOf(count int32, payload []byte) []byte {
	b := append(appendHeader(make([]byte, 0, headerSize+len(payload)), frameCall, int(count)), payload...)
	sealFrame(b, 0)
	return b
}

// ask asks the worker for a bell with its next answer, unless somebody has the lead and does so afterwards. Called with
// mu held.
func (p *peer) ask() {
	if c := &p.ring.ctl.ring; !p.f.leading.Load() && c.Load() == 0 {
		c.Store(1)
	}
}

// hasAnswer reports whether drain would find something. Called with the lead or with mu held.
func (p *peer) hasAnswer() bool {
	return !p.stalled && p.ring.res[p.answers%ringSlots].stamp.Load() == p.answers+1
}

// drain appends the answers that have come to batch. Called with the lead and mu held.
func (p *peer) drain(batch []answered) []answered {
	for p.hasAnswer() {
		s := &p.ring.res[p.answers%ringSlots]
		var payload []byte
		n := 0
		switch s.kind {
		case slotInline:
			n = int(min(s.size, inlineSize))
		case slotPipe:
			if payload = p.big; payload == nil {
				p.stalled = true
				return batch
			}
			p.big = nil
		default:
			var ok bool
			if payload, ok = s.payload(&p.ring.ress); !ok || s.kind != slotArea {
				p.stalled, p.bad = true, &DecodeError{"slot", errFrame} // the worker's end settles its calls
				_ = p.child.Kill()
				return batch
			}
			p.freed = *s.end()
		}
		p.answers++
		if p.fifo.len() == 0 {
			continue // of a call that Terminate has resolved
		}
		batch = append(batch, answered{c: p.take(), payload: payload, n: n})
		if payload == nil {
			batch[len(batch)-1].short = s.data
		}
	}
	return batch
}

// bigAnswer takes an answer that came through the pipe, together with those before it.
func (p *peer) bigAnswer(payload []byte) {
	f := p.f
	f.takeLead()
	f.mu.Lock()
	p.big, p.stalled = payload, false
	f.mu.Unlock()
	f.collect()
	f.giveUp(true)
	f.stepDown()
}

// release tells the worker how much payload has been taken. Called with the lead.
func (p *peer) release() {
	if p.freed != p.told {
		p.told = p.freed
		p.ring.ctl.release.Store(p.told)
	}
}

// rouse wakes the worker if it sleeps.
func (r *ring) rouse() {
	if w := &r.ctl.asleep; w.Load() == 1 && w.CompareAndSwap(1, 0) {
		futexWake(word(w))
	}
}
