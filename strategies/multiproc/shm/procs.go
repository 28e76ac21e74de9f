package shm

import (
	"os"
	"sync/atomic"
)

// Every process that has the arena open has a slot of the process table: one 64-bit word, written by one atomic
// operation, so that no crash leaves half of it.
//
//	generation (20 bits) | low bits of the start in clock ticks (22 bits) | pid (22 bits, the kernel's maximum)
//
// A slot is free while its pid is 0. The generation grows each time a slot is taken, and lock words hold generation and
// slot: a lock that a dead process held is never mistaken for one of the process that got its slot later, until a slot
// was taken 2^20 times more with the lock untouched.
const (
	slotBits = 10
	genBits  = 20
	pidBits  = 22

	idMask  = 1<<(slotBits+genBits) - 1
	pidMask = 1<<pidBits - 1

	// deadID is an owner that is always dead: slot 0 is never taken.
	deadID = 1 << slotBits
)

func (m *mapping) slot(id uint32) *uint64 { return m.u64(offProcs + 8*uint64(id&(maxProcs-1))) }

// register takes a slot for this process: a free one, else one whose process is dead.
func (m *mapping) register() error {
	pid := os.Getpid()
	start, _, _ := procStat(pid)
	word := start&pidMask<<pidBits | uint64(pid)
	for _, reuse := range []bool{false, true} {
		for i := range uint32(maxProcs - 1) {
			s := 1 + (uint32(pid)+i)%(maxProcs-1)
			p := m.slot(s)
			old := atomic.LoadUint64(p)
			gen := uint32(old >> (2 * pidBits))
			if old&pidMask != 0 && (!reuse || m.alive(gen<<slotBits|s)) {
				continue
			}
			gen = (gen + 1) & (1<<genBits - 1)
			if atomic.CompareAndSwapUint64(p, old, uint64(gen)<<(2*pidBits)|word) {
				m.self, m.bit = gen<<slotBits|s, 1<<(s%32)
				return nil
			}
		}
	}
	return ErrProcesses
}

// unregister gives the slot back. What this process still holds is abandoned thereby.
func (m *mapping) unregister() {
	gen := uint64(m.self >> slotBits)
	atomic.StoreUint64(m.slot(m.self), gen<<(2*pidBits))
}

// gone tells, without a system call, whether the process of id has left or its slot has been taken by another. False does
// not mean that it is alive.
func (m *mapping) gone(id uint32) bool {
	w := atomic.LoadUint64(m.slot(id))
	return id&(maxProcs-1) == 0 || uint32(w>>(2*pidBits)) != id>>slotBits || w&pidMask == 0
}

// alive tells whether the process of id can still do something. A zombie cannot. Where /proc hides a process of another
// user, a signal probe decides.
func (m *mapping) alive(id uint32) bool {
	if id == m.self {
		return true
	}
	if m.gone(id) {
		return false
	}
	w := atomic.LoadUint64(m.slot(id))
	if processGone(int(w & pidMask)) {
		return false
	}
	start, zombie, ok := procStat(int(w & pidMask))
	if !ok {
		return !processGone(int(w & pidMask))
	}
	return !zombie && (start^w>>pidBits)&pidMask == 0
}
