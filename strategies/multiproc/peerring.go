package multiproc

// The parent's side of a worker's shared memory.

// nextSlot returns the slot of the next call; it is free because at most ringSlots calls are unanswered. Called with mu held.
func (p *peer) nextSlot() *slot { return &p.ring.req[p.calls%ringSlots] }

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
	h := parseHeader(c.frame)
	payload := c.frame[headerSize:]
	s.size, s.count = uint32(len(payload)), h.count
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
				p.stalled = true // damaged: the worker's end settles its calls
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
