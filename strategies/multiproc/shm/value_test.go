//go:build linux && (amd64 || arm64)

package shm

import (
	"math"
	"sync"
	"testing"
)

var writer = role("writer", func(p *peer) {
	must(AttachValue[int32](p.a, p.ref(0))).Store(-7)
	must(AttachValue[float64](p.a, p.ref(1))).Add(0.5)
	must(AttachValue[int16](p.a, p.ref(2))).Add(math.MaxInt16)
	must(AttachValue[uint8](p.a, p.ref(3))).Add(200)
	must(AttachValue[uint64](p.a, p.ref(4))).CompareAndSwap(1, math.MaxUint64)
	must(AttachValue[float32](p.a, p.ref(5))).Swap(1.25)
})

// Numbers of all kinds: what a child writes is seen here.
func TestA01_Value(t *testing.T) {
	a := newArena(t, 1<<16)
	i, f, s := must(NewValue[int32](a, 7)), must(NewValue(a, 3.25)), must(NewValue[int16](a, 2))
	c, w, g := must(NewValue[uint8](a, 100)), must(NewValue[uint64](a, 1)), must(NewValue[float32](a, 0))
	start(t, a, writer, i.Ref(), f.Ref(), s.Ref(), c.Ref(), w.Ref(), g.Ref()).wait()
	if i.Load() != -7 || f.Load() != 3.75 || s.Load() != math.MinInt16+1 || c.Load() != 44 || w.Load() != math.MaxUint64 || g.Load() != 1.25 {
		t.Error(i.Load(), f.Load(), s.Load(), c.Load(), w.Load(), g.Load())
	}
	if i.CompareAndSwap(7, 8) || !i.CompareAndSwap(-7, 8) || i.Swap(9) != 8 || i.Add(-10) != -1 || w.Add(1) != 0 {
		t.Error(i.Load(), w.Load())
	}
	_, err := AttachValue[uint32](a, i.Ref())
	is(t, err, ErrRef)
}

func TestValueAddsConcurrently(t *testing.T) {
	a := newArena(t, 1<<16)
	f, n := must(NewValue(a, 0.0)), must(NewValue[int8](a, 0))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				f.Add(0.5)
				n.Add(1)
			}
		})
	}
	wg.Wait()
	sum := 4000
	if f.Load() != 2000 || n.Load() != int8(sum) {
		t.Error(f.Load(), n.Load())
	}
}

var prefix = role("prefix", func(p *peer) {
	s := must(AttachArray[int32](p.a, p.ref(0))).Unsafe()
	for i := 1; i < len(s); i++ {
		s[i] += s[i-1]
	}
})

// Indexing, slicing and slice assignment are the memory itself; a child's prefix sums are seen. A clone is not.
func TestA03_A06_Array(t *testing.T) {
	a := newArena(t, 1<<20)
	r := must(ArrayOf(a, []int32{680, 626, 934, 821, 150, 233, 548, 982, 714, 831}))
	clone := r.Clone()
	start(t, a, prefix, r.Ref()).wait()
	r.View(func(s []int32) {
		sum := int32(0)
		for i, v := range clone {
			sum += v
			if s[i] != sum {
				t.Errorf("element %d is %d, want %d", i, s[i], sum)
			}
		}
		copy(s[4:8], []int32{1, 2, 3, 4})
	})
	same := must(AttachArray[int32](a, r.Ref()))
	if got := same.Unsafe()[4:8]; got[0] != 1 || got[3] != 4 || same.Len() != 10 || clone[4] != 150 {
		t.Error(got, same.Len(), clone)
	}
	_, err := AttachArray[uint32](a, r.Ref())
	is(t, err, ErrRef)
	_, err = NewArray[int](a, 0)
	is(t, err, ErrSize)
	_, err = NewArray[int](a, math.MaxInt)
	is(t, err, ErrSize)
	_, err = NewArray[struct{}](a, 5)
	is(t, err, ErrSize)
	_, err = NewArray[int](a, 1<<20)
	is(t, err, ErrFull)
	// A damaged length does not lead out of the block.
	*same.u64(arrLen) = 1 << 40
	_, err = AttachArray[int32](a, r.Ref())
	is(t, err, ErrRef)
}

// Structs and arrays of plain fields are elements; what holds pointers is refused.
func TestA05_PlainTypes(t *testing.T) {
	a := newArena(t, 1<<16)
	type point struct {
		Name [8]byte
		X, Y float64
		On   bool
	}
	r := must(NewArray[point](a, 3))
	r.Unsafe()[2] = point{Name: [8]byte{'a'}, X: 1, Y: 2, On: true}
	if got := must(AttachArray[point](a, r.Ref())).Unsafe()[2]; got.X != 1 || !got.On {
		t.Error(got)
	}
	type other struct {
		Name [8]byte
		X    float64
		Y    int64
		On   bool
	}
	_, err := AttachArray[other](a, r.Ref())
	is(t, err, ErrRef)
	for range 2 { // the second time from the cache
		_, e1 := NewArray[*int](a, 1)
		_, e2 := NewArray[string](a, 1)
		_, e3 := NewArray[[]int](a, 1)
		_, e4 := NewArray[struct{ A [2]struct{ M map[int]int } }](a, 1)
		_, e5 := NewArray[any](a, 1)
		_, e6 := NewArray[chan int](a, 1)
		_, e7 := NewArray[func()](a, 1)
		_, e8 := NewArray[uintptr](a, 1)
		_, e9 := NewArray[sync.Mutex](a, 1)
		for _, err := range []error{e1, e2, e3, e4, e5, e6, e7, e8, e9} {
			is(t, err, ErrNotPlain)
		}
	}
}
