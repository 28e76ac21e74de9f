package protocol

import (
	"errors"
	"strings"
	"testing"
)

// A program that reports what cannot be fails by it; the reader can go on.
func TestImpossibleFiguresAreRefused(t *testing.T) {
	for line, want := range map[string]string{
		`{"type":"ready","ready":{"setup_ns":-1}}`:                                       "setup_ns -1 is negative",
		`{"type":"batches","batches":{"warmup_ns":[3,-1]}}`:                              "batch of -1 ns",
		`{"type":"batches","batches":{"wall_ns":[-2]}}`:                                  "batch of -2 ns",
		`{"type":"done","done":{"untimed_ns":-1}}`:                                       "untimed_ns -1 is negative",
		`{"type":"usage","usage":{"cpu_ns":-1}}`:                                         "cpu_ns -1",
		`{"type":"usage","usage":{"wall_ns":-1}}`:                                        "wall_ns -1",
		`{"type":"usage","usage":{"peak_bytes":-1}}`:                                     "peak_bytes -1",
		`{"type":"usage","usage":{"pss_bytes":-1}}`:                                      "pss_bytes -1",
		`{"type":"usage","usage":{"processes":-1}}`:                                      "processes -1",
		`{"type":"usage","usage":{"gc_pause_ns":-1}}`:                                    "gc_pause_ns -1",
		`{"type":"usage","usage":{"cpu_ns":9223372036854775807,"wall_ns":1}}`:            "more than 65536 CPUs",
		`{"type":"usage","usage":{"cpu_ns":9223372036854775807,"wall_ns":999999999999}}`: "more than 65536 CPUs",
		`{"type":"usage","usage":{"cpu_ns":40100200,"wall_ns":20400500}}`:                "",
		`{"type":"usage","usage":{"cpu_ns":7,"ctx_forced":-1,"faults_minor":-1}}`:        "",
	} {
		_, err := NewReader(strings.NewReader(line + "\n")).Record()
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", line, err)
			}
			continue
		}
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one that wraps ErrMalformed and says %q", line, err, want)
		}
	}
}
