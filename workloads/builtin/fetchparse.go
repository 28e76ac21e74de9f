package builtin

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/parbench/parbench/workloads"
)

type fetchParse struct{}

// FetchParse returns the workload "fetch-parse": waiting and computing in one task, as a service that calls another does.
func FetchParse() workloads.Workload { return fetchParse{} }

func (fetchParse) Info() workloads.Info {
	return workloads.Info{
		Name: "fetch-parse",
		Kind: workloads.Mixed,
		Doc:  "gets a JSON document from a server on loopback, decodes and aggregates it",
		Params: []workloads.Param{
			{Name: "records", Type: workloads.Int, Default: "150", Doc: "records of the document", Min: 1, Max: maxRecords},
			latencyParam(),
		},
		Fixture: "http",
	}
}

func (w fetchParse) Prepare(_ context.Context, env workloads.Env) (workloads.Tasks, error) {
	if err := workloads.Check(w.Info().Params, env.Params); err != nil {
		return nil, err
	}
	c, err := newClient("fetch-parse", env.Fixture)
	if err != nil {
		return nil, err
	}
	return &fetchTasks{
		client: c, seed: env.Seed, records: env.Params.Int("records"), latency: env.Params.Duration("latency"),
		buffers: sync.Pool{New: func() any { return new([]byte) }},
	}, nil
}

type fetchTasks struct {
	client  *client
	seed    uint64
	records int
	latency time.Duration
	buffers sync.Pool
}

func (t *fetchTasks) Task(ctx context.Context, i int) (uint64, error) {
	p := t.buffers.Get().(*[]byte)
	defer t.buffers.Put(p)
	body, err := t.client.get(ctx, "records", t.seed, i, t.records, t.latency, *p)
	*p = body[:0]
	if err != nil {
		return 0, err
	}
	var d document
	if err := json.Unmarshal(body, &d); err != nil {
		return 0, fmt.Errorf("%w: %w", workloads.ErrData, err)
	}
	if len(d.Records) != t.records {
		return 0, fmt.Errorf("%d records where %d were asked for: %w", len(d.Records), t.records, workloads.ErrData)
	}
	a, err := aggregate(d)
	if err != nil {
		return 0, err
	}
	return a.fold(workloads.Key(t.seed, i)), nil
}

// Close closes the connections.
func (t *fetchTasks) Close() error {
	t.client.close()
	return nil
}

// summary is what fetch-parse computes: every field of every record has a part in it.
type summary struct {
	ids, names uint64 // sums modulo 2^64; names are digested first
	active     uint64
	revenue    float64 // price times quantity of the active records
	dearest    float64 // highest price
	x, y       float64 // sums of the positions
	byTag      [len(tags)]struct{ records, quantity uint64 }
}

func aggregate(d document) (summary, error) {
	var a summary
	for _, r := range d.Records {
		a.ids += r.ID
		a.names += workloads.FoldBytes(0, []byte(r.Name))
		a.dearest = max(a.dearest, r.Price)
		a.x += r.Position.X
		a.y += r.Position.Y
		if r.Active {
			a.active++
			a.revenue += float64(r.Price * float64(r.Quantity)) // the conversion forbids a fused multiply-add
		}
		for _, tag := range r.Tags {
			k := slices.Index(tags[:], tag)
			if k < 0 {
				return a, fmt.Errorf("unknown tag %q: %w", tag, workloads.ErrData)
			}
			a.byTag[k].records++
			a.byTag[k].quantity += r.Quantity
		}
	}
	return a, nil
}

func (a summary) fold(h uint64) uint64 {
	for _, v := range []uint64{
		a.ids, a.names, a.active,
		math.Float64bits(a.revenue), math.Float64bits(a.dearest), math.Float64bits(a.x), math.Float64bits(a.y),
	} {
		h = workloads.Fold(h, v)
	}
	for _, t := range a.byTag {
		h = workloads.Fold(workloads.Fold(h, t.records), t.quantity)
	}
	return h
}
