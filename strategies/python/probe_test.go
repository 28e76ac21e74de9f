package python

import (
	"testing"

	"github.com/parbench/parbench/internal/protocol"
)

// some does what takes long enough for every task to be stamped, on any machine and in any build.
const some = `
KIND = "mixed"


def task(i, params):
    return sum(range(100_000 + i))
`

// A probed batch has a stamp for each of its tasks under every strategy, from as many workers as there are at most, and the
// digest of the others, or it would have failed. Impossible figures are refused by the reader.
func TestProbedBatches(t *testing.T) {
	in := pythonHere(t)
	path := file(t, "some.py", some)
	asyncio := struct {
		strategy string
		params   map[string]string
	}{strategy: "py-asyncio"}
	for _, v := range append(variants(), asyncio) {
		t.Run(variantName(v.strategy, v.params), func(t *testing.T) {
			tr := start(t, in, path)
			tr.send(cell("some", v.strategy, func(r *protocol.Run) {
				r.StrategyParams, r.Tasks, r.Digests, r.ProbeNS = v.params, 12, nil, 1
			}))
			got := tr.finish()
			p := got["probe"].Probe
			if p == nil {
				t.Fatalf("no probe among %+v", got)
			}
			workers, n := 2, 12
			if v.strategy == "py-sequential" { // whose long batches are cut
				workers, n = 1, p.Tasks
			}
			if p.Tasks != n || n < 1 || p.Workers != workers || p.WallNS <= 0 || p.StampNS <= 0 || len(p.Begin) != n || len(p.Worker) != n {
				t.Errorf("probe %+v", p)
			}
			if (p.TransferNS > 0) != messages(v.strategy, v.params) {
				t.Errorf("messages cost %d ns of %d workers' %d ns", p.TransferNS, workers, p.WallNS)
			}
			if (len(p.Unseen) > 0) != (v.strategy == "py-asyncio") {
				t.Errorf("not observed: %+v", p.Unseen)
			}
			if d := got["done"].Done; d == nil || d.CloseNS <= 0 || d.UntimedNS < d.CloseNS+p.WallNS {
				t.Errorf("done %+v after a probed batch of %d ns", d, p.WallNS)
			}
		})
	}
}

// messages reports whether tasks travel under a strategy.
func messages(strategy string, params map[string]string) bool {
	return strategy == "py-pool" || strategy == "py-executor" && params["kind"] != "thread"
}

// Of tasks that take no time only some can be stamped, however slow the machine: a batch has no room for more.
func TestProbedBatchesOfShortTasks(t *testing.T) {
	tr := start(t, pythonHere(t), "")
	tr.send(cell("empty", "py-threads", func(r *protocol.Run) { r.Tasks, r.Digests, r.ProbeNS = 140_000, nil, 1 }))
	p := tr.finish()["probe"].Probe
	if p == nil {
		t.Fatal("no probe")
	}
	if len(p.Begin) < 1 || len(p.Begin) > protocol.MaxStamps {
		t.Errorf("%d of %d tasks that do nothing were stamped", len(p.Begin), p.Tasks)
	}
}
