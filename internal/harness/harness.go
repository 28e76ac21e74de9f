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

	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/results"
)

// Program is an executable that speaks the trial protocol. Copy it freely.
type Program struct {
	Label string   // self, base, head …
	Path  string   // what is executed
	Args  []string // without the program's own name
	Env   []string // added to the inherited environment
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
	return Program{Label: "self", Path: path}, nil
}

// Identify fills in what the run file records of a program.
func (p Program) Identify(d *protocol.Description) (results.Program, error) {
	f, err := os.Open(p.Path)
	if err != nil {
		return results.Program{}, fmt.Errorf("read program %s: %w", p.Label, err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return results.Program{}, fmt.Errorf("read program %s: %w", p.Label, err)
	}
	return results.Program{Label: p.Label, Version: d.Program, Runtime: d.Runtime, Hash: hex.EncodeToString(h.Sum(nil))}, nil
}

// Describe asks a program what it offers.
func (p Program) Describe(ctx context.Context) (*protocol.Description, error) {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	s, err := startSession(p, nil, 0)
	if err != nil {
		return nil, err
	}
	defer s.end()
	if err := s.send(protocol.Request{Op: "describe"}); err != nil {
		return nil, s.explain(err)
	}
	for {
		rec, err := s.next(ctx)
		if err != nil {
			return nil, s.explain(err)
		}
		switch rec.Type {
		case "description":
			if rec.Describe == nil || rec.Describe.Protocol != protocol.Version {
				return nil, fmt.Errorf("program %s speaks another version of the trial protocol than %d: rebuild it with this parbench", p.Label, protocol.Version)
			}
			return rec.Describe, nil
		case "error":
			return nil, fmt.Errorf("program %s: %s", p.Label, rec.message())
		}
	}
}
