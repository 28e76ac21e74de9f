// Package words splits a command line into words by the quoting rules of the POSIX shell, without a shell.
//
// Non-goals: everything else that a shell does with a line; what would need one is refused.
package words

import (
	"errors"
	"fmt"
	"strings"
)

// Split splits a command line by the quoting rules of the POSIX shell (2.2): a backslash keeps the next character, single
// quotes keep everything, double quotes everything but \ before \, ", $ and `. Nothing else of a shell is there: no
// variables, patterns, pipes or redirections. What would mean one of those unquoted is refused, so that nobody believes
// that it works.
func Split(line string) ([]string, error) {
	var words []string
	var b strings.Builder
	inside := false // of a word
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case ' ', '\t', '\n':
			if inside {
				words = append(words, b.String())
				b.Reset()
				inside = false
			}
		case '\'':
			end := strings.IndexByte(line[i+1:], '\'')
			if end < 0 {
				return nil, errors.New("a single quote is not closed")
			}
			b.WriteString(line[i+1 : i+1+end])
			i += end + 1
			inside = true
		case '"':
			inside = true
			closed := false
			for i++; i < len(line); i++ {
				if line[i] == '"' {
					closed = true
					break
				}
				if line[i] == '\\' && i+1 < len(line) && strings.IndexByte("\\\"$`", line[i+1]) >= 0 {
					i++
				} else if line[i] == '$' || line[i] == '`' {
					return nil, fmt.Errorf("%q would be expanded by a shell, and there is none: write 'sh -c …' around it, or quote it", line[i])
				}
				b.WriteByte(line[i])
			}
			if !closed {
				return nil, errors.New("a double quote is not closed")
			}
		case '\\':
			if i++; i == len(line) {
				return nil, errors.New("it ends in a backslash")
			}
			if line[i] != '\n' {
				b.WriteByte(line[i])
				inside = true
			}
		case '|', '&', ';', '<', '>', '(', ')', '$', '`', '*', '?':
			return nil, fmt.Errorf("%q means something to a shell, and there is none: write \"sh -c '…'\" around it, or quote it", c)
		default:
			b.WriteByte(c)
			inside = true
		}
	}
	if inside {
		words = append(words, b.String())
	}
	if len(words) == 0 {
		return nil, errors.New("it is empty")
	}
	return words, nil
}
