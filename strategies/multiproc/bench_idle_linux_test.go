package multiproc

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// cpuTime is what a process has used, in the kernel's ticks of 10 ms.
func cpuTime(pid int) int {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(f[11])
	sys, _ := strconv.Atoi(f[12])
	return user + sys
}

// BenchmarkPoolAtRest is the CPU time that a pool takes while it has nothing to do, here and in its workers.
func BenchmarkPoolAtRest(b *testing.B) {
	ctx := context.Background()
	p, err := NewPool(ctx, echoInt, Workers(2))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = p.Terminate() }()
	if _, err := p.Map(ctx, ints(1000), Chunk(1)); err != nil {
		b.Fatal(err)
	}
	total := func() (n int) {
		for _, pid := range append(p.Pids(), os.Getpid()) {
			n += cpuTime(pid)
		}
		return n
	}
	time.Sleep(10 * time.Millisecond)
	before := total()
	for b.Loop() {
		time.Sleep(100 * time.Millisecond)
	}
	b.ReportMetric(float64(total()-before)*10/b.Elapsed().Seconds(), "CPU-ms/s")
}
