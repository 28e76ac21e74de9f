package builtin_test

import (
	"context"
	"testing"

	"github.com/parbench/parbench/workloads"
	"github.com/parbench/parbench/workloads/builtin"
)

// BenchmarkTask shows the grain of every workload under its defaults.
func BenchmarkTask(b *testing.B) {
	reg := builtin.Registry()
	for _, w := range reg.All() {
		b.Run(w.Info().Name, func(b *testing.B) {
			tasks := prepare(b, reg, w, automatic[w.Info().Name], 1)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := tasks.Task(context.Background(), i); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// automatic holds values for the parameters that the harness would choose.
var automatic = map[string]workloads.Params{
	"triad": {"bytes": "100663296"},
	"spin":  {"iterations": "40000"},
}

// prepare resolves given and prepares w with its fixture; the test's end closes both.
func prepare(tb testing.TB, reg *workloads.Registry, w workloads.Workload, given workloads.Params, seed uint64) workloads.Tasks {
	tb.Helper()
	info := w.Info()
	params, err := workloads.Resolve(info.Params, given)
	if err != nil {
		tb.Fatal(err)
	}
	env := workloads.Env{Params: params, Seed: seed}
	if info.Fixture != "" {
		f, ok := reg.Fixture(info.Fixture)
		if !ok {
			tb.Fatalf("%s: no fixture %q", info.Name, info.Fixture)
		}
		addr, stop, err := f.Serve(tb.Context())
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			if err := stop(); err != nil {
				tb.Error(err)
			}
		})
		env.Fixture = addr
	}
	tasks, err := w.Prepare(tb.Context(), env)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := tasks.Close(); err != nil {
			tb.Error(err)
		}
	})
	return tasks
}
