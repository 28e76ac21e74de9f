package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/parbench/parbench/internal/words"
)

// Index is the placeholder of a task's number.
const Index = "i"

// Placeholders returns the names in braces of a text, each once, in their order: {name} where name begins with a letter
// and goes on with letters, digits, _ and -. {{name}} is none.
func Placeholders(text string) []string {
	var names []string
	scan(text, func(string) {}, func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	})
	return names
}

// Expand replaces the placeholders that have a value. {{name}} becomes {name}; every other brace stays as it is.
func Expand(text string, value func(name string) (string, bool)) string {
	var b strings.Builder
	scan(text, func(s string) { b.WriteString(s) }, func(name string) {
		if v, ok := value(name); ok {
			b.WriteString(v)
			return
		}
		b.WriteString("{" + name + "}")
	})
	return b.String()
}

// scan takes a text apart into what stays and the names of placeholders.
func scan(text string, literal, placeholder func(string)) {
	for text != "" {
		open := strings.IndexByte(text, '{')
		if open < 0 {
			literal(text)
			return
		}
		literal(text[:open])
		text = text[open:]
		if n := nameLength(text[1:]); n > 0 && strings.HasPrefix(text[1+n:], "}") {
			placeholder(text[1 : 1+n])
			text = text[n+2:]
			continue
		}
		if rest, ok := strings.CutPrefix(text, "{{"); ok {
			if n := nameLength(rest); n > 0 && strings.HasPrefix(rest[n:], "}}") {
				literal("{" + rest[:n] + "}")
				text = rest[n+2:]
				continue
			}
		}
		literal("{")
		text = text[1:]
	}
}

// nameLength is how many bytes of a name text begins with.
func nameLength(text string) int {
	for i := range len(text) {
		c := text[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c != '-' && c != '_' && (c < '0' || c > '9')) {
			return i
		}
	}
	return len(text)
}

// IsName reports whether a parameter can have that name.
func IsName(name string) bool { return name != "" && nameLength(name) == len(name) }

// line is a command line that is ready to run but for the task's number: the parameters stand in it.
type line struct {
	text  string // as the user would recognise it
	whole word   // the same, cut where the task's number goes
	words []word
	path  string // of the program, where it has been found already
}

// word is one argument, cut where the task's number goes.
type word []string

// parse takes a line apart. With a shell it is the shell's one argument. A value is never split into words.
func parse(shell, text string, value func(string) (string, bool)) (line, error) {
	l := line{text: Expand(text, value), whole: cut(text, value)}
	if shell != "" {
		l.words = []word{{shell}, {"-c"}, cut(text, value)}
		return l, nil
	}
	list, err := words.Split(text)
	if err != nil {
		return line{}, fmt.Errorf("%w; or add --shell", err)
	}
	for _, w := range list {
		l.words = append(l.words, cut(w, value))
	}
	return l, nil
}

// cut expands everything but {i}, at which it cuts.
func cut(text string, value func(string) (string, bool)) word {
	parts := []string{""}
	add := func(s string) { parts[len(parts)-1] += s }
	scan(text, add, func(name string) {
		if name == Index {
			parts = append(parts, "")
			return
		}
		v, ok := value(name)
		if !ok {
			v = "{" + name + "}"
		}
		add(v)
	})
	return parts
}

// numbered reports whether every task is a command of its own.
func (l line) numbered() bool { return len(l.whole) > 1 }

// at is the argument in task i.
func (w word) at(i string) string { return strings.Join(w, i) }

// args are the arguments in task i, the program's name first.
func (l line) args(i string) []string {
	out := make([]string, len(l.words))
	for k, w := range l.words {
		out[k] = w.at(i)
	}
	return out
}
