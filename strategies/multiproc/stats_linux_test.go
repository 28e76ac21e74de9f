package multiproc

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What a pool says about its workers: pids and states, what waits where, what was lost.
func TestStats(t *testing.T) {
	p, ctx := newPool(t, gated, Workers(2), WithStderr(devNull(t))), ctxT(t)
	path := filepath.Join(t.TempDir(), "gate")
	idle := p.Stats()
	if len(idle.Each) != 2 || idle.Queued != 0 || idle.Running != 0 {
		t.Fatalf("%+v", idle)
	}
	for i, w := range idle.Each {
		if w.Slot != i || w.Pid != idle.Pids[i] && w.Pid != idle.Pids[1-i] || w.State != WorkerIdle || w.Taken != 0 {
			t.Errorf("%+v", w)
		}
	}
	slot := slotOf(1, 2)
	var futs []*Future[int]
	for range 5 {
		f, err := p.ApplyAsync(ctx, gate{path}, func(c *callOptions) { c.affinity = 1 })
		if err != nil {
			t.Fatal(err)
		}
		futs = append(futs, f)
	}
	s := p.Stats()
	busy, free := s.Each[slot], s.Each[1-slot]
	if busy.State != WorkerBusy || busy.Running+busy.Bound != 5 || busy.Bound != s.Queued || free.State != WorkerIdle || free.Bound != 0 {
		t.Errorf("%+v", s)
	}
	if err := write(path, "x"); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for _, f := range futs {
		var err error
		if pid, err = f.Get(ctx); err != nil || pid != busy.Pid {
			t.Error(pid, err)
		}
	}
	if w := p.Stats().Each[slot]; w.Taken != 5 || w.State != WorkerIdle {
		t.Errorf("%+v", w)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a successor", func() bool {
		s := p.Stats()
		return s.Crashes == 1 && s.Restarts == 1 && s.Each[slot].State == WorkerIdle && s.Each[slot].Pid != pid && s.Each[slot].Taken == 0
	})
	if err := p.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if s := p.Stats(); s.Workers != 0 || len(s.Each) != 0 {
		t.Errorf("%+v", s)
	}
}

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Events go to log/slog as they are.
func TestEventsAsLog(t *testing.T) {
	var out lockedBuffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	p, ctx := newPool(t, crash, Workers(1), WithStderr(devNull(t)),
		OnEvent(func(e Event) { log.Info(e.Kind.String(), e.Attrs()...) })), ctxT(t)
	if _, err := p.Apply(ctx, order{Do: "exit", N: 3}); err == nil {
		t.Error("no crash")
	}
	if err := p.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	for _, want := range []string{`msg="worker started" slot=0 pid=`, `msg="worker lost" slot=0 pid=`, `err="worker process `} {
		eventually(t, want, func() bool { return strings.Contains(out.String(), want) })
	}
}

// Without shared memory nothing goes to a worker behind a call with a clock: it might begin just before the worker is killed
// for that one, and would be lost.
func TestNothingBehindATimeout(t *testing.T) {
	p, ctx := newPool(t, gated, Workers(1), pipesOnly), ctxT(t)
	path := filepath.Join(t.TempDir(), "gate")
	p.f.mu.Lock()
	p.f.workers[0].limit = 10 // as after many short calls
	p.f.mu.Unlock()
	var futs []*Future[int]
	for i, opts := range [][]CallOption{nil, {Timeout(time.Hour)}, nil} {
		f, err := p.ApplyAsync(ctx, gate{path}, opts...)
		if err != nil {
			t.Fatal(err)
		}
		futs = append(futs, f)
		if s, sent := p.Stats(), min(i+1, 2); s.Running != sent || s.Queued != i+1-sent {
			t.Errorf("after %d calls: %+v", i+1, s)
		}
	}
	if err := write(path, "x"); err != nil {
		t.Fatal(err)
	}
	if err := WaitAll(ctx, futs...); err != nil {
		t.Error(err)
	}
}
