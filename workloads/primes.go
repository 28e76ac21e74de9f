package workloads

import "context"

type primes struct{}

// Primes returns the workload "primes": prime numbers found by trial division. Pure integer work in registers, which
// scales with cores as well as anything can.
func Primes() Workload { return primes{} }

func (primes) Info() Info {
	return Info{
		Name: "primes",
		Kind: CPU,
		Doc:  "counts primes by trial division",
		Params: []Param{
			{Name: "limit", Type: Int, Default: "50000", Doc: "how far to count", Min: 2, Max: 100_000_000},
		},
	}
}

func (w primes) Prepare(_ context.Context, env Env) (Tasks, error) {
	if err := Check(w.Info().Params, env.Params); err != nil {
		return nil, err
	}
	return &primesTasks{seed: env.Seed, limit: uint32(env.Params.Int("limit"))}, nil
}

type primesTasks struct {
	NoClose
	seed  uint64
	limit uint32
}

func (t *primesTasks) Task(_ context.Context, i int) (uint64, error) {
	s := TaskStream(t.seed, i)
	// The range moves by at most a 64th of its length, so that no two tasks are the same and all take about as long.
	shift := uint32(s.Next() % uint64(t.limit/64+1))
	var count, sum uint64
	for n := 2 + shift; n <= t.limit+shift; n++ {
		if isPrime(n) {
			count++
			sum += uint64(n)
		}
	}
	return Fold(Fold(Key(t.seed, i), count), sum), nil
}

// isPrime divides by 2 and then by odd numbers up to the square root of n, n >= 2.
func isPrime(n uint32) bool {
	if n%2 == 0 {
		return n == 2
	}
	for d := uint32(3); d*d <= n; d += 2 { // d*d stays below 2^32: n is at most 1.02e8
		if n%d == 0 {
			return false
		}
	}
	return true
}
