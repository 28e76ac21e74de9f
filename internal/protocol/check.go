package protocol

import "fmt"

// check refuses figures that nothing can have cost, so that one program that reports them fails its own trial and not
// the file that the trial goes into. Switches and faults may be negative: they are differences of sums over processes.
func (r *Record) check() error {
	if r.Ready != nil && r.Ready.SetupNS < 0 {
		return fmt.Errorf("setup_ns %d is negative", r.Ready.SetupNS)
	}
	if r.Done != nil && r.Done.UntimedNS < 0 {
		return fmt.Errorf("untimed_ns %d is negative", r.Done.UntimedNS)
	}
	if r.Done != nil && r.Done.CloseNS < 0 {
		return fmt.Errorf("close_ns %d is negative", r.Done.CloseNS)
	}
	if b := r.Batches; b != nil {
		for _, list := range [2][]int64{b.Warmup, b.Wall} {
			for _, v := range list {
				if v < 0 {
					return fmt.Errorf("a batch of %d ns is negative", v)
				}
			}
		}
	}
	if r.Probe != nil {
		if err := r.Probe.check(); err != nil {
			return err
		}
	}
	if r.Usage != nil {
		return r.Usage.check()
	}
	return nil
}

// maxCPUs is more CPUs than a machine has.
const maxCPUs = 1 << 16

func (u *Usage) check() error {
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"cpu_ns", u.CPUNS}, {"wall_ns", u.WallNS}, {"peak_bytes", u.PeakBytes}, {"pss_bytes", u.PSSBytes},
		{"processes", int64(u.Processes)}, {"gc_cycles", int64(u.GCCycles)}, {"gc_pause_ns", u.GCPauseNS},
	} {
		if f.value < 0 {
			return fmt.Errorf("%s %d is negative", f.name, f.value)
		}
	}
	if u.WallNS > 0 && u.CPUNS/maxCPUs > u.WallNS {
		return fmt.Errorf("cpu_ns %d is more than %d CPUs can spend in a wall_ns of %d", u.CPUNS, maxCPUs, u.WallNS)
	}
	return nil
}
