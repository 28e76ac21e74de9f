package strategies

import "context"

// Pool runs the tasks on a bounded number of goroutines that live between batches; crew tells how they share the work.
type Pool struct{}

var (
	_ Strategy = Pool{}
	_ Executor = (*crew)(nil)
)

// Info implements Strategy.
func (Pool) Info() Info {
	return Info{Name: "pool", Doc: "a bounded number of goroutines that live between batches"}
}

// Start implements Strategy.
func (Pool) Start(ctx context.Context, cfg Config) (Executor, error) {
	c, err := startCrew(ctx, cfg, false)
	if err != nil {
		return nil, err
	}
	return c, nil
}
