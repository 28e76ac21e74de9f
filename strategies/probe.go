package strategies

import (
	"context"
	"sync"
	"time"

	"github.com/parbench/parbench/workloads"
)

// Prober is an Executor whose tasks can be watched. The trial runs one more batch after the measured ones with it, to find
// out where the time goes; the measured batches never pass by a probe.
type Prober interface {
	// Probe has the tasks of the following batches stamped by p; nil ends that. It is called between batches. Its error
	// says why this executor cannot be watched after all.
	Probe(p *Probe) error
}

// Span is when a task ran, in nanoseconds of the system's monotonic clock.
type Span struct {
	// Worker identifies who ran it; 0: not known. Any two workers of a batch have different ones.
	Worker     int64
	Begin, End int64
}

// Probe stamps every so many tasks of a batch. It is made by NewProbe. Stamping is safe for concurrent use with different
// tasks; everything else belongs to whoever runs the batch.
type Probe struct {
	every int
	slots []Span
	// Where tasks run in other processes: begins an account of what messages cost, and returns it.
	account func()
	total   func() Transfers
}

// Transfers is what the workers of a batch spent on the messages that tasks travel in, in their own processes: on unpacking
// them, and on packing the answers. Timed is how many of the messages were timed, for all of which Time stands; each of these times
// has two readings of the clock in it.
type Transfers struct {
	Messages, Timed int64
	Time            time.Duration // of the timed ones, added up
}

// Transfers returns what messages cost in the batch; zero where tasks do not travel or nobody knows.
func (p *Probe) Transfers() Transfers {
	if p.total == nil {
		return Transfers{}
	}
	return p.total()
}

// NewProbe returns a probe for batches of the given number of tasks that stamps each task whose index is a multiple of
// every, which is at least 1.
func NewProbe(tasks, every int) *Probe {
	every = max(every, 1)
	return &Probe{every: every, slots: make([]Span, (tasks+every-1)/every)}
}

// Spans returns the stamped tasks of the batch, in the order of their indices. It is valid until the next Reset.
func (p *Probe) Spans() []Span {
	out := make([]Span, 0, len(p.slots))
	for _, s := range p.slots {
		if s.End != 0 {
			out = append(out, s)
		}
	}
	return out
}

// Reset forgets all stamps. It is called before each batch.
func (p *Probe) Reset() {
	clear(p.slots)
	if p.account != nil {
		p.account()
	}
}

// Picks reports whether task i is to be stamped; a nil probe picks none.
func (p *Probe) Picks(i int) bool { return p != nil && i%p.every == 0 && i/p.every < len(p.slots) }

// Stamp records when task i ran, which Picks has chosen. Executors whose tasks run in other processes call it; for the
// others Watch does.
func (p *Probe) Stamp(i int, s Span) { p.slots[i/p.every] = s }

// Watch returns tasks whose picked ones are stamped by p. who, which may be nil, says which worker runs a task. With a nil
// probe it returns the tasks without the watch that they may have.
func (p *Probe) Watch(tasks workloads.Tasks, who func(context.Context) int64) workloads.Tasks {
	if w, ok := tasks.(*watched); ok {
		tasks = w.Tasks
	}
	if p == nil {
		return tasks
	}
	if who == nil {
		who = nobody
	}
	return &watched{tasks, p, who}
}

func nobody(context.Context) int64 { return 0 }

// watched are the tasks of a probed batch.
type watched struct {
	workloads.Tasks
	p   *Probe
	who func(context.Context) int64
}

// Task implements workloads.Tasks.
func (w *watched) Task(ctx context.Context, i int) (uint64, error) {
	if !w.p.Picks(i) {
		return w.Tasks.Task(ctx, i)
	}
	worker := w.who(ctx)
	begin := Monotonic()
	d, err := w.Tasks.Task(ctx, i)
	w.p.Stamp(i, Span{worker, begin, Monotonic()})
	return d, err
}

// workerKey is the key of a context's worker.
type workerKey struct{}

// WithWorker returns a context for the tasks of worker k, from 0. A strategy whose workers are not threads of their own tells
// a probe in that way who runs a task.
func WithWorker(ctx context.Context, k int) context.Context {
	return context.WithValue(ctx, workerKey{}, int64(k)+1)
}

// WorkerOf returns whose context it is, as a Span has it; 0: not known.
func WorkerOf(ctx context.Context) int64 {
	k, _ := ctx.Value(workerKey{}).(int64)
	return k
}

// clock is what Monotonic reads: a moment, and what the system's clock said at it.
var clock = sync.OnceValue(func() (c struct {
	base   time.Time
	offset int64
}) {
	// The offset is as exact as the quickest of a few looks: whatever comes between two readings makes it later.
	best := int64(1<<63 - 1)
	for range 16 {
		before := time.Now()
		at := systemClock()
		if took := int64(time.Since(before)); took < best {
			best = took
			c.base, c.offset = before, at-took/2
		}
	}
	return c
})

// Monotonic returns nanoseconds of a clock that never goes back. On Linux it is the system's (CLOCK_MONOTONIC), which all
// processes of a machine share; elsewhere it begins with this process.
func Monotonic() int64 {
	c := clock()
	return c.offset + int64(time.Since(c.base))
}
