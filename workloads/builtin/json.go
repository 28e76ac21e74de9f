package builtin

import (
	"context"
	"encoding/json"

	"github.com/parbench/parbench/workloads"
)

type jsonCodec struct{}

// JSON returns the workload "json": a document built, encoded and decoded again; work over strings and small objects,
// which allocates as services do.
func JSON() workloads.Workload { return jsonCodec{} }

func (jsonCodec) Info() workloads.Info {
	return workloads.Info{
		Name: "json",
		Kind: workloads.CPU,
		Doc:  "encodes a document as JSON and decodes it",
		Params: []workloads.Param{
			{Name: "records", Type: workloads.Int, Default: "150", Doc: "records of the document", Min: 1, Max: 1_000_000},
		},
	}
}

func (w jsonCodec) Prepare(_ context.Context, env workloads.Env) (workloads.Tasks, error) {
	if err := workloads.Check(w.Info().Params, env.Params); err != nil {
		return nil, err
	}
	return &jsonTasks{seed: env.Seed, records: env.Params.Int("records")}, nil
}

type jsonTasks struct {
	workloads.NoClose
	seed    uint64
	records int
}

func (t *jsonTasks) Task(_ context.Context, i int) (uint64, error) {
	key := workloads.Key(t.seed, i)
	text, err := json.Marshal(makeDocument(key, t.records))
	if err != nil {
		return 0, err
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return 0, err
	}
	return d.fold(key), nil
}
