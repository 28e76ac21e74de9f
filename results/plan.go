package results

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"time"
)

// ComputeHash returns the identity of the plan: the hex SHA-256 of its JSON (this package's field order, map keys sorted)
// with an empty Hash. Two plans that a run file cannot tell apart have the same hash. It is "" for a plan that JSON cannot
// hold, one with an infinite or undefined number; Create refuses such a plan.
func (p Plan) ComputeHash() string {
	p.Hash = ""
	// Through JSON and back first: nil and empty lists, or a broken and a replaced UTF-8 sequence, look different in
	// memory and the same in a file, and a resumed run compares a plan from a file with one from flags.
	b, err := json.Marshal(p)
	if err != nil {
		return ""
	}
	var read Plan
	if err := json.Unmarshal(b, &read); err != nil {
		return ""
	}
	if read.Workloads == nil {
		read.Workloads = []PlanEntry{}
	}
	if read.Cells == nil {
		read.Cells = []Cell{}
	}
	for i := range read.Cells {
		if len(read.Cells[i].CPUs) == 0 {
			read.Cells[i].CPUs = nil
		}
	}
	if b, err = json.Marshal(read); err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// idLetters has no l, o, 0 and 1, which people mistake for each other.
const idLetters = "abcdefghijkmnpqrstuvwxyz23456789"

// NewID returns an identifier for a run that sorts by time: the second in UTC and four letters from rnd, such as
// 20261120T221530Z-k3fq. Where rnd yields too little, the nanoseconds of t take its place. It is safe as a file name.
func NewID(t time.Time, rnd io.Reader) string {
	var b [4]byte
	if _, err := io.ReadFull(rnd, b[:]); err != nil {
		ns := t.Nanosecond()
		for i := range b {
			b[i] = byte(ns >> (5 * i))
		}
	}
	for i := range b {
		b[i] = idLetters[b[i]%byte(len(idLetters))]
	}
	return t.UTC().Format("20060102T150405Z") + "-" + string(b[:])
}
