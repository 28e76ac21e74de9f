package claims

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/parbench/parbench/results/analysis/claim"
	"github.com/parbench/parbench/strategies/multiproc"
	"github.com/parbench/parbench/strategies/multiproc/shm"
	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// golang is Go with strategies/multiproc. Its worker processes are this executable, so the program's main must have called
// multiproc.Main.
type golang struct{ files *files }

func (golang) name() string { return "Go" }

func (golang) subject() claim.Subject {
	return claim.Subject{Label: "Go", About: runtime.Version() + ", strategies/multiproc", Go: true}
}

func (g golang) look(ctx context.Context, id string) (json.RawMessage, error) {
	probes := map[string]func(context.Context) (any, error){
		"C1": lookReturned, "C2": lookRunning, "C3": lookDummy, "C4": lookProcesses, "C5": lookSearch, "C6": lookJoining,
		"C7": lookOrdering, "C8": lookManaged, "C9": lookSpeed, "C10": lookMovedEnds, "C11": lookArguments, "C12": lookStarting,
		"C13": g.lookTerminating, "C14": lookCrashing, "C15": lookFreshGlobals, "C16": lookComputing, "C17": lookWaiting,
		"C18": lookPrinting, "C19": lookStopping, "C20": lookBlocking,
	}
	probe, ok := probes[id]
	if !ok {
		return nil, unavailable{"there is no counterpart in Go"}
	}
	o, err := probe(ctx)
	switch {
	case errors.Is(err, spawn.ErrUnavailable), errors.Is(err, shm.ErrUnavailable):
		return nil, unavailable{err.Error()}
	case err != nil:
		return nil, err
	}
	return json.Marshal(o)
}

// repetitions of what is timed, and patience with what should not take long.
const (
	repetitions = 7
	patience    = 5 * time.Second
)

// outcome is what came of a call that gives numbers.
func outcome(call string, want []int, got []int, err error) claim.Outcome {
	o := claim.Outcome{Call: call, Want: want}
	if err != nil {
		o.Error = err.Error()
		return o
	}
	if o.Got = got; got == nil {
		o.Got = []int{}
	}
	return o
}

// within turns the error of a call that its bound ended into what was observed: that it had not returned by then.
func within(bounded context.Context, bound time.Duration, o claim.Outcome) claim.Outcome {
	if o.Error != "" && bounded.Err() != nil {
		o.Error, o.Hung = "", bound.Seconds()
	}
	return o
}

// span is when a task ran, on the clock of the system.
type span struct{ Start, End int64 }

// atOnce is how many spans share a moment.
func atOnce(spans []span) (most int) {
	for _, s := range spans {
		n := 0
		for _, t := range spans {
			if t.Start <= s.Start && s.Start < t.End {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

func sleepFor(ctx context.Context, seconds float64) (span, error) {
	s := span{Start: time.Now().UnixNano()}
	err := sleep(ctx, time.Duration(seconds*float64(time.Second)))
	s.End = time.Now().UnixNano()
	return s, err
}

// sleep is time.Sleep that ends with ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func squared(_ context.Context, n int) (int, error) { return n * n, nil }

func ownPid(context.Context, int) (int, error) { return os.Getpid(), nil }

// What runs in other processes.
var (
	squareFunc = multiproc.Register("claims.square", squared)
	napFunc    = multiproc.Register("claims.nap", sleepFor)
	pidFunc    = multiproc.Register("claims.pid", ownPid)
	briefFunc  = multiproc.Register("claims.brief", func(ctx context.Context, i int) (int, error) { return i, sleep(ctx, time.Millisecond) })
)

// withPool makes a pool, has f use it, and ends it.
func withPool[In, Out any](ctx context.Context, fn multiproc.Func[In, Out], f func(*multiproc.ProcessPool[In, Out]) error, opts ...multiproc.PoolOption) error {
	pool, err := multiproc.NewPool(ctx, fn, opts...)
	if err != nil {
		return err
	}
	return errors.Join(f(pool), pool.Terminate())
}

// pids are how many processes run n short tasks.
func pids(ctx context.Context, p *multiproc.ProcessPool[int, int], n int) (int, error) {
	out, err := p.Map(ctx, make([]int, n), multiproc.Chunk(1))
	slices.Sort(out)
	return len(slices.Compact(out)), err
}
