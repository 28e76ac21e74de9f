package multiproc

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// transports are the ways to reach a pool worker; every promise holds for each.
var transports = []struct {
	name string
	opts []PoolOption
}{
	{"memory", nil},
	{"pipes", []PoolOption{pipesOnly}},
}

// pattern is a payload whose every byte depends on its number and place.
func pattern(id, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(id*31 + i + i>>8)
	}
	return b
}

// TestRandomKills kills workers at random moments, seeded and counted in answered calls, under load of every size and
// every way to call. Each kill may cost one call and no more; everything else comes back as it went; nothing hangs;
// the pool has all of its workers in the end.
func TestRandomKills(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) { testRandomKills(t, 20, tr.opts) })
	}
}

func testRandomKills(t *testing.T, kills int, opts []PoolOption) {
	ctx := ctxT(t)
	p := newPool(t, echo, append(opts, Workers(3), WithStderr(devNull(t)))...)
	var answered, failed atomic.Int64
	check := func(b blob, err error, id, size int) {
		answered.Add(1)
		var ce *CrashError
		switch {
		case errors.As(err, &ce):
			failed.Add(1)
		case err != nil:
			t.Errorf("call %d: %v", id, err)
		case !bytes.Equal(b.Data, pattern(id, size)):
			t.Errorf("call %d of %d bytes came back changed", id, size)
		}
	}
	done := make(chan struct{})
	killer := make(chan struct{})
	go func() {
		defer close(killer)
		rng := rand.New(rand.NewPCG(1, 2))
		for n := range kills {
			// Kills are spaced by answers, not by time, so that the load is the same on any machine.
			for goal := answered.Load() + rng.Int64N(40); answered.Load() < goal; {
				if ctx.Err() != nil {
					return
				}
				runtime.Gosched()
			}
			if pids := p.Pids(); len(pids) > 0 {
				sig := syscall.SIGKILL
				if n%5 == 4 {
					sig = syscall.SIGTERM
				}
				_ = syscall.Kill(pids[rng.IntN(len(pids))], sig)
			}
		}
		close(done)
	}()
	sizes := []int{0, 1, 30, 31, 1 << 10, 50_000, 200_000, 1 << 20, 20 << 20}
	weights := []int{40, 40, 40, 40, 40, 20, 8, 3, 1}
	size := func(rng *rand.Rand) int {
		n := rng.IntN(232)
		for i, w := range weights {
			if n -= w; n < 0 {
				return sizes[i]
			}
		}
		return 0
	}
	running := func() bool {
		select {
		case <-done:
			return false
		default:
			return ctx.Err() == nil
		}
	}
	var wg sync.WaitGroup
	for g, way := range []func(ids []int, in []blob){
		func(ids []int, in []blob) {
			for i := range in {
				b, err := p.Apply(ctx, in[i])
				check(b, err, ids[i], len(in[i].Data))
			}
		},
		func(ids []int, in []blob) {
			var futs []*Future[blob]
			for i := range in {
				f, err := p.ApplyAsync(ctx, in[i])
				if err != nil {
					t.Error(err)
					return
				}
				futs = append(futs, f)
			}
			for i, f := range futs {
				<-f.Done()
				b, err := f.Get(context.Background())
				check(b, err, ids[i], len(in[i].Data))
			}
		},
		func(ids []int, in []blob) {
			i := 0
			for b, err := range p.Imap(ctx, slices.Values(in)) {
				check(b, err, ids[i], len(in[i].Data))
				i++
			}
		},
		func(ids []int, in []blob) {
			for b, err := range p.ImapUnordered(ctx, slices.Values(in)) {
				check(b.Value, err, ids[b.Index], len(in[b.Index].Data))
			}
		},
	} {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(3, uint64(g)))
			for running() {
				n := 1 + rng.IntN(60)
				ids, in := make([]int, n), make([]blob, n)
				for i := range in {
					ids[i] = rng.Int()
					in[i] = blob{"x", pattern(ids[i], size(rng))}
				}
				way(ids, in)
			}
		})
	}
	wg.Wait()
	<-killer
	if f := failed.Load(); f > int64(kills) {
		t.Errorf("%d kills cost %d calls", kills, f)
	}
	eventually(t, "the pool has its workers again", func() bool { return p.Stats().Workers == 3 })
	if s := p.Stats(); s.Queued+s.Running != 0 {
		t.Errorf("%+v", s)
	}
	t.Logf("%d calls, %d lost to %d kills", answered.Load(), failed.Load(), kills)
}

func killWorker(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }
