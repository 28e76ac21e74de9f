// Package builtin holds the built-in workloads that need more of the standard library than a worker's early start can
// afford (crypto/sha256, encoding/json, net/http), the fixtures, and the complete registry.
//
// Non-goals: choosing what to run. Every workload is specified in docs/workloads.md; a workload of a user's own program
// needs nothing from here.
package builtin

import "github.com/parbench/parbench/workloads"

// Registry returns all built-in workloads, in the order in which lists and reports show them, and their fixtures.
func Registry() *workloads.Registry {
	r := workloads.NewRegistry(
		workloads.Primes(), SHA256(), workloads.Matmul(), workloads.Mandelbrot(), workloads.Sort(), JSON(), // cpu
		workloads.Triad(), workloads.Alloc(), // memory
		workloads.Sleep(), HTTP(), workloads.File(), // io
		FetchParse(),                        // mixed
		workloads.Spin(), workloads.Empty(), // probes
	)
	r.AddFixture("http", Server{})
	r.AddFixture("dir", Dir{})
	return r
}
