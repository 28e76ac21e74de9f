package harness

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/results"
)

func TestDescriptionsThatNoPlanCouldBeMadeOf(t *testing.T) {
	param := func(p protocol.Param) func(*protocol.Description) {
		return func(d *protocol.Description) { d.Workloads[0].Params = append(d.Workloads[0].Params, p) }
	}
	for want, change := range map[string]func(*protocol.Description){
		"": func(*protocol.Description) {},
		"program x speaks version 7 of the trial protocol, and this parbench version 1: build both": func(d *protocol.Description) { d.Protocol = 7 },
		`workload "a b": a name is made of letters`:                                                 func(d *protocol.Description) { d.Workloads[0].Name = "a b" },
		`workload "own": it is described twice`:                                                     func(d *protocol.Description) { d.Workloads[0].Name = "own" },
		`workload "work": its kind "" is none of`:                                                   func(d *protocol.Description) { d.Workloads[0].Kind = "" },
		`strategy "p*": a name is made of letters`:                                                  func(d *protocol.Description) { d.Strategies[1].Name = "p*" },
		`strategy "gil": it is described twice`:                                                     func(d *protocol.Description) { d.Strategies[0].Name = "gil" },
		`strategy "procs": parameter "": a name is made`:                                            func(d *protocol.Description) { d.Strategies[4].Params[0].Name = "" },
		`workload "work": parameter limit: it is described twice`:                                   param(protocol.Param{Name: "limit", Type: "int", Default: "1"}),
		`parameter n: its type "number" is none of int`:                                             param(protocol.Param{Name: "n", Type: "number", Default: "1"}),
		`parameter n: it has no default`:                                                            param(protocol.Param{Name: "n", Type: "int"}),
		`parameter n: "z" is not a whole number: its default`:                                       param(protocol.Param{Name: "n", Type: "int", Default: "z"}),
		`parameter n: "c" is not one of a, b: its default`:                                          param(protocol.Param{Name: "n", Type: "choice", Default: "c", Choices: []string{"a", "b"}}),
	} {
		d := fakeOffer()
		change(d)
		err := Program{Label: "x"}.check(d)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := (Program{Label: "x"}).check(nil); err == nil {
		t.Error("no description was taken for one")
	}
}

func TestGistOfAnOutput(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		"one\ntwo\n":             "two",
		"one\ntwo":               "two",
		"a\npanic: no\n\nb.go:3": "panic: no",
		"a\nfatal error: all goroutines are asleep - deadlock!\nb\n": "fatal error: all goroutines are asleep - deadlock!",
	} {
		if got := gist(text); got != want {
			t.Errorf("gist(%q) = %q", text, got)
		}
	}
}

// A held program stays what it was, whatever becomes of its file.
func TestHold(t *testing.T) {
	testenv.Need(t, "Linux: /proc", runtime.GOOS == "linux")
	path := filepath.Join(t.TempDir(), "program")
	copyTo := func(from string) {
		t.Helper()
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(path+".new", text, 0o700)
		}
		if err == nil {
			err = os.Rename(path+".new", path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	copyTo("/proc/self/exe")
	p, err := Hold("mine", path)
	if err != nil {
		t.Fatal(err)
	}
	copyTo("/bin/true")
	runtime.GC()
	o, err := Ask(context.Background(), p)
	if err != nil || o.Description.Program != "fake 1" || o.Identity.Label != "mine" {
		t.Errorf("%v, %+v", err, o)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if p, err := Hold("script", path); err != nil || p.Path != path {
		t.Errorf("a script is executed as %s, %v", p.Path, err)
	}
	if _, err := Hold("none", path+"x"); err == nil {
		t.Error("a file that is not there was held")
	}
}

// A program that is there for the ceiling has that cell, and no other.
func TestTheCeilingHasAProgramOfItsOwn(t *testing.T) {
	own := fakeOffer()
	own.Workloads = append(own.Workloads, protocol.Workload{Name: "spin", Kind: "cpu"})
	offers := []Offer{
		{Program: Program{Label: "mine"}, Description: fakeOffer()}, {Program: Program{Label: "self"}, Description: own, Ceiling: true},
	}
	spec := quickSpec("work", "threads", 1, 2)
	spec.Missing = []results.Unavailable{{Program: "gone", Reason: "no such file"}}
	d, err := newDraft(spec, offers, []int{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"mine work sequential 1/1 reference", "mine work threads 1/1", "mine work threads 2/2",
		"self machine-ceiling ceiling 1/1 reference", "self machine-ceiling ceiling 2/2",
	}
	if diff := cmp.Diff(want, programCells(d)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(spec.Missing, d.unavailable); diff != "" {
		t.Error(diff)
	}
	if got := d.programsOf(len(d.entries) - 1); len(got) != 1 || got[0] != 1 {
		t.Errorf("the ceiling's programs: %v", got)
	}
	for sel, want := range map[string]string{
		"spin":    `--workload "spin": no such workload; there are work, wait, own, auto`,
		"threads": `--strategy threads: no program "self"; there are mine`,
	} {
		spec := quickSpec("work", "threads:program=self", 1)
		if sel == "spin" {
			spec = quickSpec("spin", "threads", 1)
		}
		if _, err := newDraft(spec, offers, []int{0}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", sel, err)
		}
	}
	if got := FixturesOf([]Selection{{Name: "wait"}}, offers[1:]); got != nil {
		t.Errorf("fixtures %v for a program without cells", got)
	}
}

// A fixture is served by the first program that has a workload for it.
func TestFixturesComeFromWhoNeedsThem(t *testing.T) {
	h := newHarness(t)
	without := h.Programs[0]
	without.Program = Program{Label: "without", Path: "/bin/true"}
	without.Description = foreignOffer()
	h.Programs = append([]Offer{without}, h.Programs...)
	if err := h.Open(context.Background(), []string{"svc"}); err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if got := h.fixtures.addrs["svc"]; got != "addr-of-svc" {
		t.Errorf("the fixture's address is %q", got)
	}
}

// A fixture that cannot be started fails the workloads that need it, and no others.
func TestAFixtureThatCannotStart(t *testing.T) {
	h := newHarness(t)
	h.Programs[0].Env = append(h.Programs[0].Env, "FAKE_SERVE=fail")
	spec := quickSpec("work", "threads", 1)
	spec.Workloads = append(spec.Workloads, parseSel("wait"))
	run, out := runSpec(t, h, spec)
	good := 0
	for _, tr := range run.Trials {
		switch c := run.Header.Plan.Cells[tr.Cell]; {
		case c.Workload == "wait" && (tr.Status == results.OK || !strings.Contains(tr.Reason, "fixture svc: the port is taken")):
			t.Errorf("%s: %+v", c.Label, tr)
		case c.Workload == "work" && tr.Status == results.OK && tr.Attempt == 0:
			good++
		}
	}
	if good != 4 || out.Failed != 2 {
		t.Errorf("%d good trials, outcome %+v", good, out)
	}
	// Where it could be started before, there is nothing to add to what was measured.
	ctx := context.Background()
	if err := h.Open(ctx, []string{"svc"}); err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if _, err := h.Run(ctx, run.Header.Plan, nil, nil); err == nil || !strings.Contains(err.Error(), "fixture svc: the port is taken") {
		t.Errorf("a run without its fixture: %v", err)
	}
}

// A program that speaks no protocol is refused for the first thing that shows it, and not when its patience ends.
func TestDescribeSomethingElse(t *testing.T) {
	testenv.Need(t, "a Unix shell", runtime.GOOS != "windows")
	for script, want := range map[string]string{
		"while :; do echo no protocol; done": "did not answer, and printed more than 1 MiB instead; its last output: no protocol",
		"echo begins; echo garbage >&4; exec sleep 1000": "malformed line: invalid character 'g' looking for beginning of value in \"garbage\"; " +
			"its last output: begins",
		"echo usage: x FILE >&2; exit 2": "exited with status 2 without answering; its last output: usage: x FILE",
	} {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := Program{Label: "x", Path: path, Patience: time.Hour}.Describe(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), "program x") || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", script, err, want)
		}
	}
}
