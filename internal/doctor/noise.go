package doctor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/results/stat"
)

// Noise is how steadily the CPUs repeat a fixed loop of about a millisecond.
type Noise struct {
	SpanNS     int64      `json:"span_ns"`    // time for each CPU
	Iterations int        `json:"iterations"` // of the loop
	Source     string     `json:"source"`     // of OthersCores: cgroup-v1, cgroup-v2, proc-stat or empty
	CPUs       []CPUNoise `json:"cpus"`
	Usable     int        `json:"usable"` // usable CPUs; more than len(CPUs) when they were sampled
}

// CPUNoise is one CPU's figure.
type CPUNoise struct {
	CPU      int     `json:"cpu"`
	Loops    int     `json:"loops"`
	MedianNS float64 `json:"median_ns"`
	CV       float64 `json:"cv"`              // standard deviation over mean, of the loops
	Tail     float64 `json:"p99_over_median"` // 99th percentile over the median
	// Others is the CPU time that others used meanwhile, and Steal what the hypervisor withheld from this CPU, both in
	// cores; nil where unknown. Others covers the whole machine with a cgroup source, this CPU with proc-stat.
	Others *float64 `json:"others_cores,omitempty"`
	Steal  *float64 `json:"steal_cores,omitempty"`
}

const (
	// loopTarget is how long one loop takes: long against the clock's cost (50 ns) and short against a scheduler tick
	// (1 to 10 ms), so that a tick, an interrupt or a preemption shows as a slow loop.
	loopTarget = time.Millisecond
	// maxNoiseCPUs bounds the CPUs measured; 3 s give each of 256 about 11 loops, just enough for a variation.
	maxNoiseCPUs = 256
	// maxLoops bounds the memory for one CPU whatever the clock says.
	maxLoops = 1 << 16
	// minLoops is the fewest loops that give a figure.
	minLoops = 10
)

var errNotMeasured = errors.New("not measured")

// splitmix chains the mixing function of Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA
// 2014): each step depends on the one before and none touches memory, so that its time depends on the CPU alone.
func splitmix(iterations int) uint64 {
	var x, out uint64
	for range iterations {
		x += 0x9e3779b97f4a7c15
		z := x ^ out
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		out = z ^ z>>31
	}
	return out
}

// sample chooses at most so many of the CPUs, spread evenly over the hand-out order, first and last included, so
// that every kind of core has a chance.
func sample(cpus []int, most int) []int {
	if len(cpus) <= most {
		return slices.Clone(cpus)
	}
	out := make([]int, most)
	for i := range out {
		out[i] = cpus[i*(len(cpus)-1)/(most-1)]
	}
	return out
}

// measure repeats the loop on each CPU in turn, from a pinned thread.
func measure(ctx context.Context, m *host.Machine, usable []int, opt Options) (*Noise, error) {
	r := runner{now: opt.Now, loop: opt.Loop, pin: opt.Pin, own: opt.Own, meter: m.NewMeter()}
	if r.now == nil {
		r.now = time.Now
	}
	if r.loop == nil {
		r.loop = splitmix
	}
	if r.pin == nil {
		r.pin = pin
	}
	if r.own == nil {
		r.own = func() time.Duration { return host.ProcessCPU(0) }
	}
	if len(usable) == 0 {
		return nil, fmt.Errorf("%w: no usable CPU is known", errNotMeasured)
	}
	cpus := sample(usable, maxNoiseCPUs)
	total := opt.Noise
	if total == 0 {
		total = DefaultNoise
	}
	n := &Noise{Source: r.meter.Source(), Usable: len(usable)}
	span := total / time.Duration(len(cpus))
	n.SpanNS = int64(span)
	for _, cpu := range cpus {
		var got CPUNoise
		err := r.on(cpu, func() error {
			if n.Iterations == 0 {
				n.Iterations = r.calibrate(ctx)
			}
			var err error
			got, err = r.measure(ctx, cpu, n.Iterations, span)
			return err
		})
		if err != nil {
			return n, err
		}
		n.CPUs = append(n.CPUs, got)
	}
	return n, nil
}

// runner holds what a measurement needs.
type runner struct {
	now   func() time.Time
	loop  func(int) uint64
	pin   func(int) (func(), error)
	own   func() time.Duration
	meter host.Meter
}

// on runs f on a thread pinned to a CPU and gives the thread its old CPUs back.
func (r runner) on(cpu int, f func() error) error {
	// The lock is released after the mask is restored: the thread goes back to the scheduler as it was.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	release, err := r.pin(cpu)
	if err != nil {
		return fmt.Errorf("pin to CPU %d: %w", cpu, err)
	}
	defer release()
	return f()
}

// time1 times one loop. The call goes through a variable, so the compiler can neither inline nor drop it.
func (r runner) time1(iterations int) time.Duration {
	start := r.now()
	r.loop(iterations)
	return r.now().Sub(start)
}

// calibrate finds how many iterations take loopTarget on this CPU. It takes the least of some loops, because everything
// that disturbs only adds; doubling also brings the CPU up to speed.
func (r runner) calibrate(ctx context.Context) int {
	const most = 1 << 30
	n := 1 << 12
	for ctx.Err() == nil {
		best := r.time1(n)
		for range 4 {
			best = min(best, r.time1(n))
		}
		if best >= loopTarget/4 {
			return int(max(1, min(most, float64(n)*float64(loopTarget)/float64(best))))
		}
		if n >= most {
			break
		}
		n *= 2
	}
	return n
}

// measure repeats the loop for span and sums it up.
func (r runner) measure(ctx context.Context, cpu, iterations int, span time.Duration) (CPUNoise, error) {
	out := CPUNoise{CPU: cpu}
	loops := make([]float64, 0, int(span/loopTarget)+minLoops)
	before, meterErr := r.meter.Read([]int{cpu})
	own := r.own()
	start := r.now()
	for len(loops) < maxLoops && (len(loops) < minLoops || r.now().Sub(start) < span) {
		if err := ctx.Err(); err != nil {
			return out, fmt.Errorf("%w: interrupted", errNotMeasured)
		}
		loops = append(loops, float64(r.time1(iterations)))
	}
	own = r.own() - own
	after, err := r.meter.Read([]int{cpu})
	if window := float64(after.At.Sub(before.At)); meterErr == nil && err == nil && window > 0 {
		others := max(0, float64(after.TotalNS-before.TotalNS-int64(own))/window)
		steal := max(0, float64(after.StealNS-before.StealNS)/window)
		out.Others, out.Steal = &others, &steal
	}
	return out, out.sum(loops)
}

// sum fills in the figures of the loops' times.
func (c *CPUNoise) sum(loops []float64) error {
	median, err := stat.Median(loops)
	if err != nil {
		return err
	}
	if median <= 0 {
		return fmt.Errorf("%w: the clock does not move within a loop", errNotMeasured)
	}
	p99, err := stat.Quantile(loops, 0.99)
	if err != nil {
		return err
	}
	var sum, squares float64
	for _, l := range loops {
		sum += l
	}
	mean := sum / float64(len(loops))
	for _, l := range loops {
		squares += (l - mean) * (l - mean)
	}
	c.Loops, c.MedianNS, c.Tail = len(loops), median, p99/median
	if len(loops) > 1 {
		c.CV = math.Sqrt(squares/float64(len(loops)-1)) / mean
	}
	return nil
}
