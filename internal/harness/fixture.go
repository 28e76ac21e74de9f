package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/internal/limits"
	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// fixtures are the services of one run, started once and living until close.
type fixtures struct {
	sessions map[string]*session
	addrs    map[string]string
	failed   map[string]error // those that could not be started
	// used is the last CPU time read of each: a process that has ended has no clock any more.
	used map[string]time.Duration
}

// startFixtures starts each named fixture as a process of the first program that has a workload with it. One that cannot be
// started fails the workloads that need it, and no others; the error is that of ctx.
func startFixtures(ctx context.Context, offers []Offer, names []string, place Placement) (*fixtures, error) {
	f := &fixtures{sessions: map[string]*session{}, addrs: map[string]string{}, failed: map[string]error{}, used: map[string]time.Duration{}}
	for _, name := range names {
		if f.sessions[name] != nil {
			continue
		}
		needs := func(o Offer) bool {
			return slices.ContainsFunc(o.Workloads, func(w protocol.Workload) bool { return w.Fixture == name })
		}
		from := max(0, slices.IndexFunc(offers, needs))
		s, err := startFixture(offers[from].Program, place.Fixture)
		if err == nil {
			err = f.serve(ctx, s, name)
		}
		if ctx.Err() != nil {
			f.close()
			return nil, context.Cause(ctx)
		}
		if err != nil {
			f.failed[name] = fmt.Errorf("fixture %s: %w", name, limits.Explain(err, ""))
		}
	}
	if len(f.sessions) > 0 {
		time.Sleep(spawn.Tick) // so that what a fixture has left to itself is not taken for a trial's (Child.EndOrphans)
	}
	return f, nil
}

func (f *fixtures) serve(ctx context.Context, s *session, name string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, describeTimeout, errSilent)
	defer cancel()
	if err := s.send(protocol.Request{Op: "serve", Serve: &protocol.Serve{Fixture: name}}); err != nil {
		return s.explain(err)
	}
	rec, err := s.next(ctx)
	switch {
	case errors.Is(err, errSilent):
		s.end()
		return fmt.Errorf("program %s did not serve it within %v", s.program.Label, describeTimeout)
	case err != nil:
		return s.explain(err)
	case rec.Type != "serving" || rec.Serving == nil:
		s.end()
		return errors.New(rec.message())
	}
	f.sessions[name], f.addrs[name] = s, rec.Serving.Addr
	return nil
}

// usage returns the CPU time that all fixtures have used so far.
func (f *fixtures) usage() time.Duration {
	var sum time.Duration
	for name, s := range f.sessions {
		f.used[name] = max(f.used[name], host.ProcessCPU(s.child.Pid()))
		sum += f.used[name]
	}
	return sum
}

// dead returns the name of a fixture that has ended, or "".
func (f *fixtures) dead() string {
	for name, s := range f.sessions {
		select {
		case <-s.child.Done():
			return name
		default:
		}
	}
	return ""
}

func (f *fixtures) close() {
	for _, s := range f.sessions {
		s.end()
	}
}
