//go:build !linux

package workloads

func mapFloats(n int) ([]float64, func() error) { return heapFloats(n) }
