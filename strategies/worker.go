package strategies

import (
	"sync/atomic"

	"github.com/parbench/parbench/workloads"
)

// processWorkloads is where worker processes look workloads up. It has to be global: a worker begins with nothing but
// the names of the registered functions, and what they do must be settled before the first job arrives.
var processWorkloads atomic.Pointer[workloads.Registry]

// UseWorkloads sets the registry in which this process, should it be a worker of process-pool or process-per-task,
// looks up the workload it is told to run. A program calls it before multiproc.Main; trial.Main does both.
func UseWorkloads(reg *workloads.Registry) { processWorkloads.Store(reg) }
