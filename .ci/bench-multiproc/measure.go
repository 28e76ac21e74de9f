package main

import (
	"context"
	"fmt"
	"time"

	"github.com/parbench/parbench/results/stat"
)

// values are the figures of one measurement by name, "" where there is one only: a second's count, or seconds.
type values map[string]float64

// job measures something on multiproc's side, in a process of its own. partner are the CPUs of the process that it
// starts, if it starts one that has a place.
type job func(ctx context.Context, partner []int) (values, error)

// jobs are multiproc's measurements. Those of peer.py that have the same name do the same in Python.
func jobs() map[string]job {
	all := make(map[string]job)
	for _, set := range []map[string]job{startJobs(), poolJobs(), flowJobs(), sharedJobs(), managerJobs()} {
		for name, j := range set {
			all[name] = j
		}
	}
	return all
}

// How long a measurement takes. The machine's own noise is in the differences between processes, not within one.
const (
	warmTime    = 30 * time.Millisecond
	measureTime = 100 * time.Millisecond
)

// rate returns how many items a second f does, which does n at a time.
func rate(n int, f func() error) (float64, error) {
	if _, err := rateFor(warmTime, n, f); err != nil {
		return 0, err
	}
	return rateFor(measureTime, n, f)
}

func rateFor(d time.Duration, n int, f func() error) (float64, error) {
	for items, start := 0, time.Now(); ; {
		if err := f(); err != nil {
			return 0, err
		}
		items += n
		if took := time.Since(start); took >= d {
			return float64(items) / took.Seconds(), nil
		}
	}
}

// trips is rate for round trips: 64 of them between two looks at the clock, which costs as much as a fast one.
func trips(f func() error) (float64, error) {
	const n = 64
	return rate(n, func() error {
		for range n {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	})
}

// one is the result of a job with a single figure.
func one(v float64, err error) (values, error) {
	if err != nil {
		return nil, err
	}
	return values{"": v}, nil
}

// timed returns how long f takes, in seconds.
func timed(f func() error) (float64, error) {
	start := time.Now()
	err := f()
	return time.Since(start).Seconds(), err
}

// median returns the middle of the times that n calls of f give. Within one process that is a description, not a sample.
func median(n int, f func() (float64, error)) (float64, error) {
	all := make([]float64, n)
	for i := range all {
		var err error
		if all[i], err = f(); err != nil {
			return 0, fmt.Errorf("call %d: %w", i, err)
		}
	}
	return stat.Median(all)
}

// inTurn returns the median time of n calls of each function, which it makes in turn, so that what happens on the machine
// meanwhile happens to all of them.
func inTurn(n int, fs map[string]func() error) (values, error) {
	took := make(map[string][]float64)
	for range n + 1 {
		for name, f := range fs {
			d, err := timed(f)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			took[name] = append(took[name], d)
		}
	}
	v := make(values)
	for name, all := range took {
		var err error
		if v[name], err = stat.Median(all[1:]); err != nil { // the first call faults in what it needs
			return nil, err
		}
	}
	return v, nil
}
