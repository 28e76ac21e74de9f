// Package claims observes, for every claim of results/analysis/claim, what really happens: under Python interpreters, by a
// probe program that is part of this package, and in Go, with strategies/multiproc. It measures and reports; the verdicts
// are results/analysis/claim's.
//
// A probe runs in a fresh process with a deadline, in a process group that is killed with all that it has started. Probes
// never run at the same time, because some of them measure time.
//
// Non-goals: rendering (report) and finding interpreters (strategies/python).
package claims

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/results/analysis/claim"
	"github.com/parbench/parbench/strategies/python"
)

// DefaultBudget is how long all probes of one subject may take together.
const DefaultBudget = 90 * time.Second

// probeLimit is how long one probe may take. The slowest takes about 7 s on two quiet cores.
const probeLimit = 30 * time.Second

// Options says what to check.
type Options struct {
	Claims  []claim.Claim
	Pythons []python.Interpreter
	// Budget bounds the time for each interpreter, and for Go; 0: DefaultBudget. What it does not suffice for is left undecided.
	Budget time.Duration
	// Progress, if not nil, is called before each probe.
	Progress func(Progress)
}

// Progress says which probe comes next.
type Progress struct {
	Done, Total int
	Claim       claim.Claim
	Subject     string
}

// Check observes and judges the claims, one after another, each under every interpreter and then in Go, so that what is
// compared lies close together in time. When ctx ends, the probe at hand is killed and what was not come to is left
// undecided; Report.Interrupted says so. The error is about the place for the probes' files, and comes before anything is observed.
func Check(ctx context.Context, opt Options) (*claim.Report, error) {
	if opt.Budget <= 0 {
		opt.Budget = DefaultBudget
	}
	rep := &claim.Report{Created: time.Now(), Environment: host.Open("").Environment()}
	rep.Environment.UsableCores = len(rep.Environment.UsableCPUs)
	files, err := unpack()
	if err != nil {
		return nil, err
	}
	defer files.remove()
	var subjects []subject
	for i, label := range python.Labels(opt.Pythons) {
		in := opt.Pythons[i]
		subjects = append(subjects, &interpreter{in: in, label: label, files: files})
	}
	subjects = append(subjects, golang{files})
	left := make([]time.Duration, len(subjects))
	for i := range left {
		left[i] = opt.Budget
	}
	watch := newWatch()
	for n, c := range opt.Claims {
		row := claim.Row{Claim: c}
		for i, s := range subjects {
			if ctx.Err() == nil && opt.Progress != nil {
				opt.Progress(Progress{Done: n*len(subjects) + i, Total: len(opt.Claims) * len(subjects), Claim: c, Subject: s.name()})
			}
			began := time.Now()
			f := observe(ctx, s, c, limits{left: left[i], budget: opt.Budget, probe: probeLimit})
			took := time.Since(began)
			f.Seconds = took.Seconds()
			left[i] -= took
			row.Findings = append(row.Findings, f)
		}
		rep.Rows = append(rep.Rows, row)
	}
	rep.Others = watch.others()
	for _, s := range subjects {
		rep.Subjects = append(rep.Subjects, s.subject())
	}
	rep.Interrupted = ctx.Err() != nil
	rep.Seconds = time.Since(rep.Created).Seconds()
	return rep, nil
}

// subject is somebody whose behaviour is observed.
type subject interface {
	name() string
	// look observes one claim. An error is for the reader: unavailable where there is nothing to be seen here, inapplicable
	// where there is not what the claim speaks of, any other one where the probe did not do its work.
	look(ctx context.Context, id string) (json.RawMessage, error)
	// subject describes it, best after it has been looked at.
	subject() claim.Subject
}

// unavailable is why a subject cannot show a claim, which is nobody's failure.
type unavailable struct{ why string }

func (u unavailable) Error() string { return u.why }

// inapplicable is why a claim says nothing about a subject.
type inapplicable struct{ why string }

func (i inapplicable) Error() string { return i.why }

// limits are how long a probe may take.
type limits struct {
	left   time.Duration // of the subject's time
	budget time.Duration // all of the subject's time, as the user chose it
	probe  time.Duration // for one that does its work
}

// spent is why a claim is left open when the time that the user gave is over, which is no failure.
func (l limits) spent(what string) claim.Finding {
	remedy := "give more with --budget"
	if l.left < l.budget {
		remedy += ", or name this claim alone"
	}
	return claim.Unable(fmt.Sprintf("the budget of %v %s; %s", l.budget, what, remedy))
}

// observe looks at one claim within the limits.
func observe(ctx context.Context, s subject, c claim.Claim, l limits) claim.Finding {
	if ctx.Err() != nil {
		return claim.Unable("interrupted before this could be observed")
	}
	if l.left < time.Second {
		return l.spent("for " + s.name() + " was used up by other claims")
	}
	limit := min(l.left, l.probe)
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	observed, err := s.look(bounded, c.ID)
	// What a probe says that was cut off is not looked at: it may have taken its own end for an observation.
	over := bounded.Err() != nil
	switch e := err.(type) { //nolint:errorlint // look returns them as they are
	case nil:
	case unavailable:
		return claim.Unable(e.why)
	case inapplicable:
		return claim.DoesNotApply(e.why)
	default:
	}
	killed := fmt.Sprintf("after %v, and was killed with all that it had started", limit.Round(time.Second))
	switch {
	case ctx.Err() != nil:
		return claim.Unable("interrupted while this was being observed")
	case over && limit < l.probe:
		return l.spent("for " + s.name() + " ended while this was being observed: the probe had not finished " + killed)
	case over:
		return claim.Failure("the probe had not finished " + killed)
	case err != nil:
		return claim.Failure(err.Error())
	}
	return c.Judge(s.subject(), observed)
}

// describe says what an interpreter is, and how it was found to run.
func describe(in python.Interpreter, seen *answer) string {
	name := in.Name
	if name == "python" {
		name = "CPython"
	}
	s := name + " " + in.Version
	if strings.Contains(in.Flags, "t") {
		s += ", free-threaded build"
	}
	if strings.Contains(in.Flags, "d") {
		s += ", debug build"
	}
	if seen != nil {
		s += map[bool]string{true: ", GIL on", false: ", GIL off"}[seen.GIL]
		if seen.StartMethod != "" {
			s += ", start method " + seen.StartMethod
		}
	}
	return s
}

// watch tells how much of the machine others used.
type watch struct {
	meter  host.Meter
	before host.Sample
	own    time.Duration
	ok     bool
}

func newWatch() *watch {
	w := &watch{meter: host.Open("").NewMeter(), own: ownCPU()}
	if w.meter.Source() != "" {
		var err error
		w.before, err = w.meter.Read(nil)
		w.ok = err == nil
	}
	return w
}

// others returns how many cores others kept busy on average since newWatch, nil where that is not known.
func (w *watch) others() *float64 {
	if !w.ok {
		return nil
	}
	after, err := w.meter.Read(nil)
	if err != nil || !after.At.After(w.before.At) {
		return nil
	}
	used := time.Duration(after.TotalNS-w.before.TotalNS) - (ownCPU() - w.own)
	cores := max(0, used.Seconds()/after.At.Sub(w.before.At).Seconds())
	return &cores
}

// environment is what the probes inherit: no parbench settings, and a place for temporary files that is removed with
// what a killed process has left in it.
func environment(temp string) []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PARBENCH_") && !strings.HasPrefix(kv, "TMPDIR=") {
			env = append(env, kv)
		}
	}
	return append(env, "TMPDIR="+temp)
}
