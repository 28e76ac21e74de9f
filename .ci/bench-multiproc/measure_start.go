package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/parbench/parbench/.ci/bench-multiproc/work"
	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/strategies/multiproc"
)

func startJobs() map[string]job {
	return map[string]job{"start": startProcesses, "start-image": startFromImage, "start-small": startSmall, "pool": startPool,
		"idle": idlePool}
}

// starts is how many processes of each kind one measurement starts, in turn.
const starts = 40

// startProcesses starts and joins processes of this program, which is as heavy as parbench, and the tiny one in turn. It
// also starts this program without multiproc's part in it: "entry" ends where a process would begin its work.
func startProcesses(ctx context.Context, _ []int) (values, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	tiny := filepath.Join(filepath.Dir(self), "tiny")
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	kinds := map[string]func() error{
		"process": func() error {
			_, err := multiproc.Call(ctx, work.Nothing, struct{}{})
			return err
		},
		"tiny": func() error {
			p, err := os.StartProcess(tiny, []string{"tiny"}, &os.ProcAttr{Files: []*os.File{nil, nil, os.Stderr}})
			if err == nil {
				_, err = p.Wait()
			}
			return err
		},
		"entry": func() error { return startRefused(self, null) },
	}
	return inTurn(starts, kinds)
}

// startRefused starts a child of a protocol's version that does not exist, which its entry refuses.
func startRefused(self string, null *os.File) error {
	lifeline, end, err := os.Pipe()
	if err != nil {
		return err
	}
	defer lifeline.Close()
	defer end.Close()
	p, err := os.StartProcess(self, []string{self}, &os.ProcAttr{
		Files: []*os.File{nil, nil, null, lifeline, null},
		Env:   append(os.Environ(), "PARBENCH_MULTIPROC=0 process bench.nothing"),
	})
	if err != nil {
		return err
	}
	state, err := p.Wait()
	if err == nil && state.ExitCode() != 70 {
		err = fmt.Errorf("the child was to end at its entry with status 70, and ended with %v", state)
	}
	return err
}

// startSmall has the small program measure itself: what a process costs in a program that is not heavy.
func startSmall(ctx context.Context, _ []int) (values, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(self)
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "small"), filepath.Join(dir, "tiny"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("small: %w", err)
	}
	var v values
	return v, json.Unmarshal(out, &v)
}

// startFromImage does the same after a start image was made, which is not part of the measurement.
func startFromImage(ctx context.Context, cpus []int) (values, error) {
	if err := multiproc.StartImage(); err != nil {
		return nil, err
	}
	return startProcesses(ctx, cpus)
}

// startPool starts two workers, has each do something, and joins them.
func startPool(ctx context.Context, _ []int) (values, error) {
	return one(median(20, func() (float64, error) {
		return timed(func() error {
			p, err := multiproc.NewPool(ctx, work.Int, multiproc.Workers(2))
			if err != nil {
				return err
			}
			if _, err := p.Map(ctx, []int{1, 2}, multiproc.Chunk(1)); err != nil {
				return err
			}
			return p.Shutdown(ctx)
		})
	}))
}

// idlePool returns the CPU seconds a second that a pool takes which has worked and has nothing to do.
func idlePool(ctx context.Context, _ []int) (values, error) {
	p, err := multiproc.NewPool(ctx, work.Int, multiproc.Workers(2))
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.Terminate() }()
	if _, err := p.Map(ctx, ints(1000), multiproc.Chunk(1)); err != nil {
		return nil, err
	}
	used := func() (d time.Duration) {
		for _, pid := range append(p.Pids(), 0) { // 0 is this process
			d += host.ProcessCPU(pid)
		}
		return d
	}
	time.Sleep(100 * time.Millisecond) // the workers go to sleep, and the runtime's watchmen after them
	before, start := used(), time.Now()
	time.Sleep(2 * time.Second)
	return one((used()-before).Seconds()/time.Since(start).Seconds(), nil)
}
