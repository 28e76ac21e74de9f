// Package harness plans an experiment, runs it, and writes what happened to a run file. It never runs a workload itself:
// it drives programs through the trial protocol (docs/protocol.md), each trial in a fresh process pinned to the cell's
// CPUs, in an order drawn anew for every round.
//
// Non-goals: statistics (results/analysis) and anything a person reads (report, internal/cli).
package harness

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/results"
)

// Program is an executable that speaks the trial protocol. Copy it freely.
type Program struct {
	Label string   // self, base, head, python3.13 …
	Path  string   // what is executed
	Name  string   // the program's own name, the first of its arguments; empty: Path
	Args  []string // the arguments after it
	Env   []string // added to the inherited environment
	Files []string // what else decides what it does, such as the sources it interprets: part of its identity
	// Patience is how long it may take to describe itself; 0: 30 s.
	Patience time.Duration
	// Orderly programs end by themselves, and with them whatever they have started in groups of its own, when their lifeline
	// ends. They get a moment to do so before they are killed.
	Orderly bool
	// Advice is what its user can do about trials that do not say themselves why they failed, by workload; "" stands for all
	// workloads that have none of their own.
	Advice map[string]Advice
	// Output gets what its processes write to their standard output and error, as they do so, and is closed at the end of
	// each of them. nil: only the end of it is kept, for failures.
	Output io.WriteCloser

	file *os.File // keeps what Path leads to: see Hold
}

// Advice is what to do about a trial of a program, by what became of it. Each is the end of a sentence, or empty: nothing.
// Copy it freely.
type Advice struct {
	Ended    string // the program ended before it was done
	Protocol string // it sent what is no record
	Digest   string // its results were others than before
}

// advice is what to do about trials of a workload. A program with advice is called by its label, any other "the program".
func (p Program) advice(workload string) (string, Advice) {
	a, ok := p.Advice[workload]
	if !ok {
		a, ok = p.Advice[""]
	}
	if !ok {
		return "the program", a
	}
	return p.Label, a
}

// then adds what to do to what happened.
func then(what, remedy string) string {
	if remedy == "" {
		return what
	}
	return what + "; " + remedy
}

// Hold returns the program in a file. On Linux it is executed by way of a descriptor that stays open, so that replacing the
// file during a run, as the next build does, neither mixes two programs nor ends the run. Scripts are executed by their
// names, because they may look for their neighbours.
func Hold(label, path string) (Program, error) {
	p := Program{Label: label, Path: path, Name: path}
	if runtime.GOOS != "linux" {
		return p, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return Program{}, err
	}
	var begin [2]byte
	if n, _ := f.ReadAt(begin[:], 0); n < len(begin) || string(begin[:]) == "#!" {
		f.Close()
		return p, nil
	}
	p.file, p.Path = f, fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd())
	return p, nil
}

// Offer is a program with what it offers, as Ask learns it. A program that cannot even be asked has a description, too:
// one whose strategies all say why they are unavailable. Copy it freely.
type Offer struct {
	Program
	*protocol.Description
	// Ceiling keeps a program out of the experiment: it measures the machine's own scaling and serves fixtures that no
	// program before it has, and no cell of the user's is its.
	Ceiling bool
	// Identity is what the run file records of the program.
	Identity results.Program
}

// Ask has a program describe and identifies it.
func Ask(ctx context.Context, p Program) (Offer, error) {
	d, err := p.Describe(ctx)
	if err != nil {
		return Offer{}, err
	}
	id, err := p.Identify(d)
	return Offer{Program: p, Description: d, Identity: id}, err
}

// strategy returns the strategy of that name.
func (o Offer) strategy(name string) (protocol.Strategy, bool) {
	for _, s := range o.Strategies {
		if s.Name == name {
			return s, true
		}
	}
	return protocol.Strategy{}, false
}

// reference returns the strategy that the program's others are compared with.
func (o Offer) reference() (protocol.Strategy, bool) {
	for _, s := range o.Strategies {
		if s.Reference {
			return s, true
		}
	}
	return o.strategy("sequential")
}

// workload returns the workload of that name.
func (o Offer) workload(name string) (protocol.Workload, bool) {
	for _, w := range o.Workloads {
		if w.Name == name {
			return w, true
		}
	}
	return protocol.Workload{}, false
}

// Self returns this executable as a program. On Linux it goes by way of /proc, so that replacing or removing the file
// during a run does not mix two builds.
func Self() (Program, error) {
	path := "/proc/self/exe"
	if runtime.GOOS != "linux" {
		exe, err := os.Executable()
		if err != nil {
			return Program{}, fmt.Errorf("find this program's own file: %w", err)
		}
		path = exe
	}
	return Program{Label: "self", Path: path, Name: "parbench"}, nil
}

// Identify fills in what the run file records of a program.
func (p Program) Identify(d *protocol.Description) (results.Program, error) {
	h := sha256.New()
	for _, path := range append([]string{p.Path}, p.Files...) {
		f, err := os.Open(path)
		if err != nil {
			return results.Program{}, fmt.Errorf("read program %s: %w", p.Label, err)
		}
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return results.Program{}, fmt.Errorf("read program %s: %w", p.Label, err)
		}
	}
	return results.Program{Label: p.Label, Version: d.Program, Runtime: d.Runtime, Hash: hex.EncodeToString(h.Sum(nil))}, nil
}
