package workloads

import (
	"errors"
	"math"
	"sort"
	"strconv"
	"strings"
	"time"
)

// ParamType says how the text of a parameter is read.
type ParamType string

// The parameter types and their canonical texts: Int "50000", Float "0.5", Duration "5ms" (as time.Duration prints it),
// Bytes "65536" (input may say 64KiB, 1MB …), Choice one of Param.Choices.
const (
	Int      ParamType = "int"
	Float    ParamType = "float"
	Duration ParamType = "duration"
	Bytes    ParamType = "bytes"
	Choice   ParamType = "choice"
)

// Param describes one parameter of a workload or a strategy.
type Param struct {
	Name    string
	Type    ParamType
	Default string // canonical; empty only where Auto is set
	Doc     string // one line with the unit
	// Min and Max bound numbers, durations (in nanoseconds) and byte counts, both inclusive. Both zero: no bounds.
	Min, Max float64
	Choices  []string
	// Auto names the rule by which the harness chooses a machine-dependent default before it writes the plan, so that
	// the plan holds an explicit value: "llc-share" (bytes: see docs/workloads.md) or "calibrate:NAME" (iterations that
	// take as long as the duration parameter NAME).
	Auto string
}

// Params is a complete set of parameters in canonical text. The accessors return 0 for what Resolve would have refused.
type Params map[string]string

// Int returns an Int or Bytes parameter.
func (p Params) Int(name string) int {
	n, _ := strconv.ParseInt(p[name], 10, 64)
	return int(n)
}

// Float returns a Float parameter.
func (p Params) Float(name string) float64 {
	f, _ := strconv.ParseFloat(p[name], 64)
	return f
}

// Duration returns a Duration parameter.
func (p Params) Duration(name string) time.Duration {
	d, _ := time.ParseDuration(p[name])
	return d
}

// String returns the parameters as "a=1,b=2" sorted by name, the form the command line takes.
func (p Params) String() string {
	names := make([]string, 0, len(p))
	for n := range p {
		names = append(names, n)
	}
	sort.Strings(names)
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(n + "=" + p[n])
	}
	return b.String()
}

// ErrParam is wrapped by every error of Resolve and Check.
var ErrParam = errors.New("bad parameter")

type paramError struct{ msg string }

func (e *paramError) Error() string { return e.msg }
func (e *paramError) Unwrap() error { return ErrParam }

// Resolve checks the given parameters against their descriptions, fills in defaults and returns canonical texts.
// A parameter with an Auto rule that was not given stays absent: the caller applies the rule. Errors name the
// parameter, what was wrong and what would be right, and wrap ErrParam.
func Resolve(specs []Param, given map[string]string) (Params, error) {
	out := Params{}
	for name := range given {
		if !hasParam(specs, name) {
			return nil, &paramError{"no parameter " + strconv.Quote(name) + "; there " + listParams(specs)}
		}
	}
	for _, s := range specs {
		text, ok := given[s.Name]
		if !ok {
			if s.Default == "" {
				continue
			}
			text = s.Default
		}
		c, err := s.Canonical(text)
		if err != nil {
			return nil, err
		}
		out[s.Name] = c
	}
	return out, nil
}

// Check is for Prepare: every parameter must be there and valid, those with an Auto rule too. Errors wrap ErrParam.
func Check(specs []Param, p Params) error {
	for _, s := range specs {
		text, ok := p[s.Name]
		if !ok {
			return &paramError{"parameter " + s.Name + " is missing"}
		}
		if _, err := s.Canonical(text); err != nil {
			return err
		}
	}
	return nil
}

func hasParam(specs []Param, name string) bool {
	for _, s := range specs {
		if s.Name == name {
			return true
		}
	}
	return false
}

func listParams(specs []Param) string {
	if len(specs) == 0 {
		return "are none"
	}
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	if len(names) == 1 {
		return "is only " + names[0]
	}
	return "are " + strings.Join(names, ", ")
}

// Canonical checks one value and returns its canonical text.
func (s Param) Canonical(text string) (string, error) {
	bad := func(want string) error {
		return &paramError{"parameter " + s.Name + ": " + strconv.Quote(text) + " is not " + want}
	}
	var value float64
	var out, unit string
	switch s.Type {
	case Int:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return "", bad("a whole number")
		}
		value, out = float64(n), strconv.FormatInt(n, 10)
	case Bytes:
		n, ok := parseBytes(text)
		if !ok {
			return "", bad("a number of bytes such as 65536, 64KiB or 1MB")
		}
		value, out, unit = float64(n), strconv.FormatInt(n, 10), " bytes"
	case Float:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return "", bad("a finite number")
		}
		value, out = f, strconv.FormatFloat(f, 'g', -1, 64)
	case Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return "", bad("a duration such as 250us, 5ms or 1s")
		}
		value, out = float64(d), d.String()
	case Choice:
		for _, c := range s.Choices {
			if c == text {
				return text, nil
			}
		}
		return "", bad("one of " + strings.Join(s.Choices, ", "))
	default:
		return "", bad("of a known type")
	}
	if (s.Min != 0 || s.Max != 0) && (value < s.Min || value > s.Max) {
		lo, hi := s.bound(s.Min), s.bound(s.Max)
		return "", bad("between " + lo + " and " + hi + unit)
	}
	return out, nil
}

func (s Param) bound(v float64) string {
	if s.Type == Duration {
		return time.Duration(v).String()
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// parseBytes reads "4096", "64KiB", "64k", "1MB": binary prefixes with an i, decimal ones without.
func parseBytes(text string) (int64, bool) {
	digits := strings.TrimRight(text, "KMGkmgiBb")
	unit := strings.ToLower(text[len(digits):])
	unit = strings.TrimSuffix(unit, "b")
	var mult int64
	switch unit {
	case "":
		mult = 1
	case "k":
		mult = 1e3
	case "m":
		mult = 1e6
	case "g":
		mult = 1e9
	case "ki":
		mult = 1 << 10
	case "mi":
		mult = 1 << 20
	case "gi":
		mult = 1 << 30
	default:
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/mult {
		return 0, false
	}
	return n * mult, true
}
