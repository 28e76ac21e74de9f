package workloads

import (
	"errors"
	"strings"
	"syscall"
	"testing"
)

func TestMapFloats(t *testing.T) {
	v, release, err := mapFloats(100_000)
	if err != nil {
		t.Fatal(err)
	}
	for j := range v {
		if v[j] != 0 {
			t.Fatalf("element %d is %v", j, v[j])
		}
		v[j] = float64(j)
	}
	if len(v) != 100_000 || v[99_999] != 99_999 {
		t.Errorf("%d elements, the last is %v", len(v), v[99_999])
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}

// TestTriadWithoutMemory asks for more than an address space holds: an error with a remedy, not the end of the process.
func TestTriadWithoutMemory(t *testing.T) {
	tasks := &triadTasks{blocks: 1, length: 1 << 56}
	err := tasks.build(t.Context())
	if !errors.Is(err, syscall.ENOMEM) || !strings.Contains(err.Error(), "parameter bytes") {
		t.Errorf("error is %v", err)
	}
	if err := tasks.Close(); err != nil {
		t.Error(err)
	}
}
