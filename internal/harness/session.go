package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/parbench/parbench/internal/capture"
	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

const (
	describeTimeout = 30 * time.Second
	// exitGrace is how long a program may take to exit after "done" before its group is killed.
	exitGrace = 2 * time.Second
	// orderlyGrace is how long an orderly program may take to end what it has started, when it is to be killed.
	orderlyGrace = time.Second
	// stderrTail is how much of a program's output is kept.
	stderrTail = 4 << 10
)

// session is one program process, from its start until every member of its group is reaped. Not safe for concurrent use.
type session struct {
	program Program
	child   *spawn.Child
	records *protocol.Reader
	writer  *protocol.Writer
	tail    *capture.Tail
	started time.Time
	ended   bool
	state   spawn.State
	// group, if any, holds every process of the trial, those that left the process group included.
	group *trialGroup
}

// startSession starts a program on the given CPUs (nil: inherited) with GOMAXPROCS (0: inherited).
func startSession(p Program, cpus []int, maxprocs int) (*session, error) {
	return start(p, spawn.Command{CPUs: cpus, Env: trialEnv(p.Env, maxprocs)})
}

// startTrial starts a program in the trials' control group, if there is one.
func startTrial(l launch) (*session, error) {
	cmd := spawn.Command{CPUs: l.cpus, Env: trialEnv(l.program.Env, l.maxprocs), NoDeathSignal: l.program.Orderly}
	if l.group != nil {
		cmd.ControlGroup = l.group.dir
	}
	s, err := start(l.program, cmd)
	if err == nil {
		s.group = l.group
	}
	return s, err
}

// startFixture starts a program that is to serve a fixture. Only its lifeline ends it, not a signal, so that it can remove
// what it made even when the harness was killed.
func startFixture(p Program, cpus []int) (*session, error) {
	return start(p, spawn.Command{CPUs: cpus, Env: trialEnv(p.Env, 0), NoDeathSignal: true})
}

func start(p Program, cmd spawn.Command) (*session, error) {
	s := &session{program: p}
	if err := adopt(); err != nil {
		return nil, err
	}
	out, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start program %s: %w", p.Label, err)
	}
	s.started = time.Now()
	cmd.Path, cmd.Args = p.Path, append([]string{cmp.Or(p.Name, p.Path)}, p.Args...)
	cmd.Stdout, cmd.Stderr, cmd.NewGroup, cmd.Protocol = w, w, true, true
	s.child, err = spawn.Start(cmd)
	w.Close()
	if err != nil {
		out.Close()
		return nil, fmt.Errorf("start program %s: %w", p.Label, err)
	}
	s.tail = capture.Read(out, stderrTail, nil, p.Output)
	s.records, s.writer = protocol.NewReader(&answers{f: s.child.Out}), protocol.NewWriter(s.child.In)
	go func() {
		<-s.child.Done()
		s.listened()
	}()
	return s, nil
}

// listened ends the wait for records: of a program that has ended, or been killed, there is nothing to come beyond what it
// has written.
func (s *session) listened() {
	_ = s.child.Out.SetReadDeadline(time.Unix(1, 0)) // long ago
}

// trialEnv is the inherited environment with the cookie, less what would change what is measured behind the user's back.
func trialEnv(extra []string, maxprocs int) []string {
	env := []string{protocol.Cookie + "=" + protocol.CookieValue}
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if name == "GOMAXPROCS" || strings.HasPrefix(name, "PARBENCH_") {
			continue
		}
		env = append(env, kv)
	}
	if maxprocs > 0 {
		env = append(env, fmt.Sprintf("GOMAXPROCS=%d", maxprocs))
	}
	return append(env, extra...)
}

func (s *session) send(r protocol.Request) error {
	r.Protocol = protocol.Version
	return s.writer.Send(&r)
}

// record is a protocol record with helpers for those who read it.
type record struct{ protocol.Record }

func (r record) message() string {
	if r.Error == nil {
		return "error record without a message"
	}
	return r.Error.Message
}

// next waits for the next record. When ctx ends, the whole group is killed and the error wraps the cause. When the program
// has ended without another record, the error is io.EOF, whoever else may still hold its end of the pipe.
func (s *session) next(ctx context.Context) (record, error) {
	stop := context.AfterFunc(ctx, func() {
		s.kill()
		s.listened() // it may be stuck in the kernel
	})
	rec, err := s.records.Record()
	stop()
	if err != nil && ctx.Err() != nil {
		return record{}, context.Cause(ctx)
	}
	return record{rec}, err
}

// kill ends the program and all of its group. One that can see to it itself gets a moment for that.
func (s *session) kill() {
	if s.program.Orderly {
		s.child.In.Close()
		grace, cancel := context.WithTimeout(context.Background(), orderlyGrace)
		defer cancel()
		_, _ = s.child.Wait(grace)
	}
	_ = s.child.Kill()
}

// end closes the lifeline, lets the program exit, kills what is left of its group and reaps all of it. Idempotent.
func (s *session) end() {
	if s.ended {
		return
	}
	s.ended = true
	s.child.In.Close()
	grace, cancel := context.WithTimeout(context.Background(), exitGrace)
	defer cancel()
	_, _ = s.child.Wait(grace)
	_ = s.child.Kill()
	reap, cancelReap := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancelReap()
	s.state, _ = s.child.Wait(reap)
	_ = s.child.Reap(reap)
	sweep(s.child, s.group)
	s.child.Out.Close()
	s.tail.Close()
}

// output returns the end of what the program wrote to stdout and stderr. Call it after end.
func (s *session) output() string { return s.tail.String() }

// explain ends the session and turns a broken conversation into an error that says how the program ended, or what it said
// that is no protocol; then it is not worth waiting for.
func (s *session) explain(err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.EPIPE) {
		s.kill()
		return s.instead(fmt.Sprintf("program %s: %v", s.program.Label, err))
	}
	s.end()
	return s.instead(fmt.Sprintf("program %s %s without answering", s.program.Label, exitText(s.state)))
}

// instead ends the session and adds to msg the last that the program printed.
func (s *session) instead(msg string) error {
	s.end()
	if out := s.output(); out != "" {
		msg += "; its last output: " + clip(gist(out), maxReason)
	}
	return errors.New(msg)
}

func exitText(st spawn.State) string {
	switch {
	case st.Signal != 0:
		return "was ended by signal " + fmt.Sprint(int(st.Signal)) + " (" + st.Signal.String() + ")"
	default:
		return fmt.Sprintf("exited with status %d", st.Code)
	}
}

// gist is the line of a program's output that says most: where Go's runtime ended it, why, else the last one.
func gist(s string) string {
	if line := panicLine(s); line != "" {
		return line
	}
	s = strings.TrimRight(s, "\n")
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// panicLine is the line in which Go's runtime says why it ended a program, or "". The end of such an output is a stack.
func panicLine(s string) string {
	for line := range strings.Lines(s) {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return strings.TrimRight(line, "\n")
		}
	}
	return ""
}
