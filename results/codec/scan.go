package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Bounds of what other tools write. Real files stay far below: their JSON nests eight deep at most, and an object is a
// benchmark, a run or a repetition. A value takes some hundred bytes while its file is read.
const (
	maxDepth   = 64
	maxObjects = 1 << 18
	maxValues  = 8 << 20
)

// prepare checks the bounds of a JSON text and writes null for the bare NaN and Infinity that Google Benchmark and
// Python write and JSON does not have. It does not check the syntax otherwise. Lines stay where they are.
func prepare(data []byte) ([]byte, error) {
	var out []byte // nil until the first replacement
	copied := 0
	depth, objects, values := 0, 0, 1
	for i := 0; i < len(data); i++ {
		switch c := data[i]; c {
		case '"':
			i = endOfString(data, i)
		case '{', '[':
			depth++
			if c == '{' {
				objects++
			}
		case '}', ']':
			depth--
		case ',':
			values++
		case 'n', 'N', 'i', 'I', '-':
			n := notFinite(data[i:])
			if n == 0 {
				continue
			}
			out = append(append(out, data[copied:i]...), "null"...)
			i += n - 1
			copied = i + 1
		}
		var msg string
		switch {
		case depth > maxDepth:
			msg = fmt.Sprintf("JSON nested more than %d deep, which no tool that is known writes", maxDepth)
		case objects > maxObjects:
			msg = fmt.Sprintf("JSON of more than %d objects; split the file", maxObjects)
		case values > maxValues:
			msg = fmt.Sprintf("JSON of more than %d values; split the file", maxValues)
		default:
			continue
		}
		return nil, &FormatError{Line: lineAt(data, i), Msg: msg}
	}
	if out == nil {
		return data, nil
	}
	return append(out, data[copied:]...), nil
}

// endOfString returns the index of the quote that ends the string beginning at i, or that of the last byte.
func endOfString(data []byte, i int) int {
	for i++; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(data) - 1
}

// notFinite returns the length of a bare NaN or Infinity at the start of b, or 0.
func notFinite(b []byte) int {
	n := 0
	if len(b) > 0 && b[0] == '-' {
		n = 1
	}
	for _, word := range []string{"nan", "infinity", "inf"} {
		if len(b) >= n+len(word) && bytes.EqualFold(b[n:n+len(word)], []byte(word)) {
			return n + len(word)
		}
	}
	return 0
}

func lineAt(data []byte, offset int) int {
	return 1 + bytes.Count(data[:min(max(offset, 0), len(data))], []byte("\n"))
}

// broken turns an error of encoding/json about a file into one that a user can act on.
func broken(format string, data []byte, err error) *FormatError {
	e := &FormatError{Format: format, Err: err}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		e.Line = lineAt(data, int(syntax.Offset))
		e.Msg = fmt.Sprintf("not whole JSON: %v; the file was cut off or edited, or holds several documents: make it again", err)
		return e
	}
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		e.Line = lineAt(data, int(kind.Offset))
		e.Msg = fmt.Sprintf("%s is a JSON %.40s, which is not what belongs there; the file is of another version or tool",
			field(kind.Field), kind.Value)
		return e
	}
	e.Msg = fmt.Sprintf("%v; the file is of another version or tool", err)
	return e
}

func field(path string) string {
	if path == "" {
		return "the file as a whole"
	}
	return fmt.Sprintf("%.200s", path)
}

// number is a JSON number, or what tools write for one that is none: null and strings such as "NaN" are NaN.
type number float64

// UnmarshalJSON reads a number, null or a string.
func (n *number) UnmarshalJSON(b []byte) error {
	v, err := parseNumber(b)
	*n = number(v)
	return err
}

// value returns what n points to, NaN for nil.
func (n *number) value() float64 {
	if n == nil {
		return math.NaN()
	}
	return float64(*n)
}

func parseNumber(b []byte) (float64, error) {
	if string(b) == "null" || len(b) > 0 && b[0] == '"' {
		return math.NaN(), nil
	}
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // out of range: infinite, which is left out like NaN
		return 0, fmt.Errorf("%.40q stands where a number belongs", b)
	}
	return v, nil
}

// numbers is a flat JSON array of numbers. Reading it whole takes a third of the time of reading each by reflection.
type numbers []float64

// UnmarshalJSON reads an array of what number reads, or null.
func (n *numbers) UnmarshalJSON(b []byte) error {
	*n = nil
	if string(b) == "null" {
		return nil
	}
	return eachElement(b, func(element []byte) error {
		v, err := parseNumber(element)
		if err == nil {
			*n = append(*n, v)
		}
		return err
	})
}

// eachElement calls f with each element of a valid JSON array, without the space around it.
func eachElement(b []byte, f func([]byte) error) error {
	b = bytes.TrimSpace(b)
	if len(b) < 2 || b[0] != '[' {
		return fmt.Errorf("%.40q stands where a list of numbers belongs", b)
	}
	b = b[1 : len(b)-1]
	depth, first := 0, 0
	flush := func(end int) error {
		if element := bytes.TrimSpace(b[first:end]); len(element) > 0 {
			return f(element)
		}
		return nil
	}
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = endOfString(b, i)
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case ',':
			if depth > 0 {
				continue
			}
			if err := flush(i); err != nil {
				return err
			}
			first = i + 1
		}
	}
	return flush(len(b))
}

// scalar is any JSON value as text: strings without quotes, numbers and words as written, nothing for lists and objects.
type scalar string

// UnmarshalJSON reads any value.
func (s *scalar) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case '"':
		return json.Unmarshal(b, (*string)(s))
	case '{', '[', 'n':
		*s = ""
	default:
		*s = scalar(b)
	}
	return nil
}
