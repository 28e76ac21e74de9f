//go:build linux && (amd64 || arm64)

package shm

import (
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var holder = role("holder", func(p *peer) {
	switch p.args[0] {
	case "mutex":
		must(must(p.a.Mutex(p.ref(1))).Lock(bg))
	case "reentrant":
		must(must(p.a.Reentrant(p.ref(1))).Lock(bg, NewOwner()))
	case "write":
		must(must(p.a.RWMutex(p.ref(1))).Lock(bg))
	case "read":
		must(must(p.a.RWMutex(p.ref(1))).RLock(bg))
	}
	p.say("held")
	p.hear()
})

// hold starts a child that holds a lock for ever.
func hold(t testing.TB, a *Arena, what string, r Ref) *child {
	c := start(t, a, holder, what, r)
	c.expect("held")
	return c
}

// A process that is killed with a lock does not stop the others, and the next one is told; the one after it is not.
func TestOwnerDies(t *testing.T) {
	a := newArena(t, 1<<20)
	for _, reaped := range []bool{true, false} {
		m := must(a.NewMutex())
		c := hold(t, a, "mutex", m.Ref())
		_, err := m.Lock(soon(t))
		timedOut(t, err)
		type result struct {
			st  LockState
			err error
		}
		got := make(chan result, 3)
		for range cap(got) { // they wait when it dies
			go func() {
				st, err := m.Lock(bg)
				got <- result{st, err}
				m.Unlock()
			}()
		}
		if reaped {
			c.kill()
		} else {
			c.killOnly()
		}
		died := 0
		for range cap(got) {
			r := <-got
			if r.err != nil {
				t.Fatal(r.err)
			}
			if r.st == OwnerDied {
				died++
			}
		}
		if died != 1 {
			t.Errorf("%d of %d were told that the owner died, want 1", died, cap(got))
		}
	}
	// Those who try instead of waiting find out as well.
	m, re := must(a.NewMutex()), must(a.NewReentrant())
	hold(t, a, "mutex", m.Ref()).kill()
	hold(t, a, "reentrant", re.Ref()).kill()
	if st := m.TryLock(); st != OwnerDied {
		t.Error(st)
	}
	me := NewOwner()
	if st := re.TryLock(me); st != OwnerDied || re.Depth(me) != 1 {
		t.Error(st, re.Depth(me))
	}
	is(t, re.Unlock(me), nil)
}

// Who sleeps until an owner unlocks is woken by the owner's death itself, not by looking for it now and then.
func TestDeathWakes(t *testing.T) {
	a := newArena(t, 1<<20)
	known := make(chan struct{})
	once := sync.OnceFunc(func() { close(known) })
	c := hold(t, a, "mutex", must(a.NewMutex()).Ref())
	stop := watchDeath(c.cmd.Process.Pid, once)
	deaths.Lock()
	watched := deaths.m[c.cmd.Process.Pid] != nil
	deaths.Unlock()
	if !watched {
		t.Skip("this kernel has no pidfds")
	}
	c.killOnly()
	<-known
	stop()

	for _, reaped := range []bool{true, false} {
		m := must(a.NewMutex())
		c := hold(t, a, "mutex", m.Ref())
		owner := atomic.LoadUint32(m.c.word) & idMask
		ch := check{nanos(), time.Hour}
		done := make(chan bool)
		go func() {
			m.m.parkOwned(bg, m.c.off, atomic.LoadUint32(m.c.word), &ch, owner)
			done <- ch.due() && !m.m.alive(owner)
		}()
		if reaped {
			c.kill()
		} else {
			c.killOnly()
		}
		if !<-done {
			t.Error("it is not time to look")
		}
		if st := m.TryLock(); st != OwnerDied {
			t.Error(st)
		}
		// Nobody watches any more.
		deaths.Lock()
		if n := len(deaths.m); n != 0 {
			t.Errorf("%d processes are still watched", n)
		}
		deaths.Unlock()
	}
}

// OnOwnerDeath tells once, whoever asks before or after the death, and not where there is nobody to watch.
func TestOnOwnerDeath(t *testing.T) {
	a := newArena(t, 1<<20)
	m, free := must(a.NewMutex()), must(a.NewMutex())
	mine := must(a.NewMutex())
	must(mine.Lock(bg))
	c := hold(t, a, "mutex", m.Ref())
	told := make(chan string, 10)
	for _, l := range []struct {
		m    *Mutex
		name string
	}{{m, "held"}, {free, "free"}, {mine, "mine"}} {
		defer l.m.OnOwnerDeath(func() { told <- l.name })()
	}
	m.OnOwnerDeath(func() { told <- "stopped" })()
	c.killOnly()
	if name := <-told; name != "held" {
		t.Error(name)
	}
	m.OnOwnerDeath(func() { told <- "after" })
	if name := <-told; name != "after" {
		t.Error(name)
	}
	if len(told) > 0 {
		t.Error(<-told)
	}
	is(t, mine.Unlock(), nil)
}

// A process that closes the arena with a lock held has abandoned it.
func TestOwnerCloses(t *testing.T) {
	a := newArena(t, 1<<16)
	m := must(a.NewMutex())
	c := start(t, a, "closer", m.Ref())
	c.expect("closed")
	if st, err := m.Lock(bg); st != OwnerDied || err != nil {
		t.Error(st, err)
	}
	c.tell()
	c.wait()
}

var _ = role("closer", func(p *peer) {
	must(must(p.a.Mutex(p.ref(0))).Lock(bg))
	p.a.Close()
	p.say("closed")
	p.hear()
})

func TestRWOwnerDies(t *testing.T) {
	a := newArena(t, 1<<16)
	rw := must(a.NewRWMutex())
	// A dead reader keeps nobody out, and is nothing to repair.
	hold(t, a, "read", rw.Ref()).kill()
	if st, err := rw.Lock(bg); st != Locked || err != nil {
		t.Fatal(st, err)
	}
	is(t, rw.Unlock(), nil)
	hold(t, a, "read", rw.Ref()).kill()
	if st := rw.TryLock(); st != Locked {
		t.Fatal(st)
	}
	is(t, rw.Unlock(), nil)
	// After a dead writer, readers hear of it until a writer has repaired.
	hold(t, a, "write", rw.Ref()).kill()
	for range 2 {
		if st, err := rw.RLock(bg); st != OwnerDied || err != nil {
			t.Fatal(st, err)
		}
		is(t, rw.RUnlock(), nil)
	}
	if st, err := rw.Lock(bg); st != OwnerDied || err != nil {
		t.Fatal(st, err)
	}
	is(t, rw.Unlock(), nil)
	if st := rw.TryRLock(); st != Locked {
		t.Fatal(st)
	}
	is(t, rw.RUnlock(), nil)
	hold(t, a, "write", rw.Ref()).kill()
	if st := rw.TryRLock(); st != OwnerDied {
		t.Fatal(st)
	}
	is(t, rw.RUnlock(), nil)
	hold(t, a, "write", rw.Ref())
	_, err := rw.RLock(soon(t))
	timedOut(t, err)
}

var churner = role("churner", func(p *peer) {
	p.say("ready")
	n := must(AttachValue[int64](p.a, p.ref(0)))
	rng := rand.New(rand.NewPCG(uint64(p.num(1)), 1))
	var live []Ref
	for {
		if len(live) > 20 || len(live) > 0 && rng.IntN(2) == 0 {
			i := rng.IntN(len(live))
			if err := p.a.Free(live[i]); err != nil {
				p.say("free:", err.Error())
				os.Exit(4)
			}
			live[i] = live[len(live)-1]
			live = live[:len(live)-1]
		} else if r, err := p.a.Alloc(rng.Int64N(3000)+1, 1<<rng.IntN(9)); err == nil {
			live = append(live, r)
		} else if !errors.Is(err, ErrFull) {
			p.say("alloc:", err.Error())
			os.Exit(4)
		}
		n.Add(1)
	}
})

// Processes that allocate are killed at random moments; the allocator stays whole and goes on.
func TestKilledWhileAllocating(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	a := newArena(t, 4<<20)
	n := must(NewValue[int64](a, 0))
	recovered := 0
	var survivor *child
	for i := range rounds {
		c := start(t, a, churner, n.Ref(), i)
		c.expect("ready")
		if survivor == nil {
			survivor = start(t, a, churner, n.Ref(), -1)
			survivor.expect("ready")
		}
		for target := n.Load() + 20 + rand.Int64N(300); n.Load() < target; {
			syscall.Nanosleep(&syscall.Timespec{Nsec: 1000}, nil)
		}
		c.killOnly()
		if *a.m.u32(offLock)&idMask != 0 && !a.m.alive(*a.m.u32(offLock)&idMask) {
			recovered++
		}
		// The lock may be the dead one's; both the survivor and this process have to get over it.
		audit(t, a)
		for target := n.Load() + 20; n.Load() < target; {
			syscall.Nanosleep(&syscall.Timespec{Nsec: 1000}, nil)
		}
		c.cmd.Wait()
	}
	survivor.kill()
	audit(t, a)
	is(t, a.Free(n.Ref()), nil)
	t.Logf("%d of %d were killed with the allocator's lock held", recovered, rounds)
}

// Whatever a death leaves in the words that are derived from sizes and used bits, recovery makes them right again, and
// frees the block that was being handed out.
func TestRecovery(t *testing.T) {
	a := newArena(t, 1<<16)
	var refs []Ref
	for i := range 8 {
		refs = append(refs, must(a.Alloc(int64(100+40*i), 0)))
	}
	is(t, a.Free(refs[2]), nil)
	is(t, a.Free(refs[5]), nil)
	m := a.m
	snapshot := func() []byte { return append([]byte(nil), m.mem...) }
	for seed := range uint64(200) {
		saved := snapshot()
		rng := rand.New(rand.NewPCG(seed, 2))
		for i := range uint64(numBins) {
			*m.binHead(i) = rng.Uint64()
		}
		*m.u64(offBinMap), *m.u64(offUsed), *m.u64(offBlocks) = rng.Uint64(), rng.Uint64(), rng.Uint64()
		blocks := 0
		for b := *m.u64(offFirst); b < *m.u64(offEnd); b += m.blockSize(b) {
			*m.u64(b + 8) = rng.Uint64()
			if !m.blockUsed(b) {
				*m.u64(b + 16), *m.u64(b + 24) = rng.Uint64(), rng.Uint64()
			} else {
				blocks++
			}
		}
		if seed%2 == 0 { // it died between taking a block and handing it out
			*m.u64(offPending) = uint64(refs[seed/2%2]) - hdrSize
			blocks--
		}
		atomic.StoreUint32(m.u32(offLock), deadID)
		audit(t, a)
		if u := must(a.Usage()); u.Blocks != blocks {
			t.Fatalf("%d blocks after recovery, want %d", u.Blocks, blocks)
		}
		r := must(a.Alloc(64, 0))
		is(t, a.Free(r), nil)
		copy(m.mem, saved)
	}
}

// A damaged block list is an error, for everyone, and no crash.
func TestCorruptArena(t *testing.T) {
	a := newArena(t, 1<<16)
	r := must(a.Alloc(100, 0))
	*a.m.u64(uint64(r) - hdrSize) = 12345
	atomic.StoreUint32(a.m.u32(offLock), deadID)
	for range 2 {
		_, err := a.Alloc(10, 0)
		is(t, err, ErrCorrupt)
	}
}

// Slots of dead processes are used again, and what they left locked is still known to be dead.
func TestProcessTable(t *testing.T) {
	a := newArena(t, 1<<16)
	m := must(a.NewMutex())
	hold(t, a, "mutex", m.Ref()).kill()
	old := *m.c.word & idMask
	// Every slot is taken by the dead; the slot of the mutex's owner goes to a new process.
	for s := uint32(1); s < maxProcs; s++ {
		if s != a.m.self&(maxProcs-1) && *a.m.slot(s) == 0 {
			*a.m.slot(s) = *a.m.slot(old)
		}
	}
	seen := map[uint32]bool{}
	for range 3 {
		b := &mapping{mem: a.m.mem, base: a.m.base}
		is(t, b.register(), nil)
		seen[b.self] = true
	}
	if len(seen) != 3 || seen[a.m.self] {
		t.Errorf("ids given out: %v", seen)
	}
	*a.m.slot(old) = uint64(old>>slotBits+1)<<(2*pidBits) | uint64(os.Getpid()) // taken by a live one
	if st, err := m.Lock(bg); st != OwnerDied || err != nil {
		t.Error(st, err)
	}
	is(t, m.Unlock(), nil)
	// All slots alive: no room.
	for s := uint32(1); s < maxProcs; s++ {
		*a.m.slot(s) = *a.m.slot(a.m.self)
	}
	b := &mapping{mem: a.m.mem, base: a.m.base}
	is(t, b.register(), ErrProcesses)
}

// Nothing has a name anywhere, so nothing is left when all are killed: no file, and no descriptor or mapping
// in this process either.
func TestZ04_Z08_NothingIsLeft(t *testing.T) {
	count := func(dir string) int { return len(must(os.ReadDir(dir))) }
	maps := func() int { return strings.Count(string(must(os.ReadFile("/proc/self/maps"))), "shm-arena") }
	newArena(t, 1).Close()
	fds, mapped, shm, tmp := count("/proc/self/fd"), maps(), count("/dev/shm"), count(os.TempDir())
	for range 5 {
		a := must(NewArena(1 << 20))
		m := must(a.NewMutex())
		hold(t, a, "mutex", m.Ref()).kill()
		is(t, a.Close(), nil)
	}
	if n := count("/proc/self/fd"); n > fds {
		t.Errorf("%d descriptors, %d before", n, fds)
	}
	if n := maps(); n > mapped {
		t.Errorf("%d mappings of arenas, %d before", n, mapped)
	}
	for dir, before := range map[string]int{"/dev/shm": shm, os.TempDir(): tmp} {
		for _, e := range must(os.ReadDir(dir)) {
			if strings.Contains(e.Name(), "shm-arena") {
				t.Errorf("%s is left in %s (%d entries before)", e.Name(), dir, before)
			}
		}
	}
}
