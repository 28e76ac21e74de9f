package trial_test

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/parbench/parbench/strategies/trial"
	"github.com/parbench/parbench/workloads"
)

// A whole program. "go build -o mybench" makes it, "parbench run --program ./mybench" measures it.
func ExampleMain() {
	// func main() {
	trial.Main(workloads.Func(workloads.Info{
		Name: "hash", Kind: workloads.CPU, Doc: "hashes a record again and again",
		Params: []workloads.Param{{Name: "rounds", Type: workloads.Int, Default: "5000", Doc: "how often", Min: 1, Max: 1e9}},
	}, func(_ context.Context, env workloads.Env, i int) (uint64, error) {
		sum := fmt.Appendf(nil, "record %d", i)
		for range env.Params.Int("rounds") {
			next := sha256.Sum256(sum)
			sum = next[:]
		}
		return workloads.FoldBytes(workloads.Key(env.Seed, i), sum), nil
	}))
	fmt.Println("measure me: parbench run --program ./mybench")
	// }

	// Output: measure me: parbench run --program ./mybench
}
