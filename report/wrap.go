package report

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
)

// wrapped breaks a text between words so that no line is wider than width, where words allow it. The first line begins
// with first, the others with as many spaces.
func wrapped(first, s string, width int) string {
	indent := strings.Repeat(" ", text.StringWidthWithoutEscSequences(first))
	var b strings.Builder
	b.WriteString(first)
	col := len(indent)
	fresh := true
	for _, word := range glue(strings.Fields(s)) {
		w := text.StringWidthWithoutEscSequences(word)
		if !fresh && col+1+w > width {
			b.WriteString("\n" + indent)
			col, fresh = len(indent), true
		}
		if !fresh {
			b.WriteByte(' ')
			col++
		}
		b.WriteString(word)
		col += w
		fresh = false
	}
	b.WriteByte('\n')
	return b.String()
}

// glue joins a number with the unit after it, so that "2 %" is not broken.
func glue(words []string) []string {
	var out []string
	for _, w := range words {
		if n := len(out); n > 0 && unitWord(w) && strings.ContainsAny(out[n-1], "0123456789") {
			out[n-1] += " " + w
			continue
		}
		out = append(out, w)
	}
	return out
}

func unitWord(w string) bool {
	switch strings.TrimRight(w, ".,;:)") {
	case "%", "ns", "µs", "ms", "s", "B", "KiB", "MiB", "GiB":
		return true
	}
	return false
}
