package claims

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"time"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/results/analysis/claim"
	"github.com/parbench/parbench/strategies/multiproc"
)

// compute does arithmetic and returns the CPU seconds of the process meanwhile: its own where nothing else runs in it.
func compute(_ context.Context, n int) (float64, error) {
	before := host.ProcessCPU(0)
	x := 1
	for i := range n {
		x = (x*31 + i) % 65537
	}
	if x < 0 {
		return 0, errors.New("the arithmetic is wrong") // never; x must be used
	}
	return (host.ProcessCPU(0) - before).Seconds(), nil
}

var (
	computeFunc = multiproc.Register("claims.compute", compute)
	fetchFunc   = multiproc.Register("claims.fetch", fetch)
)

// calibrated is for how many steps compute takes that long.
func calibrated(ctx context.Context, seconds float64) int {
	for n := 1 << 16; ; n *= 2 {
		began := time.Now()
		_, _ = compute(ctx, n)
		if took := time.Since(began).Seconds(); took > seconds/4 || n > 1<<40 {
			return max(1, int(float64(n)*seconds/took))
		}
	}
}

func lookComputing(ctx context.Context) (any, error) {
	workers := min(4, multiproc.CPUs())
	o := claim.Computing{Workers: workers, Tasks: 2 * workers, Ways: []claim.Way{{Way: "sequential"}, {Way: "goroutines"}, {Way: "processes"}}}
	tasks := slices.Repeat([]int{calibrated(ctx, 0.05)}, o.Tasks)
	local, err := multiproc.NewLocalPool(compute, multiproc.Workers(workers))
	if err != nil {
		return nil, err
	}
	err = withPool(ctx, computeFunc, func(p *multiproc.ProcessPool[int, float64]) error {
		// In this process the clock counts all goroutines together, in the others each worker has one of its own.
		own := func(f func() error) (float64, error) {
			before := host.ProcessCPU(0)
			err := f()
			return (host.ProcessCPU(0) - before).Seconds(), err
		}
		run := []func() (float64, error){
			func() (float64, error) {
				return own(func() error {
					for _, n := range tasks {
						if _, err := compute(ctx, n); err != nil || ctx.Err() != nil {
							return errors.Join(err, ctx.Err())
						}
					}
					return nil
				})
			},
			func() (float64, error) {
				return own(func() error { _, err := local.Map(ctx, tasks, multiproc.Chunk(1)); return err })
			},
			func() (sum float64, err error) {
				used, err := p.Map(ctx, tasks, multiproc.Chunk(1))
				for _, s := range used {
					sum += s
				}
				return sum, err
			},
		}
		for i := -1; i < 9; i++ {
			for k := range run {
				way := (k + i + 1) % len(run)
				began := time.Now()
				cpu, err := run[way]()
				if err != nil {
					return err
				}
				if i >= 0 { // the first round warms up
					o.Ways[way].Runs = append(o.Ways[way].Runs, claim.Use{Wall: time.Since(began).Seconds(), CPU: cpu})
				}
			}
		}
		return nil
	}, multiproc.Workers(workers))
	return &o, errors.Join(err, local.Terminate())
}

// fetch connects to a server on this machine and waits for its answer.
func fetch(ctx context.Context, address string) (int, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	b, err := io.ReadAll(c)
	return len(b), err
}

// serve answers each connection after a while, until the listener is closed.
func serve(ctx context.Context, l net.Listener, delay time.Duration) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			if sleep(ctx, delay) == nil {
				_, _ = c.Write([]byte("x"))
			}
		}()
	}
}

func lookWaiting(ctx context.Context) (any, error) {
	o := claim.Waiting{Tasks: 16, Delay: 0.03, Threads: "goroutines"}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer l.Close()
	go serve(ctx, l, time.Duration(o.Delay*float64(time.Second)))
	sleeps, err := waits(ctx, "sleep", napFunc, sleepFor, slices.Repeat([]float64{o.Delay}, o.Tasks))
	if err != nil {
		return nil, err
	}
	sockets, err := waits(ctx, "socket", fetchFunc, fetch, slices.Repeat([]string{l.Addr().String()}, o.Tasks))
	o.Kinds = []claim.Kind{sleeps, sockets}
	return &o, err
}

// waits times tasks that wait: one after another, on goroutines, and in processes.
func waits[In, Out any](ctx context.Context, kind string, remote multiproc.Func[In, Out], here func(context.Context, In) (Out, error), tasks []In) (claim.Kind, error) {
	k := claim.Kind{Kind: kind}
	local, err := multiproc.NewLocalPool(here, multiproc.Workers(len(tasks)))
	if err != nil {
		return k, err
	}
	err = withPool(ctx, remote, func(p *multiproc.ProcessPool[In, Out]) error {
		for i := -1; i < 6; i++ {
			for _, w := range []struct {
				into *[]float64
				run  func() error
			}{
				{&k.Sequential, func() error {
					for _, t := range tasks {
						if _, err := here(ctx, t); err != nil {
							return err
						}
					}
					return nil
				}},
				{&k.Threads, func() error { _, err := local.Map(ctx, tasks, multiproc.Chunk(1)); return err }},
				{&k.Processes, func() error { _, err := p.Map(ctx, tasks, multiproc.Chunk(1)); return err }},
			} {
				began := time.Now()
				if err := w.run(); err != nil {
					return err
				}
				if i >= 0 { // the first round warms up
					*w.into = append(*w.into, time.Since(began).Seconds())
				}
			}
		}
		return nil
	}, multiproc.Workers(len(tasks)))
	return k, errors.Join(err, local.Terminate())
}
