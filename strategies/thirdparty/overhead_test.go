package thirdparty

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Jeffail/tunny"
	"github.com/alitto/pond/v2"
	"github.com/gammazero/workerpool"
	"github.com/panjf2000/ants/v2"
	conc "github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"

	"github.com/parbench/parbench/workloads"
)

type nothing struct{}

func (nothing) Task(_ context.Context, i int) (uint64, error) { return uint64(i), nil }
func (nothing) Close() error                                  { return nil }

// batchSize is how many empty tasks BenchmarkOverhead runs at once.
const batchSize = 10_000

// byHand are programs that use the libraries for the same: run every task, collect the terms.
var byHand = map[string]func(*job) (run func(), done func()){
	"ants": func(j *job) (func(), func()) {
		p, err := ants.NewPool(2)
		if err != nil {
			panic(err)
		}
		return func() {
			var wg sync.WaitGroup
			for i := range j.terms {
				wg.Add(1)
				if err := p.Submit(func() { defer wg.Done(); j.one(i) }); err != nil {
					panic(err)
				}
			}
			wg.Wait()
		}, p.Release
	},
	"conc": func(j *job) (func(), func()) {
		return func() {
			g := conc.New().WithMaxGoroutines(2)
			for i := range j.terms {
				g.Go(func() { j.one(i) })
			}
			g.Wait()
		}, func() {}
	},
	"errgroup": func(j *job) (func(), func()) {
		return func() {
			var g errgroup.Group
			g.SetLimit(2)
			for i := range j.terms {
				g.Go(func() error { j.one(i); return nil })
			}
			_ = g.Wait()
		}, func() {}
	},
	"pond": func(j *job) (func(), func()) {
		p := pond.NewPool(2)
		return func() {
			var wg sync.WaitGroup
			for i := range j.terms {
				wg.Add(1)
				if err := p.Go(func() { defer wg.Done(); j.one(i) }); err != nil {
					panic(err)
				}
			}
			wg.Wait()
		}, p.StopAndWait
	},
	"tunny": func(j *job) (func(), func()) {
		p := tunny.NewFunc(2, func(i any) any { j.one(i.(int)); return nil })
		return func() {
			var next atomic.Int64
			var callers sync.WaitGroup
			for range 2 {
				callers.Go(func() {
					for {
						i := int(next.Add(1)) - 1
						if i >= len(j.terms) {
							return
						}
						p.Process(i)
					}
				})
			}
			callers.Wait()
		}, p.Close
	},
	"workerpool": func(j *job) (func(), func()) {
		p := workerpool.New(2)
		return func() {
			var wg sync.WaitGroup
			for i := range j.terms {
				wg.Add(1)
				p.Submit(func() { defer wg.Done(); j.one(i) })
			}
			wg.Wait()
		}, p.StopWait
	},
}

// job is what the tasks of a program by hand share: one pointer, so that its closures are as small as the adapters'.
type job struct {
	ctx   context.Context
	tasks workloads.Tasks
	terms []uint64
}

func (j *job) one(i int) {
	if d, err := j.tasks.Task(j.ctx, i); err == nil {
		j.terms[i] = workloads.Combine(0, i, d)
	}
}

// TestByHand: every adapter has a program to be compared with, and both do the same.
func TestByHand(t *testing.T) {
	const n = 1000
	for _, s := range All() {
		name := s.Info().Name
		hand := byHand[name]
		if hand == nil {
			t.Errorf("no program uses %s by hand: what its adapter costs is not measured", name)
			continue
		}
		p, err := s.(library).start(2)
		if err != nil {
			t.Fatal(err)
		}
		ex := &executor{tasks: nothing{}, pool: p}
		want, err := ex.Run(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		if err := ex.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		j := &job{t.Context(), nothing{}, make([]uint64, n)}
		run, done := hand(j)
		run()
		done()
		var got uint64
		for _, x := range j.terms {
			got += x
		}
		if got != want {
			t.Errorf("%s: by hand %x, by the adapter %x", name, got, want)
		}
	}
}

// BenchmarkOverhead runs empty tasks through each adapter and through a program written by hand, in turn, and reports
// how much longer the adapter takes: "ratio" is the median of the ratios of neighbours, of which there should be a few hundred
// (-benchtime 300x). docs/pools.md has the result and says what it means.
func BenchmarkOverhead(b *testing.B) {
	for _, s := range All() {
		l := s.(library)
		b.Run(l.name, func(b *testing.B) {
			hand := byHand[l.name]
			if hand == nil {
				b.Fatalf("no program uses %s by hand", l.name)
			}
			compare(b, l, hand)
		})
	}
}

func compare(b *testing.B, l library, hand func(*job) (func(), func())) {
	ctx := b.Context()
	p, err := l.start(2)
	if err != nil {
		b.Fatal(err)
	}
	ex := &executor{tasks: nothing{}, pool: p}
	defer func() { _ = ex.Close(ctx) }()
	run, done := hand(&job{ctx, nothing{}, make([]uint64, batchSize)})
	defer done()
	ours := func() {
		if _, err := ex.Run(ctx, batchSize); err != nil {
			b.Fatal(err)
		}
	}
	var ratios, alone []float64
	for i := 0; b.Loop(); i++ {
		var seconds [2]float64
		for k := range 2 {
			which := (i + k) % 2 // neither is always the one that finds warm caches
			start := time.Now()
			[]func(){ours, run}[which]()
			seconds[which] = time.Since(start).Seconds()
		}
		ratios, alone = append(ratios, seconds[0]/seconds[1]), append(alone, seconds[1])
	}
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(median(alone)/batchSize*1e9, "ns/task-by-hand")
	b.ReportMetric(0, "ns/op") // of both together: it means nothing
}

func median(x []float64) float64 {
	slices.Sort(x)
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}
