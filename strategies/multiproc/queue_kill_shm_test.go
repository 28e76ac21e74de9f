//go:build linux && (amd64 || arm64)

package multiproc

import (
	"bytes"
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

// What a process leaves that was killed while it copied a large item to the start of the memory, with nothing in the
// queue: the items after it must not come to lie on each other.
func TestQueueKilledCopying(t *testing.T) {
	q := newQ[[]byte](t, 8, QueueBytes(1024))
	item := func(fill byte) []byte {
		b := make([]byte, 254) // with its length, four of them fill the memory exactly
		for i := range b {
			b[i] = fill
		}
		return b
	}
	for i := range 3 {
		if err := q.TryPut(item(byte(i))); err != nil {
			t.Fatal(err)
		}
		if _, err := q.TryGet(); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := q.s.room(q.s.h.tail.Load(), 512); !ok { // it had come as far as this
		t.Fatal("no room")
	}
	n := 0
	for ; ; n++ {
		if err := q.TryPut(item(byte(n))); errors.Is(err, ErrFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		if b, err := q.TryGet(); err != nil || !bytes.Equal(b, item(byte(i))) {
			t.Fatalf("item %d of %d: %v, %v", i, n, b[:min(4, len(b))], err)
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
