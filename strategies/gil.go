package strategies

import (
	"context"
	"runtime"
)

// GIL runs the tasks on operating system threads of which one at a time may execute Go code: what a global interpreter
// lock allows. A thread that waits in the kernel lets another one run, as CPython's threads do around blocking calls.
type GIL struct{}

var _ Strategy = GIL{}

// Info implements Strategy.
func (GIL) Info() Info {
	return Info{
		Name: "gil", Doc: "threads of which one runs at a time, as under a global interpreter lock",
		Serial: true, GOMAXPROCS: 1,
	}
}

// Start implements Strategy. The limit holds for the whole process until Close, so that the strategy is what its name
// says also where nobody set GOMAXPROCS.
func (GIL) Start(ctx context.Context, cfg Config) (Executor, error) {
	before := runtime.GOMAXPROCS(1)
	c, err := startCrew(ctx, cfg, true)
	if err != nil {
		runtime.GOMAXPROCS(before)
		return nil, err
	}
	c.onClose = func() { runtime.GOMAXPROCS(before) }
	return c, nil
}
