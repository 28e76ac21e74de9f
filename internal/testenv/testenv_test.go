package testenv

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// recorder is a testing.TB that notes how a test ended instead of ending the
// one it is used in. Like the real one it stops the calling goroutine, so that
// what is under test runs in a goroutine of its own.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (r *recorder) Helper() {}

func (r *recorder) Skip(args ...any) {
	r.skipped = fmt.Sprint(args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// record runs f against a recorder and reports how it ended.
func record(f func(t testing.TB)) (r *recorder, completed bool) {
	r = &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
		completed = true
	}()
	<-done
	return r, completed
}

func TestNeed(t *testing.T) {
	tests := []struct {
		name, require           string
		ok                      bool
		wantSkip, wantFail, run bool
	}{
		{"there", "", true, false, false, true},
		{"there and required", "1", true, false, false, true},
		{"missing", "", false, true, false, false},
		{"missing, variable not 1", "0", false, true, false, false},
		{"missing and required", "1", false, false, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(RequireAll, tt.require)
			r, completed := record(func(tb testing.TB) { Need(tb, "a second moon", tt.ok) })
			if completed != tt.run {
				t.Errorf("test went on: %v, want %v", completed, tt.run)
			}
			if got := strings.HasPrefix(r.skipped, Prefix+"a second moon"); got != tt.wantSkip {
				t.Errorf("skip message %q, want a skip naming what is missing: %v", r.skipped, tt.wantSkip)
			}
			if got := strings.HasPrefix(r.failed, Prefix+"a second moon"); got != tt.wantFail {
				t.Errorf("failure message %q, want a failure naming what is missing: %v", r.failed, tt.wantFail)
			}
		})
	}
}

func TestNeedCommand(t *testing.T) {
	t.Setenv(RequireAll, "")
	var path string
	if _, completed := record(func(tb testing.TB) { path = NeedCommand(tb, "go") }); !completed || path == "" {
		t.Errorf("NeedCommand(go) = %q, completed %v; the tool that runs this test is on PATH", path, completed)
	}
	// A remedy names the package where it differs from the command.
	t.Setenv("PATH", t.TempDir())
	for name, remedy := range map[string]string{
		"rsvg-convert": "apt-get install librsvg2-bin",
		"python3":      "apt-get install python3",
		"benchstat":    "go install golang.org/x/perf/cmd/benchstat",
	} {
		r, completed := record(func(tb testing.TB) { NeedCommand(tb, name) })
		if completed || !strings.Contains(r.skipped, remedy) {
			t.Errorf("without %s: skip message %q, want one naming %q", name, r.skipped, remedy)
		}
	}
}

func TestDoesNotApply(t *testing.T) {
	t.Setenv(RequireAll, "1")
	r, completed := record(func(tb testing.TB) { DoesNotApply(tb, "no second worker") })
	if completed || r.failed != "" || r.skipped != Inapplicable+"no second worker" {
		t.Errorf("ended with skip %q, failure %q; want a skip that says that the test does not apply", r.skipped, r.failed)
	}
}
