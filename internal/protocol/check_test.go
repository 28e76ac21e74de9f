package protocol

import (
	"errors"
	"strings"
	"testing"
)

// A program that reports what cannot be fails by it; the reader can go on.
func TestImpossibleFiguresAreRefused(t *testing.T) {
	for line, want := range map[string]string{
		`{"type":"ready","ready":{"setup_ns":-1}}`:                                                                                      "setup_ns -1 is negative",
		`{"type":"batches","batches":{"warmup_ns":[3,-1]}}`:                                                                             "batch of -1 ns",
		`{"type":"batches","batches":{"wall_ns":[-2]}}`:                                                                                 "batch of -2 ns",
		`{"type":"done","done":{"untimed_ns":-1}}`:                                                                                      "untimed_ns -1 is negative",
		`{"type":"usage","usage":{"cpu_ns":-1}}`:                                                                                        "cpu_ns -1",
		`{"type":"usage","usage":{"wall_ns":-1}}`:                                                                                       "wall_ns -1",
		`{"type":"usage","usage":{"peak_bytes":-1}}`:                                                                                    "peak_bytes -1",
		`{"type":"usage","usage":{"pss_bytes":-1}}`:                                                                                     "pss_bytes -1",
		`{"type":"usage","usage":{"processes":-1}}`:                                                                                     "processes -1",
		`{"type":"usage","usage":{"gc_pause_ns":-1}}`:                                                                                   "gc_pause_ns -1",
		`{"type":"usage","usage":{"cpu_ns":9223372036854775807,"wall_ns":1}}`:                                                           "more than 65536 CPUs",
		`{"type":"usage","usage":{"cpu_ns":9223372036854775807,"wall_ns":999999999999}}`:                                                "more than 65536 CPUs",
		`{"type":"done","done":{"close_ns":-1}}`:                                                                                        "close_ns -1",
		`{"type":"probe","probe":{"tasks":0,"workers":1}}`:                                                                              "of 0 tasks",
		`{"type":"probe","probe":{"tasks":1,"workers":0}}`:                                                                              "with 0 workers",
		`{"type":"probe","probe":{"tasks":1,"workers":1,"wall_ns":-1}}`:                                                                 "impossible duration",
		`{"type":"probe","probe":{"tasks":1,"workers":1,"wall_ns":99999999999999999}}`:                                                  "at most 70368744177664",
		`{"type":"probe","probe":{"tasks":1,"workers":1073741824,"wall_ns":70368744177664}}`:                                            "70368744177664 ns with 1073741824 workers",
		`{"type":"probe","probe":{"tasks":1,"workers":1,"stamp_ns":-1}}`:                                                                "impossible duration",
		`{"type":"probe","probe":{"tasks":1,"workers":1,"wall_ns":9,"begin_ns":[1]}}`:                                                   "1 begins, 0 ends",
		`{"type":"probe","probe":{"tasks":2,"workers":1,"wall_ns":9,"begin_ns":[1,3],"end_ns":[2,4],"worker":[0]}}`:                     "1 workers of tasks",
		`{"type":"probe","probe":{"tasks":1,"workers":1,"wall_ns":9,"begin_ns":[1,1],"end_ns":[2,2]}}`:                                  "2 stamps of 1 tasks",
		`{"type":"probe","probe":{"tasks":1,"workers":1,"wall_ns":9,"begin_ns":[3],"end_ns":[2]}}`:                                      "from 3 to 2",
		`{"type":"probe","probe":{"tasks":1,"workers":1,"wall_ns":9,"begin_ns":[-1],"end_ns":[2]}}`:                                     "from -1 to 2",
		`{"type":"probe","probe":{"tasks":1,"workers":1,"wall_ns":9,"begin_ns":[1],"end_ns":[10]}}`:                                     "batch of 9 ns",
		`{"type":"probe","probe":{"tasks":1,"workers":2,"wall_ns":9,"begin_ns":[1],"end_ns":[2],"worker":[2]}}`:                         "worker 2 of 2",
		`{"type":"probe","probe":{"tasks":1,"workers":1,"unseen":[{"what":"","why":"x"}]}}`:                                             "empty",
		`{"type":"probe","probe":{"tasks":1,"workers":1,"unseen":[{"what":"x","why":"` + strings.Repeat("y", 501) + `"}]}}`:             "longer than 500",
		`{"type":"probe","probe":{"tasks":1,"workers":1,"unseen":[` + strings.Repeat(`{"what":"x"},`, 16) + `{"what":"x"}]}}`:           "17 things",
		`{"type":"probe","probe":{"tasks":2,"workers":1,"wall_ns":9,"begin_ns":[1],"end_ns":[2],"worker":[0],"unseen":[{"what":"x"}]}}`: "",
		`{"type":"usage","usage":{"cpu_ns":40100200,"wall_ns":20400500}}`:                                                               "",
		`{"type":"usage","usage":{"cpu_ns":7,"ctx_forced":-1,"faults_minor":-1}}`:                                                       "",
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
