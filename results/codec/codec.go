// Package codec reads and writes results in the formats of other tools. Read takes a file of any tool that it knows by its
// content and returns a Suite, the neutral form that a comparison needs. The writers turn a run into Go benchmark text
// for benchstat, CSV for spreadsheets and data frames, and one JSON document; and a run with its estimates into what
// Bencher, github-action-benchmark and Prometheus take. Every writer leaves the run as it is and escapes the text that
// came from programs and files as its format requires. docs/interop.md says what each format keeps and loses. Non-goals:
// the run file itself (results), and anything computed from more than one trial (results/analysis): the writers of
// estimates are given them.
package codec

import (
	"fmt"
	"math"
	"math/bits"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/parbench/parbench/results"
)

// visible returns s with control characters, line and paragraph separators, text-direction marks and broken UTF-8 as Go
// escapes (\n, \x1b, \u2028), so that it stays on one line and does nothing to a terminal.
func visible(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) || r == utf8.RuneError }) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case plain(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += n
	}
	return b.String()
}

// plain reports whether r may stand in one line of text as it is.
func plain(r rune) bool {
	return r == ' ' || unicode.IsGraphic(r) && !unicode.Is(unicode.Zl, r) && !unicode.Is(unicode.Zp, r) && !unicode.Is(unicode.Cf, r)
}

// sum adds durations. A run that was read from a file cannot overflow it.
func sum(n results.Nanos) (s int64) {
	for _, v := range n {
		s += v
	}
	return s
}

// executions returns the number of measured executions of a task, batches × tasks, at most 2^63−1.
func executions(t *results.Trial) int64 {
	if t.Tasks <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(len(t.Wall)), uint64(t.Tasks))
	if hi != 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}
