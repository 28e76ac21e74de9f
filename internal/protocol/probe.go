package protocol

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// MaxStamps is the most tasks of a probed batch that are stamped.
const MaxStamps = 65_536

// Bounds of what a program says it could not observe.
const (
	maxUnseen     = 16
	maxUnseenText = 500 // bytes
	// maxWorkers is more workers than a batch can have tasks, and maxProbed longer than any batch: 19 hours.
	maxWorkers = 1 << 30
	maxProbed  = 1 << 46
)

// Probe is one batch that ran under a probe, after the measured ones: when each task, or a part of them, began and ended.
// The harness works out from it where the workers' time went. Times are from the batch's begin.
type Probe struct {
	Tasks   int   `json:"tasks"`
	Workers int   `json:"workers"` // whose time the batch had: those that can run a task at the same time
	WallNS  int64 `json:"wall_ns"`
	// StampNS is what stamping a task costs, and ClockNS by how much a stamped task seems longer than it is: about one
	// reading of the clock.
	StampNS int64 `json:"stamp_ns,omitempty"`
	ClockNS int64 `json:"clock_ns,omitempty"`
	// Begin and End are those of the stamped tasks, in any order.
	Begin []int64 `json:"begin_ns,omitempty"`
	End   []int64 `json:"end_ns,omitempty"`
	// Worker says which worker ran each of them, from 0; absent: not known.
	Worker []int `json:"worker,omitempty"`
	// TransferNS is what the workers spent on unpacking calls and packing answers, outside of the tasks; 0: not known.
	TransferNS int64 `json:"transfer_ns,omitempty"`
	// Unseen is what this program cannot see of the strategy.
	Unseen []Unseen `json:"unseen,omitempty"`
}

// Unseen is something that was not observed, and why, for people.
type Unseen struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

func (p *Probe) check() error {
	switch {
	case p.Tasks < 1:
		return fmt.Errorf("a probed batch of %d tasks", p.Tasks)
	case p.Workers < 1 || p.Workers > maxWorkers:
		return fmt.Errorf("a probed batch with %d workers", p.Workers)
	case p.WallNS > maxProbed:
		return fmt.Errorf("a probed batch of %d ns: at most %d", p.WallNS, int64(maxProbed))
	case p.WallNS < 0 || p.StampNS < 0 || p.StampNS > maxProbed || p.ClockNS < 0 || p.TransferNS < 0:
		return errors.New("a probed batch with an impossible duration")
	case len(p.Begin) != len(p.End) || p.Worker != nil && len(p.Worker) != len(p.Begin):
		return fmt.Errorf("a probed batch with %d begins, %d ends and %d workers of tasks", len(p.Begin), len(p.End), len(p.Worker))
	case len(p.Begin) > p.Tasks || len(p.Begin) > MaxStamps:
		return fmt.Errorf("%d stamps of %d tasks: at most %d", len(p.Begin), p.Tasks, min(p.Tasks, MaxStamps))
	case len(p.Unseen) > maxUnseen:
		return fmt.Errorf("%d things that were not seen: at most %d", len(p.Unseen), maxUnseen)
	}
	if hi, lo := bits.Mul64(uint64(p.Workers), uint64(p.WallNS)); hi != 0 || lo > math.MaxInt64 {
		return fmt.Errorf("a probed batch of %d ns with %d workers", p.WallNS, p.Workers)
	}
	for i, b := range p.Begin {
		if b < 0 || p.End[i] < b || p.End[i] > p.WallNS {
			return fmt.Errorf("a task from %d to %d ns in a probed batch of %d ns", b, p.End[i], p.WallNS)
		}
		if p.Worker != nil && (p.Worker[i] < 0 || p.Worker[i] >= p.Workers) {
			return fmt.Errorf("worker %d of %d in a probed batch", p.Worker[i], p.Workers)
		}
	}
	for _, u := range p.Unseen {
		if u.What == "" || len(u.What) > maxUnseenText || len(u.Why) > maxUnseenText {
			return fmt.Errorf("what was not seen has a text that is empty or longer than %d bytes", maxUnseenText)
		}
	}
	return nil
}
