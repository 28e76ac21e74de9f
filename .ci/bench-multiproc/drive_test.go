package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/internal/testenv"
)

// fake makes a driver of groups "0", "1" and so on of one measurement each; outside says how disturbed the n-th go at one is,
// which measures n.
func fake(groups, rounds, repeats int, outside func(job string, n int) float64) (*driver, []group, *bytes.Buffer) {
	var all []group
	for i := range groups {
		all = append(all, group{{own, string(rune('0' + i)), freely}})
	}
	goes := make(map[string]int)
	raw := new(bytes.Buffer)
	return &driver{
		rng: rand.New(rand.NewPCG(1, 0)), rounds: rounds, repeats: repeats, progress: io.Discard, raw: raw,
		measure: func(_ context.Context, m measurement) outcome {
			goes[m.job]++
			return outcome{m: m, values: values{"": float64(goes[m.job])}, outside: outside(m.job, goes[m.job])}
		},
	}, all, raw
}

func TestQuietRunsOnce(t *testing.T) {
	d, all, _ := fake(4, 3, 2, func(string, int) float64 { return 0.01 })
	used, attempts, err := d.run(t.Context(), all)
	if err != nil || attempts != 12 || len(used) != 12 {
		t.Errorf("%d attempts, %d used, %v", attempts, len(used), err)
	}
}

// A disturbed group is measured again until it is quiet; the least disturbed attempt counts, and all are kept.
func TestDisturbedIsRepeated(t *testing.T) {
	disturbance := []float64{0, 0.4, 0.2, 0.01, 9}
	d, all, raw := fake(6, 1, 3, func(job string, n int) float64 {
		if job == "2" {
			return disturbance[n]
		}
		return 0
	})
	used, attempts, err := d.run(t.Context(), all)
	if err != nil || attempts != 6+2 { // a third of the groups, and quiet by then
		t.Fatalf("%d attempts, %v", attempts, err)
	}
	if o := used[2].outcomes[0]; o.values[""] != 3 || o.outside != 0.01 {
		t.Errorf("used is %+v", o)
	}
	lines := 0
	for dec := json.NewDecoder(raw); ; lines++ {
		var l line
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if lines != attempts {
		t.Errorf("%d raw lines of %d attempts", lines, attempts)
	}
}

// On a machine that is always busy the repeats end, and the figures are used.
func TestBusyMachine(t *testing.T) {
	d, all, _ := fake(6, 2, 5, func(_ string, n int) float64 { return float64(n) })
	used, attempts, err := d.run(t.Context(), all)
	if err != nil || attempts != 2*(6+mostRepeats(6)) || len(used) != 12 || noisy(used) != 12 {
		t.Fatalf("%d attempts, %d used, %v", attempts, len(used), err)
	}
	for _, a := range used[:6] {
		if a.worst() != 1 { // every repeat was worse
			t.Errorf("used is %+v", a)
		}
	}
}

// A failure is told even when a repeat works and is used in its place.
func TestFailureIsTold(t *testing.T) {
	d, all, _ := fake(1, 1, 2, func(_ string, n int) float64 { return 1 / float64(n) })
	measure := d.measure
	d.measure = func(ctx context.Context, m measurement) outcome {
		o := measure(ctx, m)
		if o.values[""] == 1 {
			o.values, o.err = nil, errors.New("it broke")
		}
		return o
	}
	used, _, err := d.run(t.Context(), all)
	if err != nil || used[0].failed() || len(d.failures) != 1 || !strings.Contains(d.failures[0], "multiproc 0 freely: it broke") {
		t.Errorf("%v, failures %q, %v", used, d.failures, err)
	}
	rep := report{opts: options{rows: regexp.MustCompile("."), rounds: 1}, failures: d.failures, used: used}
	var b strings.Builder
	if err := rep.write(&b); err != nil || !strings.Contains(b.String(), "* failed: multiproc 0 freely: it broke\n") {
		t.Errorf("%v\n%s", err, &b)
	}
}

// A repeat limit of zero repeats nothing.
func TestNoRepeats(t *testing.T) {
	d, all, _ := fake(3, 1, 0, func(string, int) float64 { return 1 })
	if _, attempts, err := d.run(t.Context(), all); err != nil || attempts != 3 {
		t.Errorf("%d attempts, %v", attempts, err)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	d, all, _ := fake(3, 9, 0, func(string, int) float64 { return 0 })
	measure := d.measure
	left := 7
	d.measure = func(ctx context.Context, m measurement) outcome {
		if left--; left == 0 {
			cancel()
		}
		return measure(ctx, m)
	}
	used, _, err := d.run(ctx, all)
	if !errors.Is(err, context.Canceled) || len(used) != 6 {
		t.Errorf("%d attempts of whole rounds, %v", len(used), err)
	}
}

// The order differs between rounds, and is that of the seed.
func TestOrder(t *testing.T) {
	order := func(seed uint64) (s string) {
		d, all, _ := fake(9, 2, 0, func(string, int) float64 { return 0 })
		d.rng = rand.New(rand.NewPCG(seed, 0))
		measure := d.measure
		d.measure = func(ctx context.Context, m measurement) outcome {
			s += m.job
			return measure(ctx, m)
		}
		if _, _, err := d.run(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		return s
	}
	one := order(1)
	if one != order(1) || one == order(2) || one[:9] == one[9:] {
		t.Errorf("orders %s, %s, %s", one, order(1), order(2))
	}
}

// Processes that fail say why.
func TestFailures(t *testing.T) {
	twoCPUs(t)
	path := testenv.NeedCommand(t, "python3")
	usable, err := host.Open("/").Usable()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "peer.py")
	if err := os.WriteFile(script, []byte("import sys\nif sys.argv[1] == 'chatter': print('hello')\nelse: raise ValueError(sys.argv[1])\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &starter{self: self, python: path, peer: script, cpus: [2]int(usable.CPUs[:2]), meter: host.Open("/").NewMeter()}
	for _, c := range []struct {
		m    measurement
		want string
	}{
		{measurement{own, "nothing", freely}, `exit status 2: no job "nothing"`},
		{measurement{python, "trouble", apart}, "exit status 1: ValueError: trouble"},
		{measurement{python, "chatter", same}, "no object of numbers"},
	} {
		if o := s.measure(t.Context(), c.m); o.err == nil || !strings.Contains(o.err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.m, o.err, c.want)
		}
	}
	s.self = "/nonexistent/program"
	if o := s.measure(t.Context(), measurement{own, "lock-1", freely}); o.err == nil || !strings.Contains(o.err.Error(), "/nonexistent/program") {
		t.Errorf("%v", o.err)
	}
}
