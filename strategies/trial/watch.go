package trial

import (
	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/workloads"
)

// watch stamps the tasks of measured batches. It is for commands alone: starting a process takes thousands of times as long as
// two readings of the clock, so that no further batch is needed, which would run the user's commands once more.
type watch struct {
	s     *session
	c     *cell
	probe *strategies.Probe
	off   strategies.Prober
	cost  cost
	began int64
	left  int // batches still to be watched
}

// mostWatched bounds the batches of a trial that are watched: what they say is added up.
const mostWatched = 100

// commands reports whether the tasks are processes of their own.
func (c *cell) commands() bool { return c.workload.Info().Kind == workloads.Command }

// watch returns what stamps the tasks of the measured batches, nil where that is not wanted, or there is nothing to see.
func (s *session) watch(c *cell, ex strategies.Executor) *watch {
	if c.ProbeNS <= 0 || !c.commands() {
		return nil
	}
	p, ok := ex.(strategies.Prober)
	switch {
	case c.Tasks == 1:
		s.unseen(c, "a batch is one command, whose time is all of the batch; the table has its user and system time")
		return nil
	case !ok:
		s.unseen(c, "the strategy has no probe (strategies.Prober)")
		return nil
	}
	w := &watch{s: s, c: c, probe: strategies.NewProbe(c.Tasks, (c.Tasks+protocol.MaxStamps-1)/protocol.MaxStamps), off: p, cost: stampCost(), left: mostWatched}
	if err := p.Probe(w.probe); err != nil {
		s.unseen(c, err.Error())
		return nil
	}
	return w
}

// begin comes right before a batch, end right after it.
func (w *watch) begin() {
	if w == nil || w.left == 0 {
		return
	}
	w.probe.Reset()
	w.began = strategies.Monotonic()
}

func (w *watch) end() {
	if w == nil || w.left == 0 {
		return
	}
	r := stamps(w.probe.Spans(), w.began, strategies.Monotonic(), w.c.capacity())
	r.Tasks, r.StampNS, r.ClockNS = w.c.Tasks, w.cost.stamp, w.cost.clock
	w.s.send(protocol.Record{Type: "probe", Probe: r})
	if w.left--; w.left == 0 {
		_ = w.off.Probe(nil) // it could be watched, so it need not be
	}
}
