package strategies

import "context"

// Threads runs the tasks on a bounded number of operating system threads: each worker is a goroutine locked to a thread
// of its own, which lives between batches. What it adds to pool is the price of the kernel's scheduler wherever a task
// waits.
type Threads struct{}

var _ Strategy = Threads{}

// Info implements Strategy.
func (Threads) Info() Info {
	return Info{Name: "threads", Doc: "workers on operating system threads that live between batches"}
}

// Start implements Strategy.
func (Threads) Start(ctx context.Context, cfg Config) (Executor, error) {
	c, err := startCrew(ctx, cfg, true)
	if err != nil {
		return nil, err
	}
	return c, nil
}
