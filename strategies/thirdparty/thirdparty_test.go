package thirdparty

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alitto/pond/v2"
	"github.com/gammazero/workerpool"
	"github.com/panjf2000/ants/v2"
	conc "github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"

	"github.com/parbench/parbench/strategies/strategytest"
	"github.com/parbench/parbench/workloads"
)

func TestMain(m *testing.M) { strategytest.Main(m) }

func TestConformance(t *testing.T) {
	for _, s := range All() {
		t.Run(s.Info().Name, func(t *testing.T) { strategytest.Run(t, s, strategytest.Options{}) })
	}
}

func TestInfo(t *testing.T) {
	seen := ""
	for _, s := range All() {
		i := s.Info()
		if i.Name <= seen || !strings.Contains(i.Doc, s.(library).module) {
			t.Errorf("%q: %q", i.Name, i.Doc)
		}
		seen = i.Name
	}
}

type nothing struct{}

func (nothing) Task(_ context.Context, i int) (uint64, error) { return uint64(i), nil }
func (nothing) Close() error                                  { return nil }

// batchSize is how many empty tasks BenchmarkOverhead runs at once.
const batchSize = 10_000

// byHand are programs that use the libraries for the same: run every task, collect the terms.
var byHand = map[string]func(ctx context.Context, tasks workloads.Tasks, terms []uint64) (run func(), done func()){
	"ants": func(ctx context.Context, tasks workloads.Tasks, terms []uint64) (func(), func()) {
		p, err := ants.NewPool(2)
		if err != nil {
			panic(err)
		}
		return func() {
			var wg sync.WaitGroup
			for i := range terms {
				wg.Add(1)
				if err := p.Submit(func() { defer wg.Done(); one(ctx, tasks, terms, i) }); err != nil {
					panic(err)
				}
			}
			wg.Wait()
		}, p.Release
	},
	"conc": func(ctx context.Context, tasks workloads.Tasks, terms []uint64) (func(), func()) {
		return func() {
			g := conc.New().WithMaxGoroutines(2)
			for i := range terms {
				g.Go(func() { one(ctx, tasks, terms, i) })
			}
			g.Wait()
		}, func() {}
	},
	"errgroup": func(ctx context.Context, tasks workloads.Tasks, terms []uint64) (func(), func()) {
		return func() {
			var g errgroup.Group
			g.SetLimit(2)
			for i := range terms {
				g.Go(func() error { one(ctx, tasks, terms, i); return nil })
			}
			_ = g.Wait()
		}, func() {}
	},
	"pond": func(ctx context.Context, tasks workloads.Tasks, terms []uint64) (func(), func()) {
		p := pond.NewPool(2)
		return func() {
			var wg sync.WaitGroup
			for i := range terms {
				wg.Add(1)
				if err := p.Go(func() { defer wg.Done(); one(ctx, tasks, terms, i) }); err != nil {
					panic(err)
				}
			}
			wg.Wait()
		}, p.StopAndWait
	},
	"workerpool": func(ctx context.Context, tasks workloads.Tasks, terms []uint64) (func(), func()) {
		p := workerpool.New(2)
		return func() {
			var wg sync.WaitGroup
			for i := range terms {
				wg.Add(1)
				p.Submit(func() { defer wg.Done(); one(ctx, tasks, terms, i) })
			}
			wg.Wait()
		}, p.StopWait
	},
}

func one(ctx context.Context, tasks workloads.Tasks, terms []uint64, i int) {
	if d, err := tasks.Task(ctx, i); err == nil {
		terms[i] = workloads.Combine(0, i, d)
	}
}

// BenchmarkOverhead runs empty tasks through each adapter and through a program written by hand, in turn, and reports
// how much longer the adapter takes.
func BenchmarkOverhead(b *testing.B) {
	for _, s := range All() {
		name := s.Info().Name
		hand := byHand[name]
		if hand == nil {
			continue
		}
		b.Run(name, func(b *testing.B) { compare(b, s.(library), hand) })
	}
}

func compare(b *testing.B, l library, hand func(context.Context, workloads.Tasks, []uint64) (func(), func())) {
	ctx := b.Context()
	p, err := l.start(2)
	if err != nil {
		b.Fatal(err)
	}
	ex := &executor{tasks: nothing{}, pool: p}
	defer func() { _ = ex.Close(ctx) }()
	terms := make([]uint64, batchSize)
	run, done := hand(ctx, nothing{}, terms)
	defer done()
	ours := func() {
		if _, err := ex.Run(ctx, batchSize); err != nil {
			b.Fatal(err)
		}
	}
	var seconds [2][]float64
	for i := 0; b.Loop(); i++ {
		first := i % 2 // neither is always the one that finds warm caches
		for k := range 2 {
			which := (first + k) % 2
			start := time.Now()
			[]func(){ours, run}[which]()
			seconds[which] = append(seconds[which], time.Since(start).Seconds())
		}
	}
	for _, t := range seconds {
		slices.Sort(t)
	}
	adapter, byHand := seconds[0][len(seconds[0])/2], seconds[1][len(seconds[1])/2]
	b.ReportMetric(adapter/byHand, "ratio")
	b.ReportMetric(byHand/batchSize*1e9, "ns/task-by-hand")
	b.ReportMetric(0, "ns/op") // of both together: it means nothing
}
