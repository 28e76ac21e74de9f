package multiproc

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var tick = Register("test.tick", func(_ context.Context, d time.Duration) (int, error) {
	for began := time.Now(); time.Since(began) < d; {
	}
	return 0, nil
})

// percentiles reports the median, the 95th percentile and the largest.
func percentiles(b *testing.B, unit string, v []float64) {
	slices.Sort(v)
	b.ReportMetric(v[len(v)/2], unit+"-median")
	b.ReportMetric(v[len(v)*95/100], unit+"-p95")
	b.ReportMetric(v[len(v)-1], unit+"-max")
}

// BenchmarkCrashReported: from SIGKILL to a worker to the error of the call that it was running.
func BenchmarkCrashReported(b *testing.B) {
	for _, tr := range transports {
		b.Run(tr.name, func(b *testing.B) {
			ctx := context.Background()
			p, err := NewPool(ctx, block, append(tr.opts, Workers(2))...)
			if err != nil {
				b.Fatal(err)
			}
			defer p.Terminate()
			var took []float64
			for b.Loop() {
				fut, err := p.ApplyAsync(ctx, 1)
				if err != nil {
					b.Fatal(err)
				}
				pid := 0
				for pid == 0 {
					for _, w := range p.Stats().Each {
						if w.State == WorkerBusy {
							pid = w.Pid
						}
					}
				}
				time.Sleep(5 * time.Millisecond)
				began := time.Now()
				_ = syscall.Kill(pid, syscall.SIGKILL)
				var ce *CrashError
				if _, err := fut.Get(ctx); !errors.As(err, &ce) {
					b.Fatal(err)
				}
				took = append(took, time.Since(began).Seconds()*1e3)
			}
			percentiles(b, "ms", took)
		})
	}
}

// BenchmarkRecovery: how long after SIGKILL to one of its workers a pool under full load answers calls again at 90 % of the
// pace before. The pace is that of slices of 20 ms, in tasks of 100 µs.
func BenchmarkRecovery(b *testing.B) {
	const slice = 20 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	p, err := NewPool(ctx, tick, Workers(2))
	if err != nil {
		b.Fatal(err)
	}
	var answered atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := p.Apply(ctx, 100*time.Microsecond); err == nil {
					answered.Add(1)
				}
			}
		})
	}
	pace := func(n int) float64 {
		from, began := answered.Load(), time.Now()
		time.Sleep(time.Duration(n) * slice)
		return float64(answered.Load()-from) / time.Since(began).Seconds()
	}
	var took []float64
	for b.Loop() {
		before := pace(15)
		pids := p.Pids()
		killed := time.Now()
		_ = syscall.Kill(pids[0], syscall.SIGKILL)
		for pace(1) < 0.9*before {
		}
		took = append(took, time.Since(killed).Seconds()*1e3)
	}
	percentiles(b, "ms", took)
	cancel()
	wg.Wait()
	if err := p.Terminate(); err != nil {
		b.Error(err)
	}
}

// BenchmarkPipeDeath: from SIGKILL to the process at the other end of a pipe to the io.EOF of who has been waiting there for
// a while.
func BenchmarkPipeDeath(b *testing.B) {
	ctx := context.Background()
	var took []float64
	for b.Loop() {
		r, s, err := NewPipe[string]()
		if err != nil {
			b.Fatal(err)
		}
		p := NewProcess(holdSender, s)
		if err := p.Start(ctx); err != nil {
			b.Fatal(err)
		}
		if _, err := r.Recv(ctx); err != nil {
			b.Fatal(err)
		}
		ended := make(chan time.Time)
		go func() {
			_, _ = r.Recv(ctx)
			ended <- time.Now()
		}()
		time.Sleep(20 * time.Millisecond)
		began := time.Now()
		_ = p.Kill()
		took = append(took, (<-ended).Sub(began).Seconds()*1e3)
		<-p.Done()
		_ = r.Close()
	}
	percentiles(b, "ms", took)
}

var holdSender = Register("test.pipe.hold", func(ctx context.Context, s *Sender[string]) (int, error) {
	err := s.Send(ctx, "up")
	<-ctx.Done()
	return 0, err
})
