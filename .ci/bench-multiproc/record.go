package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// outcome is what one process measured in one attempt.
type outcome struct {
	m      measurement
	values values
	err    error
	// outside is the share of a CPU that others used or that was stolen meanwhile; negative: not known.
	outside float64
}

// disturbed is the share of a CPU above which an attempt is repeated, as the harness does with its trials.
const disturbed = 0.05

// attempt is one go at a group in one round.
type attempt struct {
	round    int
	outcomes []outcome
}

// worst is the largest disturbance of the attempt, negative when none is known.
func (a attempt) worst() float64 {
	w := -1.0
	for _, o := range a.outcomes {
		w = max(w, o.outside)
	}
	return w
}

// failed reports whether any of its measurements failed.
func (a attempt) failed() bool {
	for _, o := range a.outcomes {
		if o.err != nil {
			return true
		}
	}
	return false
}

// parseValues reads what a measuring process printed: in the last line that is not empty, a JSON object of finite
// figures, none of them negative.
func parseValues(out []byte) (values, error) {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	last := lines[len(lines)-1]
	if len(last) == 0 {
		return nil, errors.New("it printed nothing")
	}
	var v values
	if err := json.Unmarshal(last, &v); err != nil {
		return nil, fmt.Errorf("its last line is no object of numbers: %.80q: %w", last, err)
	}
	if len(v) == 0 {
		return nil, errors.New("its last line has no figure")
	}
	for name, x := range v {
		if math.IsInf(x, 0) || math.IsNaN(x) || x < 0 {
			return nil, fmt.Errorf("figure %q is %v", name, x)
		}
	}
	return v, nil
}

// line is an outcome as it is kept in the file of raw figures.
type line struct {
	Round   int     `json:"round"`
	Attempt int     `json:"attempt"`
	Side    side    `json:"side"`
	Job     string  `json:"job"`
	Place   string  `json:"place"`
	Values  values  `json:"values,omitempty"`
	Error   string  `json:"error,omitempty"`
	Outside float64 `json:"outside"` // share of a CPU; negative: not known
}

func (o outcome) line(round, attempt int) line {
	l := line{Round: round, Attempt: attempt, Side: o.m.side, Job: o.m.job, Place: string(o.m.place), Values: o.values, Outside: o.outside}
	if o.err != nil {
		l.Error = o.err.Error()
	}
	return l
}
