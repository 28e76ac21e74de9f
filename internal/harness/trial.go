package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/parbench/parbench/internal/limits"
	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/workloads"
)

// launch is one trial to run.
type launch struct {
	program  Program
	cpus     []int
	maxprocs int
	run      protocol.Run
	kind     string // of the workload
	command  bool   // not a program of the protocol: its whole execution is timed
	timeout  time.Duration
	group    *trialGroup // nil: none could be made
}

// start runs the trial in the way that its program needs.
func (l launch) start(ctx context.Context) outcome {
	run := runTrial
	if l.command {
		run = runCommand
	}
	o := run(ctx, l)
	overdue(&o.trial, l)
	return o
}

// overdue says what to do about a trial that ran out of time, and which command's it was where its program does not.
func overdue(t *results.Trial, l launch) {
	if t.Status != results.TimedOut {
		return
	}
	remedy := "end what hangs, give the workload smaller parameters, or allow more with --timeout"
	if l.command || l.kind == string(workloads.Command) {
		remedy = "end what hangs, or allow more with --timeout"
		if name := l.run.Workload; name != "" && !strings.Contains(t.Reason, `"`) { // it was between two, or was killed
			t.Reason = fmt.Sprintf("%q: %s", clip(name, maxName), t.Reason)
		}
	}
	t.Reason = then(t.Reason, remedy)
}

// maxName is how much of a command's name is told with a failure, in bytes.
const maxName = 100

// outcome is what came of it.
type outcome struct {
	trial   results.Trial
	digests map[int]string
	selfCPU time.Duration // CPU time of all its processes over their whole lives
	untimed time.Duration // the program's own work outside batches and set-up
}

var errDeadline = errors.New("deadline")

// reportGrace is how much longer than its deadline a program may take to say itself that it has passed it, and where: it
// knows that better than who kills it.
const reportGrace = 2 * time.Second

// runTrial executes one cell in a fresh process and never fails: what went wrong is in the trial.
func runTrial(ctx context.Context, l launch) outcome {
	t := results.Trial{Type: "trial", Start: time.Now().UTC(), Status: results.OK}
	ctx, cancel := context.WithTimeoutCause(ctx, l.timeout+reportGrace, errDeadline)
	defer cancel()
	s, err := startTrial(l)
	if err != nil {
		t.Status, t.Reason = results.Crashed, limits.Explain(err, "").Error()
		return outcome{trial: t}
	}
	o := outcome{trial: t}
	err = converse(ctx, s, l, &o)
	s.end()
	o.trial.TotalNS = time.Since(s.started).Nanoseconds()
	o.selfCPU = usageCPU(s.state.Usage)
	o.judge(s, l, err)
	return o
}

// converse sends the request and takes in records until "done". It fills o.trial and returns what broke it off.
func converse(ctx context.Context, s *session, l launch, o *outcome) error {
	l.run.DeadlineNS = l.timeout.Nanoseconds()
	if err := s.send(protocol.Request{Op: "run", Run: &l.run}); err != nil {
		return err
	}
	t := &o.trial
	for {
		rec, err := s.next(ctx)
		if err != nil {
			return err
		}
		switch rec.Type {
		case "ready":
			if rec.Ready == nil {
				return errors.New("ready record without contents")
			}
			t.SetupNS, t.Tasks = rec.Ready.SetupNS, rec.Ready.Tasks
			if err := s.send(protocol.Request{Op: "go"}); err != nil {
				return err
			}
		case "batches":
			if rec.Batches == nil {
				return errors.New("batches record without contents")
			}
			t.Warmup = append(t.Warmup, rec.Batches.Warmup...)
			t.Wall = append(t.Wall, rec.Batches.Wall...)
			if rec.Batches.Tasks > 0 {
				t.Tasks = rec.Batches.Tasks
			}
			if rec.Batches.Digest != "" {
				t.Digest = rec.Batches.Digest
			}
		case "usage":
			if u := rec.Usage; u != nil {
				t.CPUNS, t.SpanNS, t.PeakBytes, t.PSSBytes = u.CPUNS, u.WallNS, u.PeakBytes, u.PSSBytes
				t.Processes, t.GCCycles, t.GCPauseNS = u.Processes, u.GCCycles, u.GCPauseNS
				t.CtxVoluntary, t.CtxForced = u.CtxVoluntary, u.CtxForced
				t.FaultsMinor, t.FaultsMajor = u.FaultsMinor, u.FaultsMajor
				t.UserNS, t.SystemNS, t.ShellNS, t.PeakBound, t.Exits = u.UserNS, u.SystemNS, u.ShellNS, u.PeakBound, u.Exits
			}
		case "probe":
			if rec.Probe == nil {
				return errors.New("probe record without contents")
			}
			t.Split = addProbe(t.Split, rec.Probe)
		case "digests":
			o.digests = map[int]string{}
			for _, d := range rec.Digests {
				o.digests[d.Tasks] = d.Digest
			}
		case "error":
			return &programError{rec}
		case "done":
			if rec.Done != nil {
				o.untimed = time.Duration(rec.Done.UntimedNS)
				t.CloseNS = rec.Done.CloseNS
			}
			return nil
		default:
			// A later minor addition to the protocol: not ours to judge.
		}
	}
}

// programError is a failure that the program reported itself.
type programError struct{ rec record }

func (e *programError) Error() string { return e.rec.message() }

// judge decides the trial's status from how the conversation ended, and rejects times that cannot be true.
func (o *outcome) judge(s *session, l launch, err error) {
	t := &o.trial
	fail := func(st results.Status, format string, args ...any) {
		t.Status, t.Reason, t.Stderr = st, clip(fmt.Sprintf(format, args...), maxReason), s.output()
	}
	var reported *programError
	switch {
	case err == nil:
	case errors.Is(err, errDeadline):
		fail(results.TimedOut, "no result within %v; the trial's processes were killed", l.timeout)
		return
	case errors.Is(err, context.Canceled) || errors.Is(err, errInterrupted):
		fail(results.Crashed, "interrupted")
		return
	case errors.As(err, &reported):
		st := results.TaskFailed
		switch k := reported.rec.Error; {
		case k == nil:
		case k.Kind == protocol.ErrDigest:
			st = results.Wrong
		case k.Kind == protocol.ErrDeadline:
			st = results.TimedOut
		case k.Kind == protocol.ErrRequest:
			st = results.Protocol
		}
		fail(st, "%s", reported.Error())
		if k := reported.rec.Error; k != nil && k.Stack != "" {
			t.Stderr = strings.TrimPrefix(t.Stderr+"\n"+ends(k.Stack, stderrTail), "\n")
		}
		return
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		why := panicLine(s.output())
		if why != "" {
			why = ": " + why
		}
		who, advice := l.program.advice(l.run.Workload)
		fail(results.Crashed, "%s", then(fmt.Sprintf("%s %s before it was done%s", who, exitText(s.state), why), advice.Ended))
		return
	default:
		who, advice := l.program.advice(l.run.Workload)
		fail(results.Protocol, "%s", then(fmt.Sprintf("%s broke the trial protocol: %v", who, err), advice.Protocol))
		return
	}
	var inside int64
	for _, list := range [2][]int64{t.Warmup, t.Wall} {
		for _, w := range list {
			if w < 0 || w > t.TotalNS {
				fail(results.Protocol, "the program reported a batch of %v in a trial of %v", time.Duration(w), time.Duration(t.TotalNS))
				return
			}
			inside += w
		}
	}
	inside += t.SetupNS
	if inside > t.TotalNS {
		fail(results.Protocol, "the program reported %v of work in a trial of %v", time.Duration(inside), time.Duration(t.TotalNS))
		return
	}
	if t.Split != nil && t.Split.WallNS > t.TotalNS {
		fail(results.Protocol, "the program reported %v of probed batches in a trial of %v", time.Duration(t.Split.WallNS), time.Duration(t.TotalNS))
		return
	}
	t.OverheadNS = max(0, t.TotalNS-inside-o.untimed.Nanoseconds())
	if len(t.Wall) == 0 || t.Tasks < 1 {
		fail(results.Protocol, "the program reported no measured batch")
	}
}

// maxReason is how much of a failure's reason is kept, in bytes.
const maxReason = 500

// clip cuts text to at most n bytes, at a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// ends cuts the middle out of a text of more than n bytes, at the ends of lines: a stack says most at the end where it
// failed, which is the first one in some languages and the last one in others.
func ends(s string, n int) string {
	if len(s) <= n {
		return s
	}
	head, tail := s[:n/2], s[len(s)-n/2:]
	if k := strings.LastIndexByte(head, '\n'); k >= 0 {
		head = head[:k]
	}
	if k := strings.IndexByte(tail, '\n'); k >= 0 {
		tail = tail[k+1:]
	}
	return strings.ToValidUTF8(head, "") + "\n…\n" + strings.ToValidUTF8(tail, "")
}

// checkedOutput words a difference in digests for who measures commands: only their output can have differed. A trial that
// has found the task says so itself.
func checkedOutput(t *results.Trial, c *results.Commands) {
	const flag = "--check-output"
	if t.Status == results.Wrong && c != nil && c.CheckOutput && !strings.Contains(t.Reason, flag) {
		t.Reason = clip("a task wrote something else to standard output than before, which "+flag+" forbids; --show-output shows what every task writes ("+
			t.Reason+")", maxReason)
	}
}

// advised adds what to do about results that differ.
func advised(t *results.Trial, p Program, workload string) {
	if _, advice := p.advice(workload); t.Status == results.Wrong {
		t.Reason = clip(then(t.Reason, advice.Digest), maxReason)
	}
}

// check compares the digest with the expected one.
func check(t *results.Trial, want string) {
	if t.Status != results.OK || want == "" || t.Digest == want {
		return
	}
	t.Status = results.Wrong
	t.Reason = fmt.Sprintf("computed digest %.20q, but tasks run one after another give %s", t.Digest, want)
}
