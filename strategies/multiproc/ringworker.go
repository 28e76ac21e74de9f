package multiproc

import (
	"encoding/binary"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// roleRing is a pool worker with shared memory.
const roleRing = "ring"

// workerRing is the shared memory of this worker.
var workerRing struct {
	r   *ring
	err error
}

// The memory is mapped and its descriptor gone before user code could start something that inherits it. This comes
// after the init of main.go, which sets the role: files are initialised in the order of their names.
func init() {
	if role.kind == roleRing {
		workerRing.r, workerRing.err = openRing()
	}
}

// ringWorker is the child's side of shared memory.
type ringWorker struct {
	*worker
	r    *ring
	n    uint64 // number of the call at hand
	last int    // size of the answer before
	spin bool   // the parent may be on another CPU
	// long says that the last calls took longCall or more: then the parent sleeps by now, and needs a CPU to wake up on.
	// It is found out where the worker waits, because to look at the clock costs as much as a short call.
	long  bool
	mark  time.Time // when the worker last had nothing to do
	calls int64     // since then

	timing timing
}

// haltNap is how often a worker looks whether it is to go on after all.
const haltNap = 20 * time.Microsecond

var bell = sealed(appendHeader(nil, frameBell, 0))

func sealed(frame []byte) []byte { sealFrame(frame, 0); return frame }

// ringPool is pool with shared memory: only the initialiser and what has no room there goes through the pipes.
func (w *worker) ringPool(e *entry) {
	if workerRing.err != nil {
		childFatal("shared memory: " + workerRing.err.Error())
	}
	h, payload := w.receive()
	if h.kind != frameInit {
		childFatal("unexpected frame " + strconv.Itoa(int(h.kind)))
	}
	w.initialise(payload)
	w.out = appendHeader(w.out, frameReady, 0)
	w.send()
	rw := &ringWorker{worker: w, r: workerRing.r, spin: several()}
	watched := rw.timed(e)
	for ; ; rw.n++ {
		s := rw.next()
		run, timed := e.run, false
		if rw.r.ctl.halt.Load() != 0 {
			if timed = rw.see(s.count) && watched != nil; timed {
				run = watched
			}
		}
		release(&rw.r.ctl.begun, rw.n+1)
		switch s.kind {
		case slotInline, slotArea:
			payload, ok := s.payload(&rw.r.reqs)
			if !ok {
				childFatal("damaged slot")
			}
			rw.answer(run, int(s.count), payload)
		case slotPipe:
			h, payload := w.receive()
			if h.kind != frameCall {
				childFatal("unexpected frame " + strconv.Itoa(int(h.kind)))
			}
			rw.answer(run, int(h.count), payload)
		case slotQuit:
			leave(0)
		default:
			childFatal("unknown slot " + strconv.Itoa(int(s.kind)))
		}
		if timed {
			rw.answered()
		}
		if rw.n%256 == 0 {
			runtime.Gosched() // with one P, timers and the lifeline's watch wait for this
		}
	}
}

// next waits for the slot of the next call.
func (w *ringWorker) next() *slot {
	s := &w.r.req[w.n%ringSlots]
	stamp := w.n + 1
	var began time.Time
	limit := spinTime
	if !w.spin {
		limit = 0 // one yield
	}
	for {
		for i := 1; s.stamp.Load() != stamp; i++ {
			if w.spin && i < spinPolls {
				continue
			}
			i = 0
			now := time.Now()
			if began.IsZero() {
				began = now
				w.long = w.calls > 0 && now.Sub(w.mark) > time.Duration(w.calls)*longCall
				w.calls = 0
			}
			if w.mark = now; w.long || now.Sub(began) > limit {
				break
			}
			osYield()
		}
		if s.stamp.Load() == stamp {
			w.calls++
			return s
		}
		w.r.ctl.asleep.Store(1)
		if s.stamp.Load() == stamp {
			w.r.ctl.asleep.Store(0)
			continue
		}
		futexWait(word(&w.r.ctl.asleep), 1)
		w.mark = time.Now()
	}
}

// answer runs the call and puts the outcome where there is room for it.
func (w *ringWorker) answer(run runFunc, count int, payload []byte) {
	out, area := w.out[:0], []byte(nil)
	if w.last > inlineSize {
		// What it makes is probably as large as the last one: let it write to its place.
		ress := &w.r.ress
		ress.tail = max(ress.tail, w.r.ctl.release.Load())
		if area = ress.reserve(min(w.last, areaMax)); area != nil {
			out = area[:0]
		}
	}
	out = run(w.ctx, count, payload, out)
	w.last = len(out)
	inPlace := len(area) > 0 && cap(out) > 0 && unsafe.SliceData(out) == unsafe.SliceData(area)
	if !inPlace {
		w.out = out // keep the memory
	}
	s := &w.r.res[w.n%ringSlots]
	s.size = uint32(len(out))
	switch {
	case len(out) <= inlineSize:
		copy(s.data[:], out)
		s.kind = slotInline
	case inPlace:
		off, end := w.r.ress.commit(len(out))
		s.at, s.kind = uint32(off), slotArea
		*s.end() = end
	default:
		ress := &w.r.ress
		ress.tail = max(ress.tail, w.r.ctl.release.Load())
		off, end, ok := 0, uint64(0), len(out) <= areaMax
		if ok {
			off, end, ok = ress.alloc(len(out))
		}
		if !ok {
			w.sendBig(s, count, out)
			return
		}
		copyBulk(ress.buf[off:], out)
		s.at, s.kind = uint32(off), slotArea
		*s.end() = end
	}
	s.stamp.Store(w.n + 1)
	if c := &w.r.ctl.ring; c.Load() == 1 && c.CompareAndSwap(1, 0) {
		if _, err := rawWrite(spawn.FDOut, bell); err != nil {
			exitOrphaned()
		}
	}
	if cap(w.out) > 4<<20 {
		w.out = nil // only a huge result needed it
	}
}

// sendBig sends an outcome through the pipe. The slot goes first: the parent's reader must find it when the frame is
// complete.
func (w *ringWorker) sendBig(s *slot, count int, out []byte) {
	s.kind = slotPipe
	s.stamp.Store(w.n + 1)
	head := appendHeader(make([]byte, 0, headerSize), frameResult, count)
	binary.LittleEndian.PutUint64(head, uint64(len(out)))
	for _, b := range [][]byte{head, out} {
		w.write(b)
	}
	w.out = nil
}

// word is where a futex lies.
func word(a *atomic.Uint32) *uint32 { return (*uint32)(unsafe.Pointer(a)) }
