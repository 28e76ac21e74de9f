package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/results"
)

// isGone fails the test if the process that the fake program has left behind is still there.
func isGone(t *testing.T, pidfile string) {
	t.Helper()
	text, err := os.ReadFile(strings.TrimPrefix(pidfile, "FAKE_PIDFILE="))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there (%v)", pid, err)
	}
}

// What a trial has started ends with it, and keeps no trial waiting: within its group or outside of that, where it holds the
// descriptor of the records open; whether there are control groups or not; and however the trial ends.
func TestNothingIsLeftBehind(t *testing.T) {
	testenv.Need(t, "Linux: /proc", runtime.GOOS == "linux")
	for name, c := range map[string]struct {
		status results.Status
		reason string
	}{
		"hang":      {results.TimedOut, "no result within 300ms"},
		"exit-held": {results.Crashed, "exited with status 7 before it was done"},
		"done-held": {results.OK, ""},
	} {
		for _, where := range []string{"in the group", "outside", "outside, without control groups"} {
			t.Run(name+" "+where, func(t *testing.T) {
				h := newHarness(t)
				if where != "in the group" {
					h.Programs[0].Env = append(h.Programs[0].Env, "FAKE_SETSID=1")
				}
				switch where {
				case "outside":
					g := newTrialGroup(h.Machine)
					defer g.close()
					testenv.Need(t, "cgroup v2 where groups can be made (run as root)", g.dir != nil)
				case "outside, without control groups":
					h.Machine = host.Open(t.TempDir())
				}
				spec := quickSpec("work:behave="+name, "threads", 1)
				spec.Rounds = 1
				if name == "hang" {
					spec.Timeout = 300 * time.Millisecond
				}
				run, _ := runSpec(t, h, spec)
				found := false
				for i := range run.Trials {
					if tr := &run.Trials[i]; run.Header.Plan.Cells[tr.Cell].Strategy == "threads" {
						found = true
						if tr.Status != c.status || !strings.Contains(tr.Reason, c.reason) {
							t.Errorf("trial %+v", tr)
						}
					} else if tr.Status != results.OK {
						t.Errorf("another one: %+v", tr)
					}
				}
				if !found {
					t.Error("it was not run")
				}
				isGone(t, h.Programs[0].Env[0])
			})
		}
	}
}

// A program that cannot be used is refused although something that it has started holds the descriptor of its answer, and
// that ends, too.
func TestDescribeLeavesNothingBehind(t *testing.T) {
	testenv.Need(t, "Linux: /proc", runtime.GOOS == "linux")
	for behave, want := range map[string]string{
		"exit-held": "exited with status 7 without answering",
		"hang":      "did not answer within",
	} {
		p := newHarness(t).Programs[0].Program
		p.Patience = time.Hour
		if behave == "hang" {
			p.Patience = time.Second
		}
		p.Env = append(p.Env, "FAKE_SETSID=1", "FAKE_DESCRIBE="+behave)
		if _, err := p.Describe(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", behave, err)
		}
		isGone(t, p.Env[0])
	}
}

// What a program wrote before it ended is read, although it is read later, and more of it than one call takes; and whoever
// goes on writing does not keep the reader.
func TestAnswersAfterTheEnd(t *testing.T) {
	for range 50 {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		said := strings.Repeat("x", 60_000)
		if _, err := io.WriteString(w, said); err != nil {
			t.Fatal(err)
		}
		if err := r.SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(&answers{f: r})
		if err != nil || string(got) != said {
			t.Fatalf("%d bytes of %d, %v", len(got), len(said), err)
		}
		r.Close()
		w.Close()
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		for line := strings.Repeat("y", 4096); ; {
			if _, err := fmt.Fprint(w, line); err != nil {
				done <- err
				return
			}
		}
	}()
	if err := r.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, &answers{f: r}); err != nil {
		t.Error(err)
	}
	r.Close()
	if err := <-done; !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the writer ended with %v", err)
	}
	w.Close()
}
