package harness

import (
	"context"
	"fmt"
	"time"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/internal/protocol"
)

// fixtures are the services of one run, started once and living until close.
type fixtures struct {
	sessions map[string]*session
	addrs    map[string]string
	cpu      func(pid int) time.Duration
}

// startFixtures starts each named fixture as a process of the program.
func startFixtures(ctx context.Context, p Program, names []string, place Placement) (*fixtures, error) {
	f := &fixtures{sessions: map[string]*session{}, addrs: map[string]string{}, cpu: host.ProcessCPU}
	for _, name := range names {
		if f.sessions[name] != nil {
			continue
		}
		s, err := startSession(p, place.Fixture, 0)
		if err != nil {
			f.close()
			return nil, fmt.Errorf("fixture %s: %w", name, err)
		}
		f.sessions[name] = s
		if err := f.serve(ctx, s, name); err != nil {
			f.close()
			return nil, fmt.Errorf("fixture %s: %w", name, err)
		}
	}
	return f, nil
}

func (f *fixtures) serve(ctx context.Context, s *session, name string) error {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	if err := s.send(protocol.Request{Op: "serve", Serve: &protocol.Serve{Fixture: name}}); err != nil {
		return s.explain(err)
	}
	rec, err := s.next(ctx)
	if err != nil {
		return s.explain(err)
	}
	if rec.Type != "serving" || rec.Serving == nil {
		return fmt.Errorf("%s", rec.message())
	}
	f.addrs[name] = rec.Serving.Addr
	return nil
}

// usage returns the CPU time that all fixtures have used so far.
func (f *fixtures) usage() time.Duration {
	var sum time.Duration
	for _, s := range f.sessions {
		sum += f.cpu(s.child.Pid())
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
