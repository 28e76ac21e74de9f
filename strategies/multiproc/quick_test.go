package multiproc

import (
	"context"
	"testing"
)

func TestQuick(t *testing.T) {
	p, err := NewPool(context.Background(), square, Workers(2))
	if err != nil {
		t.Fatal(err)
	}
	v, err := p.Apply(context.Background(), 7)
	if err != nil || v != 49 {
		t.Fatal(v, err)
	}
	in := make([]int, 100000)
	for i := range in {
		in[i] = i
	}
	for _, c := range []int{1, 7, 1000} {
		out, err := p.Map(context.Background(), in, Chunk(c))
		if err != nil {
			t.Fatal(err)
		}
		for i := range out {
			if out[i] != i*i {
				t.Fatal(i, out[i])
			}
		}
	}
	if err := p.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	r, err := Call(context.Background(), square, 5)
	if err != nil || r != 25 {
		t.Fatal(r, err)
	}
}

func BenchmarkApply(b *testing.B) {
	p, _ := NewPool(context.Background(), square, Workers(2))
	defer p.Terminate()
	for b.Loop() {
		p.Apply(context.Background(), 7)
	}
}

func BenchmarkMap1(b *testing.B) {
	p, _ := NewPool(context.Background(), square, Workers(2))
	defer p.Terminate()
	in := make([]int, 100000)
	for b.Loop() {
		p.Map(context.Background(), in, Chunk(1))
	}
	b.ReportMetric(float64(b.N)*1e5/b.Elapsed().Seconds(), "items/s")
}

func BenchmarkMapDefault(b *testing.B) {
	p, _ := NewPool(context.Background(), square, Workers(2))
	defer p.Terminate()
	in := make([]int, 1000000)
	for b.Loop() {
		p.Map(context.Background(), in)
	}
	b.ReportMetric(float64(b.N)*1e6/b.Elapsed().Seconds(), "items/s")
}

func BenchmarkCall(b *testing.B) {
	for b.Loop() {
		Call(context.Background(), square, 7)
	}
}
