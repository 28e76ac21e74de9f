package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"syscall"
	"time"

	"github.com/parbench/parbench/internal/limits"
	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/workloads"
)

// OfferError is the error of a program that speaks the trial protocol and has nothing to say that could be used: it refuses
// to describe itself, or describes what no plan could be made of.
type OfferError struct{ Err error }

func (e *OfferError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *OfferError) Unwrap() error { return e.Err }

// SilentError is the error of a program that did not say what it offers in time.
type SilentError struct {
	After time.Duration // how long it was given
	err   error
}

// Error names the program, and the last that it printed.
func (e *SilentError) Error() string { return e.err.Error() }

// errSilent is the cause of a program's end that did not answer in time.
var errSilent = errors.New("no answer")

// mostTalk is what a program may print before it says what it offers: none that speaks the protocol has more to say before
// the first statement of its main, and those that never end are told at once.
const mostTalk = 1 << 20

// errTalk is the cause of the end of a program that printed more than mostTalk and did not answer.
var errTalk = errors.New("no answer, and much else")

// Describe asks a program what it offers, and refuses a description that no plan could be made of. It waits for as long as
// the program's Patience.
func (p Program) Describe(ctx context.Context) (*protocol.Description, error) {
	limit := cmp.Or(p.Patience, describeTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errSilent)
	defer cancel()
	ctx, refuse := context.WithCancelCause(ctx)
	defer refuse(nil)
	s, err := startSession(p, nil, 0)
	if err != nil {
		return nil, limits.Explain(err, "")
	}
	defer s.end()
	s.tail.OnMore(mostTalk, func() { refuse(errTalk) })
	// One that has ended by now may have said something before.
	if err := s.send(protocol.Request{Op: "describe"}); err != nil && !errors.Is(err, syscall.EPIPE) {
		return nil, s.explain(err)
	}
	for {
		rec, err := s.next(ctx)
		switch {
		case errors.Is(err, errSilent):
			return nil, &SilentError{limit, s.instead(fmt.Sprintf("program %s did not answer within %v", p.Label, limit.Round(time.Second)))}
		case errors.Is(err, errTalk):
			return nil, s.instead(fmt.Sprintf("program %s did not answer, and printed more than %d MiB instead", p.Label, mostTalk>>20))
		case err != nil:
			return nil, s.explain(err)
		}
		switch rec.Type {
		case "description":
			if err := p.check(rec.Describe); err != nil {
				return nil, &OfferError{err}
			}
			return rec.Describe, nil
		case "error":
			return nil, &OfferError{fmt.Errorf("program %s: %s", p.Label, rec.message())}
		}
	}
}

// check refuses a description of another version, and one with names that a command line could not hold.
func (p Program) check(d *protocol.Description) error {
	switch {
	case d == nil:
		return fmt.Errorf("program %s sent a description without contents", p.Label)
	case d.Protocol != protocol.Version:
		return fmt.Errorf("program %s speaks version %d of the trial protocol, and this parbench version %d: build both from one release of parbench",
			p.Label, d.Protocol, protocol.Version)
	}
	for i, w := range d.Workloads {
		err := checkParams(w.Params)
		switch {
		case !validName.MatchString(w.Name) && w.Kind != string(workloads.Command): // nobody has to write a command's name
			err = errName
		case slices.ContainsFunc(d.Workloads[:i], func(o protocol.Workload) bool { return o.Name == w.Name }):
			err = errTwice
		case !slices.Contains([]workloads.Kind{workloads.CPU, workloads.Memory, workloads.IO, workloads.Mixed, workloads.Command}, workloads.Kind(w.Kind)):
			err = fmt.Errorf("its kind %q is none of cpu, memory, io, mixed and command", w.Kind)
		}
		if err != nil {
			return fmt.Errorf("program %s: workload %q: %w", p.Label, w.Name, err)
		}
	}
	for i, x := range d.Strategies {
		err := checkParams(x.Params)
		switch {
		case !validName.MatchString(x.Name):
			err = errName
		case slices.ContainsFunc(d.Strategies[:i], func(o protocol.Strategy) bool { return o.Name == x.Name }):
			err = errTwice
		}
		if err != nil {
			return fmt.Errorf("program %s: strategy %q: %w", p.Label, x.Name, err)
		}
	}
	return nil
}

// validName is what -w, -s, -L and -P can hold: no separator of theirs, no pattern, and no blank.
var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

var (
	errName  = errors.New("a name is made of letters, digits, - and _, and begins with a letter or digit")
	errTwice = errors.New("it is described twice")
)

func checkParams(ps []protocol.Param) error {
	for i, p := range ps {
		spec := paramSpecs(ps[i : i+1])[0]
		switch {
		case !validName.MatchString(p.Name):
			return fmt.Errorf("parameter %q: %w", p.Name, errName)
		case slices.ContainsFunc(ps[:i], func(o protocol.Param) bool { return o.Name == p.Name }):
			return fmt.Errorf("parameter %s: %w", p.Name, errTwice)
		case !slices.Contains([]workloads.ParamType{workloads.Int, workloads.Float, workloads.Duration, workloads.Bytes, workloads.Choice}, spec.Type):
			return fmt.Errorf("parameter %s: its type %q is none of int, float, duration, bytes and choice", p.Name, p.Type)
		case p.Default == "" && p.Auto == "":
			return fmt.Errorf("parameter %s: it has no default", p.Name)
		case p.Default == "":
			continue
		}
		if _, err := spec.Canonical(p.Default); err != nil {
			return fmt.Errorf("%w: its default has to be a value of its own", err)
		}
	}
	return nil
}
