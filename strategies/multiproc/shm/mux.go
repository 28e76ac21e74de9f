package shm

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// mux lets a few threads sleep on many words: each of its groups is a goroutine in one futex_waitv over up to 127 words
// and a bell. It serves the words beyond maxLeaders.
type mux struct {
	mu     sync.Mutex
	absent atomic.Bool // the kernel has no futex_waitv
	groups []*group
}

const groupSize = 127

type group struct {
	mux     *mux
	bell    *uint32 // changes when the set of words did
	entries []*muxEntry
	running bool
}

type muxEntry struct {
	word  *uint32
	val   uint32
	until time.Time
	ready chan struct{} // closed when the waiter is to look again
	done  bool
}

// wait sleeps as mapping.sleep does. It returns false at once where the kernel cannot.
func (x *mux) wait(ctx context.Context, word *uint32, val uint32, d time.Duration) bool {
	if x.absent.Load() {
		return false
	}
	e := &muxEntry{word: word, val: val, until: time.Now().Add(d), ready: make(chan struct{})}
	x.mu.Lock()
	g := x.room()
	g.entries = append(g.entries, e)
	if !g.running {
		g.running = true
		go g.run()
	} else {
		g.ring()
	}
	x.mu.Unlock()
	select {
	case <-e.ready:
	case <-ctx.Done():
		x.mu.Lock()
		e.done = true
		g.ring()
		x.mu.Unlock()
	}
	return true
}

func (x *mux) room() *group {
	for _, g := range x.groups {
		if len(g.entries) < groupSize {
			return g
		}
	}
	g := &group{mux: x, bell: new(uint32)}
	x.groups = append(x.groups, g)
	return g
}

func (g *group) ring() {
	atomic.AddUint32(g.bell, 1)
	futexWake(g.bell, 1, anyMask)
}

func (x *mux) kickAll() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, g := range x.groups {
		for _, e := range g.entries {
			e.until = time.Time{}
		}
		g.ring()
	}
}

// run sleeps for the group's words until none is left.
func (g *group) run() {
	var vs []waitvEntry
	woken := -1
	var last []*muxEntry
	for {
		g.mux.mu.Lock()
		if woken > 0 && woken <= len(last) {
			last[woken-1].until = time.Time{}
		}
		now := time.Now()
		kept := g.entries[:0]
		next := now.Add(longestWait)
		for _, e := range g.entries {
			switch {
			case e.done:
			case g.mux.absent.Load() || atomic.LoadUint32(e.word) != e.val || !e.until.After(now):
				e.done = true
				close(e.ready)
			default:
				kept = append(kept, e)
				if e.until.Before(next) {
					next = e.until
				}
			}
		}
		clear(g.entries[len(kept):])
		g.entries = kept
		if len(kept) == 0 {
			g.running = false
			g.mux.mu.Unlock()
			return
		}
		vs = append(vs[:0], waitvEntry{val: uint64(atomic.LoadUint32(g.bell)), addr: uintptr(unsafe.Pointer(g.bell)), flags: futex2Size32})
		for _, e := range kept {
			vs = append(vs, waitvEntry{val: uint64(e.val), addr: uintptr(unsafe.Pointer(e.word)), flags: futex2Size32})
		}
		last = append(last[:0], kept...)
		g.mux.mu.Unlock()
		var ok bool
		if woken, ok = futexWaitv(vs, next.Sub(now)); !ok {
			g.mux.absent.Store(true)
		}
	}
}
