package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// session is one conversation with the harness. The goroutine that reads requests outlives everything else: the end of
// its input is how the process learns that the harness is gone.
type session struct {
	program  Program
	out      *protocol.Writer
	requests chan arrival
	gone     chan struct{} // closed at the end of the input, where that is not deadly
	untimed  atomic.Int64  // nanoseconds of the program's own work outside set-up and batches
	closing  atomic.Int64  // nanoseconds that ending the strategy took

	mu      sync.Mutex
	last    bool // the last record was sent: nothing may follow, and the end of input means nothing any more
	orderly bool // the end of input asks for an orderly end (serve)
}

// spent adds the time since begin to the program's own work outside set-up and batches.
func (s *session) spent(begin time.Time) { s.untimed.Add(time.Since(begin).Nanoseconds()) }

// arrival is a request, or why the next line was none.
type arrival struct {
	protocol.Request
	err error
}

func newSession(p Program, in io.Reader, out io.Writer) *session {
	s := &session{
		program: p, out: protocol.NewWriter(out),
		requests: make(chan arrival, 4), gone: make(chan struct{}),
	}
	go s.listen(protocol.NewReader(in))
	return s
}

// listen passes on requests until the input ends. It never waits for the receiver: a harness that sends more than the
// program asked for must not keep it from seeing the end.
func (s *session) listen(r *protocol.Reader) {
	for {
		q, err := r.Request()
		if err != nil && !errors.Is(err, protocol.ErrMalformed) && !errors.Is(err, protocol.ErrLineTooLong) {
			s.lifelineEnded()
			return
		}
		select {
		case s.requests <- arrival{q, err}:
		default:
			s.end(badRequest("more requests than the protocol allows: send one, then \"go\" after \"ready\""))
			os.Exit(1)
		}
		if errors.Is(err, protocol.ErrLineTooLong) {
			return // the reader cannot go on; the request above ends the session
		}
	}
}

// lifelineEnded ends the process, and whatever its tasks have started, unless an orderly end is under way.
func (s *session) lifelineEnded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.last:
	case s.orderly:
		close(s.gone)
	default:
		die()
	}
}

// die ends this process at once, and the groups that it has started. Where it leads its group the whole group goes with
// it; where it does not, the group belongs to somebody else.
func die() {
	spawn.KillAll()
	if pid := os.Getpid(); syscall.Getpgrp() == pid {
		// The error changes nothing: the next line ends the process in any case.
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
	os.Exit(1)
}

// send writes a record. A harness that cannot be written to is gone.
func (s *session) send(r protocol.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last {
		return
	}
	s.write(r)
}

func (s *session) write(r protocol.Record) {
	err := s.out.Send(r)
	if errors.Is(err, protocol.ErrLineTooLong) {
		panic(err) // every record is bounded where it is made
	}
	if err != nil {
		die()
	}
}

// end sends the last record, "done" or "error", and returns the exit status. Only the first call has an effect.
func (s *session) end(err error) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, status := protocol.Record{Type: "done", Done: &protocol.Done{UntimedNS: s.untimed.Load(), CloseNS: s.closing.Load()}}, 0
	if err != nil {
		r, status = protocol.Record{Type: "error", Error: errorRecord(err)}, 1
	}
	if !s.last {
		s.write(r)
		s.last = true
	}
	return status
}

// ended reports whether the last record was sent.
func (s *session) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// serve answers one request and returns the exit status.
func (s *session) serve(received time.Time) int {
	q, err := s.next("describe", "run", "serve")
	if err != nil {
		return s.end(err)
	}
	switch {
	case q.Op == "describe":
		if err := s.program.lacks(); err != nil {
			return s.end(err)
		}
		s.send(protocol.Record{Type: "description", Describe: s.program.describe()})
		return s.end(nil)
	case q.Op == "run" && q.Run != nil:
		return s.run(received, *q.Run)
	case q.Op == "serve" && q.Serve != nil:
		return s.fixture(*q.Serve)
	default:
		return s.end(badRequest("request %q without its field %q", q.Op, q.Op))
	}
}

// next waits for a request with one of the given operations. There is no other way to end waiting than a line or the
// lifeline, and the lifeline ends the process.
func (s *session) next(ops ...string) (protocol.Request, error) {
	a := <-s.requests
	if a.err != nil {
		return a.Request, badRequest("request not understood: %w; send one JSON object per line, as docs/protocol.md says", a.err)
	}
	if a.Protocol != protocol.Version {
		return a.Request, badRequest("protocol version %d: this program speaks version %d; build it with the parbench that starts it",
			a.Protocol, protocol.Version)
	}
	for _, op := range ops {
		if a.Op == op {
			return a.Request, nil
		}
	}
	return a.Request, badRequest("operation %q: expected one of %q", a.Op, ops)
}

// fixture starts a fixture, tells where it listens and stops it when the harness closes the lifeline.
func (s *session) fixture(q protocol.Serve) int {
	f, ok := s.program.Workloads.Fixture(q.Fixture)
	if !ok {
		return s.end(badRequest("unknown fixture %q: a workload's description names the one it needs", q.Fixture))
	}
	s.mu.Lock()
	s.orderly = true // before the start: what it has begun must be removed even if the harness is gone by then
	s.mu.Unlock()
	addr, stop, err := f.Serve(context.Background())
	if err != nil {
		return s.end(failed(protocol.ErrSetup, fmt.Errorf("start fixture %q: %w", q.Fixture, err)))
	}
	s.sendServing(addr)
	<-s.gone
	if err := stop(); err != nil {
		return complain(fmt.Errorf("stop fixture %q: %w", q.Fixture, err))
	}
	return 0
}

// sendServing does not die when the harness is gone already: the fixture has to be stopped first.
func (s *session) sendServing(addr string) {
	rec := protocol.Record{Type: "serving", Serving: &protocol.Serving{Pid: os.Getpid(), Addr: addr}}
	if err := s.out.Send(rec); err != nil {
		complain(fmt.Errorf("send the fixture's address: %w", err))
	}
}
