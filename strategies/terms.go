package strategies

import (
	"context"

	"github.com/parbench/parbench/workloads"
)

// Terms is the memory of an executor that hands out the tasks of a batch one by one: each leaves its term of the batch
// digest in a slot of its own, which scales to any number of cores where a shared sum does not. It is kept between
// batches. The zero value is ready; not safe for concurrent use.
type Terms struct{ slots []uint64 }

// Batch is one batch of tasks that run one by one in this process, in any order and on any goroutines. It is made by
// Terms.Batch, and done when End has been called.
type Batch struct {
	batch *batch
	outer context.Context
	terms []uint64
}

// Batch begins a batch of n tasks under ctx.
func (t *Terms) Batch(ctx context.Context, tasks workloads.Tasks, n int) *Batch {
	if cap(t.slots) < n {
		t.slots = make([]uint64, n)
	}
	return &Batch{batch: newBatch(ctx, tasks), outer: ctx, terms: t.slots[:n]}
}

// Context is the one that tasks run under: it ends when a task has failed, too.
func (b *Batch) Context() context.Context { return b.batch.ctx }

// Stopped reports that no further task needs to be handed out: one has failed, or the context has ended.
func (b *Batch) Stopped() bool { return b.batch.stop.Load() }

// Task runs task i, unless the batch has been stopped. Its error, panic or runtime.Goexit fails the batch; a panic does
// not reach the caller. Safe for concurrent use with different i.
func (b *Batch) Task(i int) {
	if b.batch.stop.Load() {
		return
	}
	done := false
	defer b.batch.guard(&i, &done)
	d, err := b.batch.tasks.Task(b.batch.ctx, i)
	done = true
	if err != nil {
		b.batch.fail(&TaskError{Index: i, Err: err})
		return
	}
	b.terms[i] = workloads.Combine(0, i, d)
}

// Fail fails the batch: task i could not be handed out. Safe for concurrent use.
func (b *Batch) Fail(i int, err error) { b.batch.fail(asTaskError(i, err)) }

// End returns what Executor.Run returns. No task may be running any more, and all must have been handed out unless the
// batch was stopped.
func (b *Batch) End() (uint64, error) {
	var sum uint64
	for _, t := range b.terms {
		sum += t
	}
	return b.batch.finish(b.outer, sum)
}
