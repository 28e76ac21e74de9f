package workloads

// Lean returns the built-in workloads whose imports a worker process can afford to initialise before its first task, in
// the order of the complete registry (workloads/builtin).
func Lean() []Workload {
	return []Workload{
		Primes(), Matmul(), Mandelbrot(), Sort(),
		Triad(), Alloc(),
		Sleep(), File(),
		Spin(), Empty(),
	}
}
