package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/parbench/parbench/internal/harness"
	"github.com/parbench/parbench/results"
)

// finish closes a file that lacks no trial, with the note that says so where that is missing.
func finish(w *results.Writer, run *results.Run) error {
	if n := len(run.Notes); n == 0 || run.Notes[n-1].Type != "end" || run.Notes[n-1].Reason != "complete" {
		if err := w.Note(results.Note{Type: "end", Time: time.Now().UTC(), Reason: "complete"}); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	return w.Close()
}

// resumable refuses a file that was made under other conditions, unless --join says to go on.
func resumable(s *session, f *runFlags, run *results.Run) error {
	if p := run.Header.Plan; p.Hash != p.ComputeHash() {
		return usagef("--resume %s: its plan was changed after it was written; start a new run", f.resume)
	}
	differs := harness.Resumable(run.Header.Environment, s.h.Environment())
	if f.join && run.Header.Plan.Commands != nil && run.Header.Environment.BootID != s.h.Environment().BootID {
		return usagef("--resume %s: --join does not run the commands of a file that was made elsewhere or before a restart; start a new run", f.resume)
	}
	if len(differs) > 0 && !f.join {
		msg := differs[0]
		if len(differs) > 1 {
			msg += fmt.Sprintf(" (and %d more)", len(differs)-1)
		}
		return usagef("--resume %s: %s; its numbers would not belong together: start a new run, or add --join to mark the join in the file", f.resume, msg)
	}
	usable := map[int]bool{}
	for _, c := range s.h.Place.CPUs {
		usable[c] = true
	}
	for _, c := range run.Header.Plan.Cells {
		for _, cpu := range c.CPUs {
			if !usable[cpu] {
				return usagef("--resume %s: its trials ran on CPU %d, which cannot be used here; start a new run", f.resume, cpu)
			}
		}
	}
	return nil
}

func planFixtures(p results.Plan) []string {
	var sels []string
	seen := map[string]bool{}
	for _, e := range p.Workloads {
		if e.Fixture != "" && !seen[e.Fixture] {
			seen[e.Fixture] = true
			sels = append(sels, e.Fixture)
		}
	}
	return sels
}
