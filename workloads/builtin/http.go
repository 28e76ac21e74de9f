package builtin

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/parbench/parbench/workloads"
)

type httpGet struct{}

// HTTP returns the workload "http": requests that mostly wait for a server.
func HTTP() workloads.Workload { return httpGet{} }

func (httpGet) Info() workloads.Info {
	return workloads.Info{
		Name: "http",
		Kind: workloads.IO,
		Doc:  "gets a body of a given size and latency from a server on loopback",
		Params: []workloads.Param{
			{Name: "size", Type: workloads.Bytes, Default: "1024", Doc: "size of a body in bytes", Min: 1, Max: maxSize},
			latencyParam(),
		},
		Fixture: "http",
	}
}

func latencyParam() workloads.Param {
	return workloads.Param{
		Name: "latency", Type: workloads.Duration, Default: "5ms", Doc: "how long the server waits before it answers",
		Min: 0, Max: float64(maxLatency),
	}
}

func (w httpGet) Prepare(_ context.Context, env workloads.Env) (workloads.Tasks, error) {
	if err := workloads.Check(w.Info().Params, env.Params); err != nil {
		return nil, err
	}
	c, err := newClient("http", env.Fixture)
	if err != nil {
		return nil, err
	}
	return &httpTasks{
		client: c, seed: env.Seed, size: env.Params.Int("size"), latency: env.Params.Duration("latency"),
		buffers: sync.Pool{New: func() any { return new([]byte) }},
	}, nil
}

type httpTasks struct {
	client  *client
	seed    uint64
	size    int
	latency time.Duration
	buffers sync.Pool
}

func (t *httpTasks) Task(ctx context.Context, i int) (uint64, error) {
	p := t.buffers.Get().(*[]byte)
	defer t.buffers.Put(p)
	body, err := t.client.get(ctx, "bytes", t.seed, i, t.size, t.latency, *p)
	*p = body[:0]
	if err != nil {
		return 0, err
	}
	if len(body) != t.size {
		return 0, fmt.Errorf("body of %d bytes where %d were asked for: %w", len(body), t.size, workloads.ErrData)
	}
	return workloads.Verify(body, workloads.Key(t.seed, i))
}

// Close closes the connections.
func (t *httpTasks) Close() error {
	t.client.close()
	return nil
}
