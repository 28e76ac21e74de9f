package builtin

import (
	"context"
	"crypto/sha256"

	"github.com/parbench/parbench/workloads"
)

type hashChain struct{}

// SHA256 returns the workload "sha256": a hash of a hash of a hash, which no processor can compute out of order.
func SHA256() workloads.Workload { return hashChain{} }

func (hashChain) Info() workloads.Info {
	return workloads.Info{
		Name: "sha256",
		Kind: workloads.CPU,
		Doc:  "hashes 32 bytes over and over with SHA-256",
		Params: []workloads.Param{
			{Name: "rounds", Type: workloads.Int, Default: "8000", Doc: "length of the chain", Min: 1, Max: 1e9},
		},
	}
}

func (w hashChain) Prepare(_ context.Context, env workloads.Env) (workloads.Tasks, error) {
	if err := workloads.Check(w.Info().Params, env.Params); err != nil {
		return nil, err
	}
	return &hashTasks{seed: env.Seed, rounds: env.Params.Int("rounds")}, nil
}

type hashTasks struct {
	workloads.NoClose
	seed   uint64
	rounds int
}

func (t *hashTasks) Task(_ context.Context, i int) (uint64, error) {
	key := workloads.Key(t.seed, i)
	var block [sha256.Size]byte
	workloads.Fill(block[:], key)
	for range t.rounds {
		block = sha256.Sum256(block[:])
	}
	return workloads.FoldBytes(key, block[:]), nil
}
