package shm

import (
	"math/bits"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// The arena's header, in bytes from its start. All words are little-endian. docs/shm.md shows the same table.
const (
	offMagic   = 0  // u64
	offSize    = 8  // u64, the file's size
	offNonce   = 16 // u64, differs between arenas
	offPIDNS   = 24 // u64, inode of the PID namespace, 0 unknown
	offLock    = 32 // u32, the allocator's lock
	offPending = 40 // u64, the block that is being handed out, for recovery
	offFirst   = 48 // u64, the first block's header
	offEnd     = 56 // u64, the sentinel's header
	offUsed    = 64 // u64, bytes in used blocks, headers included
	offBlocks  = 72 // u64, how many blocks are used
	offBins    = 128
	offProcs   = 1024
	offChunks  = offProcs + 8*maxProcs

	maxProcs  = 1024 // slot 0 stands for nobody
	chunkSize = 64 << 10
	minArena  = 32 << 10
	maxArena  = 1 << 44

	// The version is part of the magic: "shmarena" and 1.
	arenaMagic = 0x73686d6172650001
)

// Ref names an object or block of an arena: its offset in bytes. It means the same in every process that has the arena
// open. The zero Ref names nothing.
type Ref uint64

// Options of an arena. The zero value is what NewArena uses.
type Options struct {
	// HugePages asks for pages of 2 MiB, which make the first touch of large arrays some ten times cheaper where the
	// kernel allows it (/sys/kernel/mm/transparent_hugepage/shmem_enabled must be advise or within_size), and waste
	// memory in small arenas.
	HugePages bool
	// Lazy gives blocks memory when they are first touched rather than when they are allocated. For sparse arrays. A
	// machine without memory then kills the process that touches one.
	Lazy bool
}

// Arena is memory that several processes share, with an allocator in it. Its size is fixed; memory is used from when a
// block is allocated. An Arena is safe for concurrent use and must not be copied.
type Arena struct {
	m        *mapping
	closed   atomic.Bool
	received bool // came through TakeHandle: closed when it is garbage
	cleanup  runtime.Cleanup
}

// mapping is this process's one view of an arena's file, however often it is opened.
type mapping struct {
	mem    []byte
	base   unsafe.Pointer
	file   *os.File
	id     fileID
	self   uint32 // this process in lock words: generation<<10 | slot
	bit    uint32 // this process's futex mask
	lazy   bool
	refs   int // Arena handles; guarded by mappings.mu
	closed atomic.Bool
	heap   sync.Mutex // before the allocator's lock
	shards [64]shard
	mux    mux
}

var mappings struct {
	mu   sync.Mutex
	open map[fileID]*mapping
	seq  uint64
}

// NewArena makes an arena of size bytes, rounded up to whole pages and to 32 KiB at least; a negative size, or one above
// 16 TiB, is ErrSize. Its header and block list take about 10 KiB of it, one byte per 512 KiB, and 16 bytes per block.
// Memory is used from when a block is allocated.
func NewArena(size int64) (*Arena, error) { return NewArenaWith(size, Options{}) }

// NewArenaWith is NewArena with options.
func NewArenaWith(size int64, opts Options) (*Arena, error) {
	if !supported {
		return nil, ErrUnavailable
	}
	if size < 0 || size > maxArena {
		return nil, ErrSize
	}
	size = (max(size, minArena) + 4095) &^ 4095
	f, err := memfile(size)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	_, id, err := inspect(f)
	if err != nil {
		return nil, err
	}
	mem, err := mapFile(f, int(size), opts.HugePages)
	if err != nil {
		return nil, err
	}
	m := newMapping(mem, id)
	m.lazy = opts.Lazy
	if m.file, err = dup(f); err == nil {
		err = m.format()
	}
	if err == nil {
		err = m.register()
	}
	if err != nil {
		m.drop()
		return nil, err
	}
	mappings.mu.Lock()
	defer mappings.mu.Unlock()
	if mappings.open == nil {
		mappings.open = make(map[fileID]*mapping)
	}
	mappings.open[id] = m
	m.refs = 1
	return &Arena{m: m}, nil
}

// Open returns the arena of a file that came from Arena.File, usually in another process. The caller keeps f and may
// close it. Opened twice in one process, it is the same arena: a lock taken through one handle is released through the
// other.
func Open(f *os.File) (*Arena, error) { return OpenWith(f, Options{}) }

// OpenWith is Open with options. They hold for this process; the first Open of it decides.
func OpenWith(f *os.File, opts Options) (*Arena, error) {
	m, err := openMapping(f, opts)
	if err != nil {
		return nil, err
	}
	return &Arena{m: m}, nil
}

// openMapping returns this process's mapping of the file, with one reference more.
func openMapping(f *os.File, opts Options) (*mapping, error) {
	if !supported {
		return nil, ErrUnavailable
	}
	if f == nil {
		return nil, ErrNotArena
	}
	size, id, err := inspect(f)
	if err != nil {
		return nil, err
	}
	if size < minArena || size > maxArena {
		return nil, ErrNotArena
	}
	mappings.mu.Lock()
	defer mappings.mu.Unlock()
	if m := mappings.open[id]; m != nil {
		m.refs++
		return m, nil
	}
	mem, err := mapFile(f, int(size), opts.HugePages)
	if err != nil {
		return nil, err
	}
	m := newMapping(mem, id)
	m.lazy = opts.Lazy
	switch {
	case *m.u64(offMagic) != arenaMagic || *m.u64(offSize) != uint64(size):
		err = ErrNotArena
	case *m.u64(offPIDNS) != pidNamespace():
		err = ErrNamespace
	default:
		if m.file, err = dup(f); err == nil {
			err = m.register()
		}
	}
	if err != nil {
		m.drop()
		return nil, err
	}
	if mappings.open == nil {
		mappings.open = make(map[fileID]*mapping)
	}
	mappings.open[id] = m
	m.refs = 1
	return m, nil
}

func newMapping(mem []byte, id fileID) *mapping {
	m := &mapping{mem: mem, base: unsafe.Pointer(unsafe.SliceData(mem)), id: id}
	// Handles keep the mapping: the addresses stay valid as long as any can be used, and go with the last one.
	runtime.AddCleanup(m, unmap, mem)
	return m
}

// format writes the header and one free block that holds all the rest.
func (m *mapping) format() error {
	size := uint64(len(m.mem))
	chunks := (size + chunkSize - 1) / chunkSize
	first := (offChunks+(chunks+63)/64*8+hdrSize+63)&^63 - hdrSize
	if err := m.back(0, first+hdrSize); err != nil {
		return err
	}
	mappings.mu.Lock()
	mappings.seq++
	nonce := uint64(os.Getpid())<<40 ^ uint64(time.Now().UnixNano()) ^ mappings.seq<<20
	mappings.mu.Unlock()
	*m.u64(offSize) = size
	*m.u64(offNonce) = nonce
	*m.u64(offPIDNS) = pidNamespace()
	*m.u64(offFirst) = first
	end := (size-hdrSize-first)&^15 + first
	*m.u64(offEnd) = end
	if err := m.back(end, hdrSize); err != nil {
		return err
	}
	*m.u64(first) = blockWord(end-first, false)
	*m.u64(end) = blockWord(0, true)
	*m.u64(end + 8) = end - first
	m.binInsert(first)
	*m.u64(offMagic) = arenaMagic
	return nil
}

func (m *mapping) at(off uint64) unsafe.Pointer { return unsafe.Add(m.base, off) }
func (m *mapping) u32(off uint64) *uint32       { return (*uint32)(m.at(off)) }
func (m *mapping) u64(off uint64) *uint64       { return (*uint64)(m.at(off)) }

// back gives [off, off+n) memory, where it has none yet.
func (m *mapping) back(off, n uint64) error {
	_, err := m.backFrom(off, n, func(uint64, uint64) {})
	return err
}

// backFrom does so chunk by chunk, and calls stale for the parts that had memory before, which may not be zero. It
// reports whether there were any.
func (m *mapping) backFrom(off, n uint64, stale func(off, n uint64)) (bool, error) {
	found := false
	for c := off / chunkSize; c <= (off+n-1)/chunkSize; {
		word, bit := m.u64(offChunks+c/64*8), uint64(1)<<(c%64)
		lo := c * chunkSize
		if atomic.LoadUint64(word)&bit != 0 {
			s, e := max(lo, off), min(lo+chunkSize, off+n)
			stale(s, e-s)
			found = true
			c++
			continue
		}
		// A run of chunks in the same word takes one system call.
		k := uint64(1)
		mask := bit
		for c%64+k < 64 && c+k <= (off+n-1)/chunkSize && atomic.LoadUint64(word)&(bit<<k) == 0 {
			mask |= bit << k
			k++
		}
		hi := min(lo+k*chunkSize, uint64(len(m.mem)))
		if !m.lazy {
			if err := populate(m.file, m.mem[lo:hi], int64(lo)); err != nil {
				return found, err
			}
		}
		atomic.OrUint64(word, mask)
		c += k
	}
	return found, nil
}

// unbacked returns how many bytes of the chunks of [off, off+n) have no memory yet.
func (m *mapping) unbacked(off, n uint64) (bytes uint64) {
	if n < chunkSize {
		return 0 // as good as nothing
	}
	for c := off / chunkSize; c <= (off+n-1)/chunkSize; c++ {
		if atomic.LoadUint64(m.u64(offChunks+c/64*8))>>(c%64)&1 == 0 {
			bytes += chunkSize
		}
	}
	return bytes
}

// unback returns the chunks that lie in [off, off+n) as a whole to the machine. They read as zero then.
func (m *mapping) unback(off, n uint64) {
	lo, hi := (off+chunkSize-1)/chunkSize, (off+n)/chunkSize
	if lo >= hi || !punch(m.file, int64(lo*chunkSize), int64((hi-lo)*chunkSize)) {
		return
	}
	for c := lo; c < hi; c++ {
		atomic.AndUint64(m.u64(offChunks+c/64*8), ^(uint64(1) << (c % 64)))
	}
}

// File returns the arena's file, to be passed to other processes. It belongs to the arena: do not close it. It is nil
// after Close.
func (a *Arena) File() *os.File {
	if a.closed.Load() {
		return nil
	}
	return a.m.file
}

// Size returns the arena's size in bytes.
func (a *Arena) Size() int64 { return int64(len(a.m.mem)) }

// Close ends this process's use of the arena when its last handle is closed: waits in it return ErrClosed, locks that
// the process still holds count as abandoned (the next to lock them gets OwnerDied), and the memory goes back to the
// machine when the other processes have closed it or died. Objects must not be used afterwards; if they are, they work
// on private memory that is zero and never crash. A second Close does nothing.
func (a *Arena) Close() error {
	if a.m == nil || a.closed.Swap(true) {
		return nil
	}
	if a.received {
		a.cleanup.Stop()
		a.unkeep()
	}
	a.m.release()
	return nil
}

// release gives one reference back; the last one ends this process's use of the arena.
func (m *mapping) release() {
	mappings.mu.Lock()
	m.refs--
	last := m.refs == 0
	if last {
		delete(mappings.open, m.id)
	}
	mappings.mu.Unlock()
	if last {
		m.drop()
	}
}

// drop detaches the mapping from the file.
func (m *mapping) drop() {
	m.heap.Lock()
	defer m.heap.Unlock()
	m.closed.Store(true)
	if m.self != 0 {
		m.unregister()
		m.wakeLocal()
	}
	detach(m.mem)
	if m.file != nil {
		m.file.Close()
	}
}

// Usage says what an arena's allocator has given out.
type Usage struct {
	Blocks int   // used blocks
	Used   int64 // bytes in them, with 16 bytes for each header
	Free   int64 // bytes in free blocks, headers included
	Backed int64 // bytes that have memory, the arena's own header included
}

// Usage reads the allocator's counters.
func (a *Arena) Usage() (Usage, error) {
	m := a.m
	if err := m.lockHeap(); err != nil {
		return Usage{}, err
	}
	defer m.unlockHeap()
	used := *m.u64(offUsed)
	u := Usage{Blocks: int(*m.u64(offBlocks)), Used: int64(used)}
	u.Free = int64(*m.u64(offEnd)-*m.u64(offFirst)) - u.Used
	for c := uint64(0); c*chunkSize < uint64(len(m.mem)); c += 64 {
		u.Backed += int64(bits.OnesCount64(atomic.LoadUint64(m.u64(offChunks+c/64*8)))) * chunkSize
	}
	u.Backed = min(u.Backed, a.Size())
	return u, nil
}
