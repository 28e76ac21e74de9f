package claims

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/results/analysis/claim"
	"github.com/parbench/parbench/strategies/python"
)

// long bounds tests that would otherwise hang; none waits for it to pass.
const long = 4 * time.Minute

// plenty are limits that nothing here reaches.
var plenty = limits{left: long, budget: long, probe: long}

func pythonHere(t *testing.T) python.Interpreter {
	t.Helper()
	testenv.Need(t, "Linux: probes are started tied to this process", runtime.GOOS == "linux")
	testenv.NeedCommand(t, "python3")
	in, err := python.Find(t.Context(), "")
	testenv.Need(t, fmt.Sprintf("Python 3.9 or newer as python3 on PATH (%v)", err), err == nil)
	return in
}

// fake is an interpreter that is a shell script.
func fake(t *testing.T, script string) *interpreter {
	t.Helper()
	testenv.Need(t, "Linux: probes are started tied to this process", runtime.GOOS == "linux")
	path := filepath.Join(t.TempDir(), "python9.9")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return &interpreter{in: python.Interpreter{Path: path, Name: "python", Version: "9.9.0", Flags: "t"}, label: "python9.9t", files: unpacked(t)}
}

func unpacked(t *testing.T) *files {
	t.Helper()
	f, err := unpack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.remove)
	return f
}

func named(t *testing.T, id string) claim.Claim {
	t.Helper()
	list, err := claim.Select([]string{id})
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

const answered = `{"observed":{"calls":[{"call":"Process()","want":0,"exit":0}]},"gil":false,"start_method":"forkserver"}`

// Interpreters that do not do what they should: one clear sentence each, and no verdict.
func TestProbesThatFail(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"dies":     {"echo first >&2; echo 'last words' >&2; exit 3", "ended with exit status 3 before it had answered; its last words: last words"},
		"killed":   {"kill -9 $$", "ended with signal 9 (killed) before it had answered"},
		"mute":     {"exit 0", "ended with exit status 0 before it had answered"},
		"garbage":  {"echo hello >&4", `did not answer as it should ("hello")`},
		"cut":      {`printf '{"observed":' >&4`, `did not answer as it should ("{\"observed\":")`},
		"no end":   {"exec yes | tr -d '\\n' >&4", "did not answer as it should"},
		"nothing":  {"echo '{}' >&4", "observed nothing"},
		"raised":   {`echo '{"failed":"OSError: no (life.py, line 3)"}' >&4`, "The probe failed: OSError: no (life.py, line 3)"},
		"nonsense": {`echo '{"observed":{"calls":3}}' >&4`, "make no sense"},
		"not it":   {"yes >&2 & sleep 0.1; exit 4", "ended with exit status 4"},
	} {
		t.Run(name, func(t *testing.T) {
			f := observe(t.Context(), fake(t, c.script), named(t, "C12"), plenty)
			if !f.Failed || f.Verdict != claim.Undecided || !strings.Contains(f.Evidence, c.want) || strings.Contains(f.Evidence, "\n") {
				t.Errorf("%+v\nwant %q", f, c.want)
			}
		})
	}
	missing := fake(t, "")
	missing.in.Path += "-gone"
	if f := observe(t.Context(), missing, named(t, "C12"), plenty); !f.Failed || !strings.Contains(f.Evidence, "cannot be started") {
		t.Errorf("%+v", f)
	}
}

// What an interpreter lacks is nobody's failure.
func TestUnavailable(t *testing.T) {
	s := fake(t, `echo '{"unavailable":"ImportError: no _multiprocessing"}' >&4`)
	f := observe(t.Context(), s, named(t, "C12"), plenty)
	if f.Failed || f.Verdict != claim.Undecided || !strings.Contains(f.Evidence, "cannot show it: ImportError: no _multiprocessing") {
		t.Errorf("%+v", f)
	}
	if _, err := (golang{unpacked(t)}).look(t.Context(), "C99"); err == nil {
		t.Error("a probe for a claim that there is not")
	}
}

func TestAnswerIsJudged(t *testing.T) {
	s := fake(t, "echo '"+answered+"' >&4")
	f := observe(t.Context(), s, named(t, "C12"), plenty)
	if f.Failed || f.Verdict != claim.Refuted || len(f.Observed) == 0 {
		t.Errorf("%+v", f)
	}
	if x := s.subject(); x.About != "CPython 9.9.0, free-threaded build, GIL off, start method forkserver" || x.Label != "python9.9t" || x.Go {
		t.Errorf("%+v", x)
	}
}

// gone waits until a process is dead, or somebody else's zombie.
func gone(t *testing.T, pidFile string) {
	t.Helper()
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(long); parentOf(pid) != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("process %d is still there", pid)
		}
	}
}

// A probe that hangs, and one that answers and leaves something behind: nothing of them stays.
func TestNothingStays(t *testing.T) {
	dir := t.TempDir()
	t.Run("hangs", func(t *testing.T) {
		f := observe(t.Context(), fake(t, "sleep 1000 & echo $! >"+dir+"/hangs; wait"), named(t, "C12"), limits{left: long, budget: long, probe: time.Second})
		if !f.Failed || !strings.Contains(f.Evidence, "had not finished after 1s, and was killed") {
			t.Errorf("%+v", f)
		}
		gone(t, dir+"/hangs")
	})
	t.Run("leaves", func(t *testing.T) {
		f := observe(t.Context(), fake(t, "sleep 1000 & echo $! >"+dir+"/leaves; echo '"+answered+"' >&4"), named(t, "C12"), plenty)
		if f.Verdict != claim.Refuted {
			t.Errorf("%+v", f)
		}
		gone(t, dir+"/leaves")
	})
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for {
				if text, err := os.ReadFile(dir + "/interrupted"); err == nil && len(text) > 0 {
					cancel()
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
		f := observe(ctx, fake(t, "sleep 1000 & echo $! >"+dir+"/new; mv "+dir+"/new "+dir+"/interrupted; wait"), named(t, "C12"), plenty)
		if f.Failed || f.Verdict != claim.Undecided || !strings.Contains(f.Evidence, "Interrupted while") {
			t.Errorf("%+v", f)
		}
		gone(t, dir+"/interrupted")
	})
}

// The probe program ends itself and its group when parbench is gone: its lifeline, descriptor 3, has no other end then.
func TestLifeline(t *testing.T) {
	in := pythonHere(t)
	f := unpacked(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	// C14 takes seconds, with pools at work.
	p, err := os.StartProcess(in.Path, []string{in.Path, "-I", "-S", "-c", boot, f.dir, "C14"}, &os.ProcAttr{
		Env: environment(f.temp), Files: []*os.File{nil, nil, nil, r, theirs}, Sys: &syscall.SysProcAttr{Setpgid: true}})
	r.Close()
	theirs.Close()
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	state, err := p.Wait()
	if err != nil || state.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("%v, %v", state, err)
	}
	// Whoever was in its group had this descriptor open.
	if n, err := out.Read(make([]byte, 1)); n != 0 {
		t.Error(n, err)
	}
	out.Close()
}

// cutOff is a subject whose probe takes the end of its time for what it was to observe.
type cutOff struct{ golang }

func (cutOff) look(ctx context.Context, _ string) (json.RawMessage, error) {
	<-ctx.Done()
	return json.RawMessage(`{"calls":[{"call":"Process()","want":0,"error":"context deadline exceeded"}]}`), nil
}

// A budget that was too small is the user's choice: the claim is left open with the remedy, and nothing failed. What
// hangs for as long as a probe may take did.
func TestBudget(t *testing.T) {
	const alone = ", or name this claim alone."
	for name, c := range map[string]struct {
		s      subject
		limits limits
		failed bool
		want   string
	}{
		"used up":           {fake(t, "exit 1"), limits{time.Millisecond, 90 * time.Second, long}, false, "The budget of 1m30s for python9.9t was used up by other claims; give more with --budget" + alone},
		"too small":         {fake(t, "sleep 1000"), limits{time.Second, time.Second, long}, false, "The budget of 1s for python9.9t ended while this was being observed: the probe had not finished after 1s, and was killed with all that it had started; give more with --budget."},
		"the rest of it":    {cutOff{}, limits{time.Second, 2 * time.Second, long}, false, "give more with --budget" + alone},
		"longer than a bit": {cutOff{}, limits{long, long, time.Millisecond}, true, "The probe had not finished"},
	} {
		t.Run(name, func(t *testing.T) {
			f := observe(t.Context(), c.s, named(t, "C12"), c.limits)
			if f.Failed != c.failed || f.Verdict != claim.Undecided || !strings.Contains(f.Evidence, c.want) || strings.Contains(f.Evidence, "--budget") == c.failed || f.Observed != nil {
				t.Errorf("%+v\nwant %q", f, c.want)
			}
		})
	}
}

// A claim about what an interpreter does not have is neither open nor false.
func TestDoesNotApply(t *testing.T) {
	f := observe(t.Context(), fake(t, `echo '{"inapplicable":"there is no os.fork"}' >&4`), named(t, "C15"), plenty)
	if f.Failed || f.Verdict != claim.Inapplicable || f.Evidence != "There is no os.fork." {
		t.Errorf("%+v", f)
	}
	in := pythonHere(t)
	for _, id := range []string{"C15", "C18"} {
		f := observe(t.Context(), fake(t, fmt.Sprintf(`exec '%s' -I -S -W ignore -c "import os; del os.fork; $6" "$7" "$8"`, in.Path)), named(t, id), plenty)
		if f.Failed || f.Verdict != claim.Inapplicable || f.Evidence != "A claim about fork does not apply where there is none: this Python has no os.fork." {
			t.Errorf("%s: %+v", id, f)
		}
	}
}

// The program of C5 is the same in both languages: with a queue between its threads it is that queue that stops the one
// which submits, and without a bound on it, it is not.
func TestSearchIsTheSame(t *testing.T) {
	in := pythonHere(t)
	var seen []claim.Search
	for _, s := range []subject{&interpreter{in: in, label: "python3", files: unpacked(t)}, golang{unpacked(t)}} {
		observed, err := s.look(t.Context(), "C5")
		if err != nil {
			t.Fatal(err)
		}
		var o claim.Search
		if err := json.Unmarshal(observed, &o); err != nil {
			t.Fatal(err)
		}
		vain := func(list []claim.Hunt) (out []int) {
			for _, h := range list {
				out = append(out, h.Submitted-h.Match-1)
			}
			return out
		}
		// The queue, and the one that waits to be put into it.
		if most := slices.Max(vain(o.Queued)); most > o.Limit+1 {
			t.Errorf("%s: %d in vain with a queue of %d", s.name(), most, o.Limit)
		}
		if most := slices.Max(vain(o.Far)); most <= 2*o.Limit {
			t.Errorf("%s: %d in vain without a bound: something holds up the one that submits", s.name(), most)
		}
		seen = append(seen, o)
	}
	p, g := seen[0], seen[1]
	if p.Limit != g.Limit || p.Workers != g.Workers || p.Task != g.Task || p.Near[0].Match != g.Near[0].Match || p.Far[0].Match != g.Far[0].Match || p.Queued[0].Match != g.Queued[0].Match {
		t.Errorf("not the same program:\n%+v\n%+v", p, g)
	}
	if p.Pool != "" || g.Pool == "" || g.Default <= g.Cap || len(g.Capped) == 0 {
		t.Errorf("bounds of the pools: %q, %q(%d), %d", p.Pool, g.Pool, g.Default, g.Cap)
	}
}

// A call that its bound ended did not fail: it was still waiting.
func TestWithin(t *testing.T) {
	ended, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	failed := claim.Outcome{Call: "Join", Error: "no"}
	if o := within(ended, patience, failed); o.Error != "" || o.Hung != patience.Seconds() {
		t.Errorf("%+v", o)
	}
	if o := within(t.Context(), patience, failed); o.Error != "no" || o.Hung != 0 {
		t.Errorf("%+v", o)
	}
	if o := within(ended, patience, claim.Outcome{Got: []int{1}}); o.Hung != 0 || o.Got == nil {
		t.Errorf("%+v", o)
	}
}

// An interruption leaves a report of what there was until then.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := fake(t, "echo '"+answered+"' >&4")
	list, err := claim.Select([]string{"C12", "C13", "C20"})
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	rep, err := Check(ctx, Options{Claims: list, Pythons: []python.Interpreter{s.in}, Progress: func(p Progress) {
		if seen = append(seen, fmt.Sprintf("%d/%d %s %s", p.Done, p.Total, p.Claim.ID, p.Subject)); p.Claim.ID == "C13" {
			cancel()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"0/6 C12 python9.9t", "1/6 C12 Go", "2/6 C13 python9.9t"}; !slices.Equal(seen, want) {
		t.Errorf("progress %q, want %q", seen, want)
	}
	if !rep.Interrupted || len(rep.Rows) != 3 || rep.Failed() != 0 || rep.Rows[0].Findings[0].Verdict != claim.Refuted {
		t.Errorf("%+v", rep)
	}
	for _, f := range rep.Rows[2].Findings {
		if f.Verdict != claim.Undecided || !strings.Contains(f.Evidence, "nterrupted before") {
			t.Errorf("%+v", f)
		}
	}
}

// what is a set of verdicts.
func what(v ...claim.Verdict) []claim.Verdict { return v }

// TestEveryProbe runs all probes for real, several at a time: what depends on times may be undecided then, the rest may not.
func TestEveryProbe(t *testing.T) {
	in := pythonHere(t)
	confirmed, refuted, partly, inapplicable := what(claim.Confirmed), what(claim.Refuted), what(claim.Partly), what(claim.Inapplicable)
	timing := claim.Verdicts()
	// The default of newer versions: whatever the probes start must be found again by its name.
	const otherMethod = "exec '%s' -I -S -W ignore -c \"import multiprocessing; multiprocessing.set_start_method('forkserver'); $6\" \"$7\" \"$8\""
	var running sync.WaitGroup
	slots := make(chan struct{}, 6) // they mostly wait, for each other and for clocks
	for _, c := range []struct {
		id             string
		python, golang []claim.Verdict
	}{
		{"C1", refuted, refuted}, {"C2", timing, timing}, {"C3", timing, timing}, {"C4", timing, partly}, {"C5", timing, timing}, {"C6", confirmed, confirmed},
		{"C7", timing, timing}, {"C8", refuted, refuted}, {"C9", timing, timing}, {"C10", timing, confirmed}, {"C11", partly, refuted}, {"C12", refuted, partly},
		{"C13", timing, partly}, {"C14", timing, timing}, {"C15", timing, inapplicable}, {"C16", timing, timing}, {"C17", timing, timing}, {"C18", timing, inapplicable},
		{"C19", timing, timing}, {"C20", timing, timing},
	} {
		one := named(t, c.id)
		subjects := map[subject][]claim.Verdict{&interpreter{in: in, label: "python3", files: unpacked(t)}: c.python, golang{unpacked(t)}: c.golang}
		if slices.Contains([]string{"C1", "C4", "C8", "C10", "C11", "C12", "C13", "C15", "C19"}, c.id) {
			subjects[fake(t, fmt.Sprintf(otherMethod, in.Path))] = c.python
		}
		for s, want := range subjects {
			running.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				f := observeWithin(t.Context(), s, one)
				t.Logf("%s, %s: %s: %s", c.id, s.subject().About, f.Verdict, f.Evidence)
				if f.Failed || !slices.Contains(want, f.Verdict) {
					t.Errorf("%s, %s: %s, want %q", c.id, s.name(), f.Verdict, want)
				}
			})
		}
	}
	running.Wait()
}

// observeWithin is observe without its limit, which a busy machine could exceed.
func observeWithin(ctx context.Context, s subject, c claim.Claim) claim.Finding {
	ctx, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	observed, err := s.look(ctx, c.ID)
	if err != nil {
		return claim.Failure(err.Error())
	}
	return c.Judge(s.subject(), observed)
}

// What the probes inherit holds none of parbench's own settings.
func TestEnvironment(t *testing.T) {
	t.Setenv("PARBENCH_PYTHON", "x")
	t.Setenv("KEPT", "y")
	env := environment("/place")
	if slices.Contains(env, "PARBENCH_PYTHON=x") || !slices.Contains(env, "KEPT=y") || !slices.Contains(env, "TMPDIR=/place") {
		t.Error(env)
	}
}

func TestAtOnce(t *testing.T) {
	for want, spans := range map[int][]span{0: nil, 1: {{0, 5}, {5, 9}}, 2: {{0, 5}, {4, 9}, {6, 7}}, 3: {{0, 9}, {1, 9}, {2, 3}}} {
		if got := atOnce(spans); got != want {
			t.Errorf("%v: %d, want %d", spans, got, want)
		}
	}
}
