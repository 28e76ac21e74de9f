package workloads_test

import (
	"context"
	"errors"
	"testing"

	"github.com/parbench/parbench/workloads"
)

func TestFunc(t *testing.T) {
	info := workloads.Info{Name: "f", Kind: workloads.CPU, Params: []workloads.Param{{Name: "n", Type: workloads.Int, Default: "3"}}}
	w := workloads.Func(info, func(_ context.Context, env workloads.Env, i int) (uint64, error) {
		return env.Seed + uint64(env.Params.Int("n")*i), nil
	})
	if got := w.Info(); got.Name != "f" || len(got.Params) != 1 {
		t.Errorf("info %+v", got)
	}
	tasks, err := w.Prepare(t.Context(), workloads.Env{Params: workloads.Params{"n": "5"}, Seed: 100})
	if err != nil {
		t.Fatal(err)
	}
	if d, err := tasks.Task(t.Context(), 2); d != 110 || err != nil {
		t.Errorf("task 2: %d, %v", d, err)
	}
	if err := tasks.Close(); err != nil {
		t.Error(err)
	}
	if _, err := w.Prepare(t.Context(), workloads.Env{}); !errors.Is(err, workloads.ErrParam) {
		t.Errorf("without its parameter: %v", err)
	}
}
