package analysis

import (
	"testing"

	"github.com/parbench/parbench/results"
)

func TestSomeRounds(t *testing.T) {
	for n, want := range map[int]string{1: "1 round", 29: "29 rounds", 99: "99 rounds", 104: "100 rounds", 317: "320 rounds", 998: "1,000 rounds", 1000: "1,000 rounds", 1001: "thousands of rounds", 35284: "thousands of rounds"} {
		if got := someRounds(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestChunkOf(t *testing.T) {
	for _, tt := range []struct {
		chunk, mode string
		want        int
	}{{"", "", 1}, {"0", "map", 1}, {"16", "map", 16}, {"16", "imap-unordered", 16}, {"16", "apply", 1}, {"16", "apply-async", 1}, {"-3", "map", 1}, {"x", "map", 1}} {
		c := &results.Cell{StrategyParams: map[string]string{"chunk": tt.chunk, "mode": tt.mode}}
		if got := chunkOf(c); got != tt.want {
			t.Errorf("chunk=%s, mode=%s: %d, want %d", tt.chunk, tt.mode, got, tt.want)
		}
	}
	if got := chunkOf(&results.Cell{}); got != 1 {
		t.Errorf("without parameters %d", got)
	}
}

func TestCrew(t *testing.T) {
	for want, c := range map[int]results.Cell{16: {Workers: 16, Tasks: 64}, 64: {Unbounded: true, Tasks: 64}, 0: {Tasks: 64}} {
		if got := crew(&c); got != want {
			t.Errorf("%+v: %d, want %d", c, got, want)
		}
	}
}
