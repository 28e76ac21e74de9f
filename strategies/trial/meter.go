package trial

import (
	"context"
	"os"
	"runtime"
	"time"

	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/strategies"
)

// meter is a reading of everything that only ever grows: two of them, and their difference is what the batches between
// them cost. What a system does not offer stays zero.
type meter struct {
	at           time.Time
	cpu          time.Duration // this process, its living workers and every child that was reaped
	ctxVoluntary int64
	ctxForced    int64
	faultsMinor  int64
	faultsMajor  int64
	gcCycles     uint32
	gcPause      time.Duration
}

// readMeter costs some ten microseconds per process: it is read right before the first and right after the last
// measured batch, never inside one.
func readMeter(ex strategies.Executor) meter {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	m := meter{gcCycles: mem.NumGC, gcPause: time.Duration(mem.PauseTotalNs)}
	m.readSelf()
	for _, pid := range workerPids(ex) {
		m.readWorker(pid)
	}
	m.at = time.Now()
	return m
}

func workerPids(ex strategies.Executor) []int {
	if p, ok := ex.(strategies.Pider); ok {
		return p.Pids()
	}
	return nil
}

type usage struct{ protocol.Usage }

// since returns what happened between two readings. A worker that ended in between is in the later reading as a reaped
// child with all of its life, and in the earlier one with what it had used by then, so the difference still holds.
func (m meter) since(before meter) usage {
	return usage{protocol.Usage{
		CPUNS:        (m.cpu - before.cpu).Nanoseconds(),
		WallNS:       m.at.Sub(before.at).Nanoseconds(),
		GCCycles:     int(m.gcCycles - before.gcCycles),
		GCPauseNS:    (m.gcPause - before.gcPause).Nanoseconds(),
		CtxVoluntary: m.ctxVoluntary - before.ctxVoluntary,
		CtxForced:    m.ctxForced - before.ctxForced,
		FaultsMinor:  m.faultsMinor - before.faultsMinor,
		FaultsMajor:  m.faultsMajor - before.faultsMajor,
	}}
}

// addMemory adds what the processes need and how many they are. The peak is the sum of each process's own high-water
// mark: getrusage's ru_maxrss is no use here, because a child inherits its parent's across exec.
func (u *usage) addMemory(ctx context.Context, ex strategies.Executor) {
	pids := append([]int{os.Getpid()}, workerPids(ex)...)
	u.Processes = len(pids)
	for _, pid := range pids {
		peak, pss := readMemory(pid)
		u.PeakBytes += peak
		u.PSSBytes += pss
	}
	if p, ok := ex.(strategies.ChildPeaker); ok {
		// Without it the sum is that of the processes that still live: less than the truth, and better than no trial.
		if peak, err := p.ChildPeak(ctx); err == nil {
			u.PeakBytes += peak
		}
	}
}

// take replaces what was seen of this process and its children by what the executor knows of its tasks, which ran for that
// many nanoseconds: between their batches other processes may have run.
func (u *usage) take(a strategies.Account, timed int64) {
	u.CPUNS, u.WallNS = (a.User + a.System).Nanoseconds(), timed
	u.UserNS, u.SystemNS, u.ShellNS = a.User.Nanoseconds(), a.System.Nanoseconds(), a.Shell.Nanoseconds()
	u.CtxVoluntary, u.CtxForced, u.FaultsMinor, u.FaultsMajor = a.CtxVoluntary, a.CtxForced, a.FaultsMinor, a.FaultsMajor
	u.PeakBytes, u.PeakBound, u.Exits = a.PeakBytes, a.PeakBound, a.Exits
	u.Processes, u.PSSBytes, u.GCCycles, u.GCPauseNS = 0, 0, 0, 0
}
