package multiproc

import (
	"context"
	"errors"
	"runtime"
	"testing"
)

// The fourth article searches a range until a task finds what it looks for, and then ends the pool.

type attempt struct {
	N, Want int
	Path    string // if set, the task waits for this file first
}

var seek = Register("test.seek", func(ctx context.Context, a attempt) (bool, error) {
	if a.Path != "" {
		if _, err := waitFile(ctx, a.Path); err != nil {
			return false, err
		}
	}
	return a.N == a.Want, nil
})

// A match that comes in while an earlier task still runs is seen at once, and ends everything.
func TestS004_9_EarlyStopInCompletionOrder(t *testing.T) {
	p, ctx := newPool(t, seek, Workers(2)), ctxT(t)
	pids := p.Pids()
	never := t.TempDir() + "/never"
	futs := make([]*Future[bool], 50)
	for i := range futs {
		a := attempt{N: i, Want: 7}
		if i == 0 {
			a.Path = never
		}
		var err error
		if futs[i], err = p.ApplyAsync(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	found := -1
	for i, f := range AsCompleted(ctx, futs...) {
		if ok, err := f.Get(ctx); err == nil && ok {
			found = i
			break
		}
	}
	if _, _, ok := futs[0].TryGet(); found != 7 || ok {
		t.Errorf("found %d, the first task is done: %v", found, ok)
	}
	if err := p.Terminate(); err != nil {
		t.Fatal(err)
	}
	for i, f := range futs {
		if _, _, ok := f.TryGet(); !ok {
			t.Errorf("future %d has not resolved", i)
		}
	}
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("worker %d lives", pid)
		}
	}
}

// Submission does not wait for results as long as there is room.
func TestS004_10_SubmissionIsAsynchronous(t *testing.T) {
	p, ctx := newPool(t, seek, Workers(1), MaxInFlight(500)), ctxT(t)
	a := attempt{Path: t.TempDir() + "/never"}
	for range 500 {
		if _, err := p.ApplyAsync(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.TryApplyAsync(a); !errors.Is(err, ErrFull) {
		t.Errorf("%v, want ErrFull: nothing can have finished", err)
	}
}

func TestS004_2_NotBlocking(t *testing.T) { TestS004_10_SubmissionIsAsynchronous(t) }

// The article's remedy, two threads of which one submits 500,000,000 tasks and the other looks for a match: here it
// really bounds what is under way, and memory. PARBENCH_SEARCH says where the match is, if it should be further away.
func TestS004_12_TwoGoroutines(t *testing.T) {
	const total, room = 500_000_000, 256
	want := 100_000
	if testing.Short() {
		want = 10_000
	}
	want = envInt(t, "PARBENCH_SEARCH", want)
	p, ctx := newPool(t, seek, Workers(2), MaxInFlight(room)), context.Background() // however long it takes
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)

	futures := make(chan *Future[bool], room)
	var submitted, backlog int
	submitter := make(chan error)
	go func() {
		defer close(futures)
		for submitted < total {
			f, err := p.ApplyAsync(ctx, attempt{N: submitted, Want: want})
			if err != nil {
				submitter <- err
				return
			}
			submitted++
			if submitted%1000 == 0 {
				s := p.Stats()
				backlog = max(backlog, s.Queued+s.Running)
			}
			futures <- f
		}
		submitter <- nil
	}()
	index, found := 0, -1
	for f := range futures {
		if ok, err := f.Get(ctx); err != nil {
			t.Error(err)
		} else if ok {
			found = index
			break
		}
		index++
	}
	if err := p.Terminate(); err != nil {
		t.Error(err)
	}
	late := 0
	go func() { // the submitter may be waiting with a future in its hand
		for range futures {
			late++
		}
	}()
	if err := <-submitter; !errors.Is(err, ErrClosed) {
		t.Errorf("the submitter ended with %v", err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if found != want || backlog > room || submitted > want+2*room+2 {
		t.Errorf("found %d, backlog %d of %d, %d submitted", found, backlog, room, submitted)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("the heap has grown by %d KiB over %d calls", grown>>10, submitted)
	}
	if peak := after.HeapSys - before.HeapSys; int64(peak) > 64<<20 {
		t.Errorf("the heap took %d MiB", peak>>20)
	}
	t.Logf("%d submitted, at most %d under way, the heap has grown by %d KiB", submitted, backlog,
		(int64(after.HeapAlloc)-int64(before.HeapAlloc))>>10)
}

// A flag that tasks set stops the submission; how many were submitted meanwhile varies, within bounds.
func TestS004_16_Overshoot(t *testing.T) {
	p, ctx := newPool(t, seek, Workers(2), MaxInFlight(16)), ctxT(t)
	const want = 1000
	hit := make(chan bool, 1)
	submitted := 0
	for stop := false; !stop; {
		_, err := p.ApplyAsync(ctx, attempt{N: submitted, Want: want}, OnDone(func(ok bool, _ error) {
			if ok {
				hit <- true
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		if submitted++; submitted > want+1 { // from here on the match may come at any time
			select {
			case stop = <-hit:
			default:
			}
		}
	}
	if submitted <= want {
		t.Errorf("%d submitted before the match at %d", submitted, want)
	}
}
