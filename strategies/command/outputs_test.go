package command

import (
	"errors"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parbench/parbench/internal/capture"
	"github.com/parbench/parbench/strategies"
)

// wrote is the outcome of a task with that output.
func wrote(t *testing.T, text string) outcome {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	x := outcome{out: capture.Read(r, kept, fnv.New64a(), nil)}
	if _, err := w.WriteString(text); err != nil {
		t.Fatal(err)
	}
	w.Close()
	x.out.Close()
	x.sum = x.out.Sum()
	return x
}

// What a task wrote in one trial is compared with what it writes in the next ones, and the message says where they differ.
func TestOutputsAcrossTrials(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outputs")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	trial := func(of, under string) *outputs {
		o, err := recall(path, of, under)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	long := strings.Repeat("x", kept) + "\n"
	first := trial("a", "sequential")
	for i, text := range []string{"one\ntwo\n", "", long, long} {
		if err := first.check(i, wrote(t, text)); err != nil {
			t.Errorf("task %d: %v", i, err)
		}
	}
	if err := first.check(0, wrote(t, "one\n2\n")); err == nil || !strings.Contains(err.Error(), `under sequential than before: line 2 is "2" and was "two"`) {
		t.Errorf("in the same trial: %v", err)
	}
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
	if err := trial("b", "pool").check(0, wrote(t, "another workload's")); err != nil {
		t.Error(err)
	}
	later := trial("a", "pool with 2 workers")
	for i, tc := range []struct{ text, want string }{
		{"one\ntwo\n", ""},
		{"x", `under pool with 2 workers than under sequential: line 1 is "x" and was ""`},
		{strings.Repeat("y", kept) + "\n", "other bytes, 4097 of them both times"},
		{long + "more", "its length in bytes is 4101 and was 4097"},
		{"the first of task 4", ""},
	} {
		err := later.check(i, wrote(t, tc.text))
		if tc.want == "" {
			if err != nil {
				t.Errorf("task %d: %v", i, err)
			}
			continue
		}
		if !errors.Is(err, strategies.ErrDiffers) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("task %d: %v, want %q", i, err, tc.want)
		}
	}
	if err := later.close(); err != nil {
		t.Fatal(err)
	}
	torn, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := torn.WriteString(`{"of":"a","task":5,"und`); err != nil { // of a trial that was killed
		t.Fatal(err)
	}
	torn.Close()
	after := trial("a", "threads")
	for _, i := range []int{5, 6} {
		if err := after.check(i, wrote(t, "the first after it")); err != nil {
			t.Errorf("task %d: %v", i, err)
		}
	}
	if err := after.close(); err != nil {
		t.Fatal(err)
	}
	last := trial("a", "dummy-pool")
	for _, i := range []int{5, 6} {
		if err := last.check(i, wrote(t, "something else")); err == nil || !strings.Contains(err.Error(), "dummy-pool than under threads") {
			t.Errorf("after a trial that was killed, task %d: %v", i, err)
		}
	}
	if err := trial("a", "per-core").check(4, wrote(t, "something else")); err == nil || !strings.Contains(err.Error(), "per-core than under pool with 2 workers") {
		t.Errorf("of the third trial: %v", err)
	}
}

// What is remembered is bounded, and what is not remembered is no difference.
func TestOutputsAreBounded(t *testing.T) {
	o, err := recall("", "a", "sequential")
	if err != nil {
		t.Fatal(err)
	}
	x := wrote(t, strings.Repeat("x", kept))
	for i := range mostTasks + 10 {
		if err := o.check(i, x); err != nil {
			t.Fatal(err)
		}
	}
	texts := 0
	for _, w := range o.known {
		texts += len(w.Text)
	}
	if len(o.known) != mostTasks || texts > mostTexts {
		t.Errorf("%d tasks and %d bytes are remembered", len(o.known), texts)
	}
	if err := o.check(mostTasks+1, wrote(t, "y")); err != nil {
		t.Error(err)
	}
	if err := o.check(mostTasks-1, wrote(t, "y")); err == nil || !strings.Contains(err.Error(), "its length in bytes is 1 and was 4096") {
		t.Errorf("a task whose text was not remembered: %v", err)
	}
}
