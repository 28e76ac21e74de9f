package shm

import (
	"context"
	"math/bits"
	"sync/atomic"
	"unsafe"
)

// The allocator is a list of adjacent blocks, each with a header of two words before it: its size with a tag and the
// used bit, and the size of the block before it (Knuth's boundary tags, TAOCP 2.5). Free blocks are also in doubly
// linked bins by the power of two of their size, found through a bitmap of non-empty bins.
//
// Only the sizes and used bits are the truth, and each change of them is one atomic store that leaves a valid list. All
// else (back sizes, bins, counters) is derived: when a process was killed with the lock held, the next one walks the
// list and makes it again, and frees the block that was being handed out.
const (
	hdrSize   = 16
	minBlock  = 32 // a header and two links
	usedBit   = 1
	tagMask   = 0xffff << 48
	blockTag  = 0x5b1c << 48
	numBins   = 48
	offBinMap = offBins + 8*numBins // u64
	maxAlign  = 2 << 20
	// Free blocks from this size return their memory to the machine.
	punchSize = 1 << 20
)

func blockWord(size uint64, used bool) uint64 {
	if used {
		size |= usedBit
	}
	return blockTag | size
}

func (m *mapping) blockSize(b uint64) uint64 { return *m.u64(b) &^ (tagMask | 15) }
func (m *mapping) blockUsed(b uint64) bool   { return *m.u64(b)&usedBit != 0 }
func (m *mapping) setBlock(b, size uint64, used bool) {
	atomic.StoreUint64(m.u64(b), blockWord(size, used))
}

// valid tells whether there can be a block at b: its words have to agree with what follows it.
func (m *mapping) valid(b uint64) bool {
	first, end := *m.u64(offFirst), *m.u64(offEnd)
	if end > uint64(len(m.mem))-hdrSize || b < first || b >= end || b%16 != 0 || *m.u64(b)&tagMask != blockTag {
		return false
	}
	size := m.blockSize(b)
	return size >= minBlock && size <= end-b && *m.u64(b + size)&tagMask == blockTag && *m.u64(b + size + 8) == size
}

func bin(size uint64) uint64 { return uint64(bits.Len64(size)) - 5 } // 32..63 is bin 1

func (m *mapping) binHead(i uint64) *uint64 { return m.u64(offBins + 8*i) }

// The links of a free block are its first two payload words: next, previous.
func (m *mapping) binInsert(b uint64) {
	i := bin(m.blockSize(b))
	h := m.binHead(i)
	*m.u64(b + 16), *m.u64(b + 24) = *h, 0
	if *h != 0 {
		*m.u64(*h + 24) = b
	}
	*h = b
	*m.u64(offBinMap) |= 1 << i
}

func (m *mapping) binRemove(b uint64) {
	i := bin(m.blockSize(b))
	next, prev := *m.u64(b + 16), *m.u64(b + 24)
	if prev != 0 {
		*m.u64(prev + 16) = next
	} else if *m.binHead(i) = next; next == 0 {
		*m.u64(offBinMap) &^= 1 << i
	}
	if next != 0 {
		*m.u64(next + 24) = prev
	}
}

// fit returns where in the free block b a block of size bytes with an aligned payload would start; 0 where it does not
// fit.
func (m *mapping) fit(b, size, align uint64) uint64 {
	p := (b + hdrSize + align - 1) &^ (align - 1)
	if gap := p - hdrSize - b; gap != 0 && gap < minBlock {
		p += max(align, minBlock)
		p = (p + align - 1) &^ (align - 1)
	}
	if p-hdrSize+size > b+m.blockSize(b) {
		return 0
	}
	return p - hdrSize
}

// find returns the first free block that fits, from the smallest bin on.
func (m *mapping) find(size, align uint64) (b, start uint64, err error) {
	end := *m.u64(offEnd)
	for mask := *m.u64(offBinMap) &^ (1<<bin(size) - 1); mask != 0; mask &= mask - 1 {
		b := *m.binHead(uint64(bits.TrailingZeros64(mask)))
		for steps := uint64(0); b != 0; b = *m.u64(b + 16) {
			if steps++; b >= end || b%16 != 0 || steps > end/minBlock || m.blockUsed(b) {
				return 0, 0, ErrCorrupt
			}
			if s := m.fit(b, size, align); s != 0 {
				return b, s, nil
			}
		}
	}
	return 0, 0, ErrFull
}

// take hands out a block of size bytes, header included. The lock is held.
func (m *mapping) take(size, align uint64) (uint64, error) {
	b, start, err := m.find(size, align)
	if err != nil {
		return 0, err
	}
	// New headers need memory before they are written.
	room := m.blockSize(b)
	if err := m.back(start, min(2*hdrSize+16, size)); err != nil {
		return 0, err
	}
	if rest := b + room - start - size; rest >= minBlock {
		if err := m.back(start+size, minBlock); err != nil {
			return 0, err
		}
	}
	m.binRemove(b)
	if gap := start - b; gap > 0 { // cut the front off; it stays free
		*m.u64(start) = blockWord(room-gap, false)
		*m.u64(start + 8) = gap
		m.setBlock(b, gap, false)
		m.binInsert(b)
		room -= gap
		*m.u64(start + room + 8) = room
	}
	*m.u64(offPending) = start
	rest := room - size
	if rest < minBlock {
		size, rest = room, 0
	} else { // cut the rest off: invisible until the block's own size changes
		*m.u64(start + size) = blockWord(rest, false)
		*m.u64(start + size + 8) = size
	}
	m.setBlock(start, size, true)
	if rest > 0 {
		*m.u64(start + room + 8) = rest
		m.binInsert(start + size)
	}
	*m.u64(offUsed) += size
	*m.u64(offBlocks)++
	return start, nil
}

// give takes a used block back and joins it with free neighbours. The lock is held.
func (m *mapping) give(b uint64) {
	size := m.blockSize(b)
	*m.u64(offUsed) -= size
	*m.u64(offBlocks)--
	m.setBlock(b, size, false)
	if size >= punchSize {
		m.unback(b+minBlock, size-minBlock)
	}
	if next := b + size; !m.blockUsed(next) {
		m.binRemove(next)
		size += m.blockSize(next)
		m.setBlock(b, size, false)
	}
	if before := *m.u64(b + 8); before != 0 && !m.blockUsed(b-before) {
		b -= before
		m.binRemove(b)
		size += before
		m.setBlock(b, size, false)
	}
	*m.u64(b + size + 8) = size
	m.binInsert(b)
}

// rebuild makes everything that is derived from the list of sizes again, after an owner of the lock died.
func (m *mapping) rebuild() error {
	first, end := *m.u64(offFirst), *m.u64(offEnd)
	for i := range uint64(numBins) {
		*m.binHead(i) = 0
	}
	*m.u64(offBinMap), *m.u64(offUsed), *m.u64(offBlocks) = 0, 0, 0
	pending := *m.u64(offPending)
	prev, prevSize := uint64(0), uint64(0)
	for b := first; b < end; {
		size := m.blockSize(b)
		if *m.u64(b)&tagMask != blockTag || size < minBlock || size > end-b {
			return ErrCorrupt
		}
		used := m.blockUsed(b) && b != pending
		if prev != 0 && !used && !m.blockUsed(prev) {
			b, size = prev, size+prevSize
		} else {
			*m.u64(b + 8) = prevSize
		}
		m.setBlock(b, size, used)
		prev, prevSize = b, size
		b += size
	}
	*m.u64(end + 8) = prevSize
	for b := first; b < end; b += m.blockSize(b) {
		if m.blockUsed(b) {
			*m.u64(offUsed) += m.blockSize(b)
			*m.u64(offBlocks)++
		} else {
			if err := m.back(b, minBlock); err != nil {
				return err
			}
			m.binInsert(b)
		}
	}
	*m.u64(offPending) = 0
	return nil
}

func (m *mapping) heapLock() core { return core{m: m, word: m.u32(offLock), off: offLock} }

// lockHeap keeps the goroutines of this process apart with an ordinary mutex first, which Close takes too: nobody is
// in the block list while the memory is replaced.
func (m *mapping) lockHeap() error {
	m.heap.Lock()
	if m.closed.Load() {
		m.heap.Unlock()
		return ErrClosed
	}
	c := m.heapLock()
	st, err := c.lock(context.Background())
	if err == nil && st == OwnerDied {
		if err = m.rebuild(); err != nil {
			c.abandon() // the next one finds it out as well
		}
	}
	if err != nil {
		m.heap.Unlock()
	}
	return err
}

func (m *mapping) unlockHeap() {
	*m.u64(offPending) = 0
	c := m.heapLock()
	_ = c.unlock() // it is held
	m.heap.Unlock()
}

// Alloc returns a block of n bytes, all zero, whose offset is a multiple of align, a power of two up to 2 MiB; 0 stands
// for 16. It is safe between processes. ErrFull where no free block is large enough, ErrNoMemory where the machine has no
// memory for it. A process that is killed before it has passed the Ref on leaves the block allocated; one that is
// killed inside Alloc does not.
func (a *Arena) Alloc(n, align int64) (Ref, error) {
	if align == 0 {
		align = 16
	}
	if n <= 0 || n > maxArena || align < 0 || align > maxAlign || align&(align-1) != 0 {
		return 0, ErrSize
	}
	m := a.m
	if err := m.lockHeap(); err != nil {
		return 0, err
	}
	size := max((uint64(n)+hdrSize+15)&^15, minBlock)
	b, err := m.take(size, max(uint64(align), 16))
	m.unlockHeap()
	if err != nil {
		return 0, err
	}
	// Outside the lock: others need not wait for page faults.
	size = m.blockSize(b) - hdrSize
	p := b + hdrSize
	if !m.lazy && !memoryFor(m.unbacked(p, size)) {
		_ = a.Free(Ref(p))
		return 0, ErrNoMemory
	}
	if _, err = m.backFrom(p, size, func(off, n uint64) { clear(m.mem[off : off+n]) }); err != nil {
		_ = a.Free(Ref(p))
		return 0, err
	}
	return Ref(p), nil
}

// Free gives back a block or an object. It must not be used by any process afterwards. ErrRef where there is no such
// block, or it is free already.
func (a *Arena) Free(r Ref) error {
	m := a.m
	if err := m.lockHeap(); err != nil {
		return err
	}
	defer m.unlockHeap()
	b, ok := m.block(r)
	if !ok {
		return ErrRef
	}
	atomic.StoreUint64(m.u64(uint64(r)), 0) // an object's magic: it cannot be attached to any more
	m.give(b)
	return nil
}

// block returns the used block whose payload is at r.
func (m *mapping) block(r Ref) (uint64, bool) {
	if r < hdrSize || r%16 != 0 || uint64(r) >= uint64(len(m.mem)) {
		return 0, false
	}
	b := uint64(r) - hdrSize
	return b, m.valid(b) && m.blockUsed(b)
}

// Bytes returns the memory of the block or object at r, at least as long as was asked for. The slice must not be used
// after Free or Close.
func (a *Arena) Bytes(r Ref) ([]byte, error) {
	m := a.m
	if err := m.lockHeap(); err != nil {
		return nil, err
	}
	defer m.unlockHeap()
	b, ok := m.block(r)
	if !ok {
		return nil, ErrRef
	}
	return unsafe.Slice((*byte)(m.at(uint64(r))), m.blockSize(b)-hdrSize), nil
}
