package codec

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"github.com/parbench/parbench/results"
)

// trial is a trial with what the statistics make of it.
type trial struct {
	results.Trial
	Used        bool     `json:"used"`          // it is the one analysed of its cell and round
	Observation *float64 `json:"observation_s"` // seconds per task; null where it has none
}

// WriteJSON writes the run as one JSON document: "header" and "notes" as in the run file, "trials" with every batch time
// and, besides the run file's fields, "observation_s" (seconds per task, null without one) and "used" (whether the
// statistics use it). Each trial is on a line of its own. It fails on an infinite or undefined number, which no run that
// was read from a file holds.
func WriteJSON(w io.Writer, run *results.Run) error {
	used := usedSet(run)
	out := bufio.NewWriter(w)
	e := &encoder{w: out}
	e.raw(`{"header":`)
	e.value(run.Header)
	e.raw(",\n\"trials\":[")
	for i := range run.Trials {
		if i > 0 {
			e.raw(",")
		}
		e.raw("\n")
		t := trial{Trial: run.Trials[i], Used: used[i]}
		if s, ok := run.Trials[i].Observation(); ok {
			t.Observation = &s
		}
		e.value(t)
	}
	e.raw("],\n\"notes\":")
	notes := run.Notes
	if notes == nil {
		notes = []results.Note{}
	}
	e.value(notes)
	e.raw("}\n")
	if e.err == nil {
		e.err = out.Flush()
	}
	if e.err != nil {
		return fmt.Errorf("writing JSON: %w", e.err)
	}
	return nil
}

// encoder writes pieces of a document until the first error, which it keeps.
type encoder struct {
	w   *bufio.Writer
	err error
}

func (e *encoder) raw(s string) {
	if e.err == nil {
		_, e.err = e.w.WriteString(s)
	}
}

func (e *encoder) value(v any) {
	if e.err != nil {
		return
	}
	var b []byte
	if b, e.err = json.Marshal(v); e.err == nil {
		_, e.err = e.w.Write(b)
	}
}
