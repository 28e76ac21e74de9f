package trial

import (
	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/strategies/multiproc"
	"github.com/parbench/parbench/workloads"
)

// takeOverWorker tells the worker processes of the process strategies where workloads are looked up; in such a process
// it does not return.
func takeOverWorker(reg *workloads.Registry) {
	strategies.UseWorkloads(reg)
	multiproc.Main()
}
