package results

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// Split says where the time of a trial's probed batches went, in nanoseconds of the workers' time and summed over these
// batches. Start, Execution, Between, Idle and Join add up to Workers × Wall; docs/method.md says what each of them is.
// A split in which nothing was stamped only has Unseen.
type Split struct {
	Tasks       int   `json:"tasks"`                 // of each probed batch
	Batches     int   `json:"batches"`               // probed ones
	Workers     int   `json:"workers"`               // whose time is split
	WallNS      int64 `json:"wall_ns"`               // of the probed batches
	StartNS     int64 `json:"start_ns"`              // from a batch's begin to a worker's first task
	ExecutionNS int64 `json:"execution_ns"`          // in tasks
	BetweenNS   int64 `json:"between_ns"`            // of a worker, from one of its tasks to its next
	IdleNS      int64 `json:"idle_ns"`               // after a worker's last task, while others had some
	JoinNS      int64 `json:"join_ns"`               // from the end of the last task of all to the end of the batch
	TaskNS      int64 `json:"task_ns"`               // all tasks' own durations: more than Execution where more tasks than workers ran at once
	Stamped     int   `json:"stamped"`               // tasks that were timed
	ProbeNS     int64 `json:"probe_ns,omitempty"`    // what timing them took, about
	TransferNS  int64 `json:"transfer_ns,omitempty"` // of Start and Between: unpacking calls and packing answers; 0: not known
	// OwnWorkers says that it is known which worker ran a task.
	OwnWorkers bool     `json:"own_workers,omitempty"`
	Unseen     []Unseen `json:"unseen,omitempty"`
}

// Unseen is something that a program could not observe, and why.
type Unseen struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Observed reports whether the split says anything of the inside of a batch.
func (s *Split) Observed() bool { return s != nil && s.Stamped > 0 && s.WallNS > 0 }

// Parts returns the components that add up to Workers × Wall, in the order in which they stand above.
func (s *Split) Parts() [5]int64 {
	return [5]int64{s.StartNS, s.ExecutionNS, s.BetweenNS, s.IdleNS, s.JoinNS}
}

// check refuses a split that contradicts itself.
func (s *Split) check() error {
	if s == nil {
		return nil
	}
	if s.Tasks < 0 || s.Batches < 0 || s.Workers < 0 || s.Stamped < 0 {
		return fmt.Errorf("split of %d batches of %d tasks, %d stamped, and %d workers", s.Batches, s.Tasks, s.Stamped, s.Workers)
	}
	var sum int64
	parts := s.Parts()
	for _, v := range append(parts[:], s.WallNS, s.TaskNS, s.ProbeNS, s.TransferNS) {
		if v < 0 {
			return fmt.Errorf("a component of the split, %d ns, is negative", v)
		}
	}
	for _, v := range parts {
		if v > math.MaxInt64-sum {
			return errors.New("the split adds up to more than 2^63 ns")
		}
		sum += v
	}
	if hi, lo := bits.Mul64(uint64(s.Workers), uint64(s.WallNS)); s.Stamped > 0 && (hi != 0 || lo != uint64(sum)) {
		return fmt.Errorf("the split adds up to %d ns, not to the time of %d workers in %d ns", sum, s.Workers, s.WallNS)
	}
	return nil
}
