//go:build linux && (amd64 || arm64)

package multiproc

import (
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"
)

// Processes killed in the middle of Put or Get leave a queue that works, with all the items that were in it.
func TestQueueKilled(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	for _, do := range []string{"die putting", "die getting"} {
		q := newQ[blob](t, 4)
		for i := range 3 {
			if err := q.Put(ctx, blob{Data: make([]byte, 100*(i+1))}); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			p := runs(t, useQueue, handles{Blob: q, Do: do})
			if exit, err := p.Join(ctx); err != nil || exit.Signal != syscall.SIGKILL {
				t.Fatal(exit, err)
			}
			if q.Len() != 3 {
				t.Errorf("%s: %d items", do, q.Len())
			}
			if err := q.Put(ctx, blob{Data: make([]byte, 400)}); err != nil {
				t.Fatal(err)
			}
			v, err := q.Get(ctx)
			if err != nil || len(v.Data)%100 != 0 || len(v.Data) == 0 {
				t.Errorf("%s: %d bytes, %v", do, len(v.Data), err)
			}
		}
	}
}

func TestQueueKilledAnywhere(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	q := newQ[blob](t, 8, QueueBytes(500_000))
	for range rounds {
		var ps []*Process
		for range 2 {
			ps = append(ps, runs(t, useQueue, handles{Blob: q, Do: "storm"}))
		}
		// Kill them when they are under way: some rounds of the queue from now.
		from := q.s.h.head.Load()
		eventually(t, "the queue moves", func() bool { return q.s.h.head.Load() > from+uint64(rand.IntN(200)) })
		for _, p := range ps {
			_ = p.Kill()
			<-p.Done()
		}
		for {
			v, err := q.TryGet()
			if errors.Is(err, ErrEmpty) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range v.Data {
				if b != byte(len(v.Data)) {
					t.Fatal("an item is damaged")
				}
			}
		}
		if err := q.Put(ctx, blob{"after", []byte{1}}); err != nil {
			t.Fatal(err)
		}
		if v, err := q.Get(ctx); err != nil || v.Name != "after" {
			t.Fatalf("%q %v", v.Name, err)
		}
	}
}
