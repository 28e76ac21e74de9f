// Package words splits a command line into words by the quoting rules of the POSIX shell, without a shell.
//
// Non-goals: everything else that a shell does with a line; what would need one is refused.
package words

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Split splits a command line by the quoting rules of the POSIX shell (2.2): a backslash keeps the next character, single
// quotes keep everything, double quotes everything but \ before \, ", $ and `. Nothing else of a shell is there: no
// variables, patterns, pipes or redirections. What would mean one of those unquoted is refused, so that nobody believes
// that it works; Literal finds what may be meant as it stands.
func Split(line string) ([]string, error) {
	list, err := split(line)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(list))
	for k, w := range list {
		out[k] = w.text.String()
	}
	return out, nil
}

// Literal returns the first word of a line that a shell would change, and Split leaves as it stands, with what the shell
// would do: a home directory (~), a pattern in brackets, a list in braces, a comment. It is empty where there is none, and
// for a line that Split refuses.
func Literal(line string) (word, meaning string) {
	list, err := split(line)
	if err != nil {
		return "", ""
	}
	for _, w := range list {
		if m := w.meaning(); m != "" {
			return w.text.String(), m
		}
	}
	return "", ""
}

// word is one of a line, and the same with a blank, which has no meaning inside a word, for all that was quoted.
type word struct{ text, bare strings.Builder }

func (w *word) add(text string, quoted bool) {
	w.text.WriteString(text)
	if quoted {
		text = strings.Repeat(" ", max(1, len(text))) // "" too ends what is before it
	}
	w.bare.WriteString(text)
}

// What a shell matches with files' names, and what bash and zsh write out.
var (
	brackets = regexp.MustCompile(`\[[!^]?[^\]]+\]`)
	braces   = regexp.MustCompile(`\{([^{}]*,[^{}]*|[^{} ]+\.\.[^{} ]+)\}`)
)

func (w *word) meaning() string {
	switch bare := w.bare.String(); {
	case strings.HasPrefix(bare, "~"):
		return "put a home directory for ~"
	case strings.HasPrefix(bare, "#"):
		return "take the rest of the line for a comment"
	case brackets.MatchString(bare):
		return "look for files that match it"
	case braces.MatchString(bare):
		return "write out the list in braces (bash does)"
	}
	return ""
}

func split(line string) ([]*word, error) {
	var words []*word
	var w *word // nil: not inside one
	add := func(text string, quoted bool) {
		if w == nil {
			w = &word{}
			words = append(words, w)
		}
		w.add(text, quoted)
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case ' ', '\t', '\n':
			w = nil
		case '\'':
			end := strings.IndexByte(line[i+1:], '\'')
			if end < 0 {
				return nil, errors.New("a single quote is not closed")
			}
			add(line[i+1:i+1+end], true)
			i += end + 1
		case '"':
			add("", true)
			closed := false
			for i++; i < len(line); i++ {
				if line[i] == '"' {
					closed = true
					break
				}
				if line[i] == '\\' && i+1 < len(line) && strings.IndexByte("\\\"$`", line[i+1]) >= 0 {
					i++
				} else if line[i] == '$' || line[i] == '`' {
					return nil, fmt.Errorf("%q in double quotes would be expanded by a shell, and there is none: write single quotes there, sh -c '…', or a backslash before it", line[i])
				}
				add(line[i:i+1], true)
			}
			if !closed {
				return nil, errors.New("a double quote is not closed")
			}
		case '\\':
			if i++; i == len(line) {
				return nil, errors.New("it ends in a backslash")
			}
			if line[i] != '\n' {
				add(line[i:i+1], true)
			}
		case '|', '&', ';', '<', '>', '(', ')', '$', '`', '*', '?':
			return nil, fmt.Errorf("%q means something to a shell, and there is none: write \"sh -c '…'\" around it, or quote it", c)
		default:
			add(line[i:i+1], false)
		}
	}
	if len(words) == 0 {
		return nil, errors.New("it is empty")
	}
	return words, nil
}
