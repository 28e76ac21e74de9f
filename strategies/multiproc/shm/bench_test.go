package shm

import (
	"context"
	"testing"
)

var bg = context.Background()

func BenchmarkMutexUncontended(b *testing.B) {
	a := newArena(b, 1<<16)
	m := must(a.NewMutex())
	for b.Loop() {
		m.Lock(bg)
		m.Unlock()
	}
}
