package report

import "strings"

// ink writes terminal attributes, or none. The caller of Text decides; neither the environment nor the writer's kind is
// looked at here, and the table library's own colours, which look at the environment, are not used.
type ink bool

// The attributes in use. Severity is never told by colour alone: the word stands beside it.
const (
	reset  = "\x1b[0m"
	bold   = "\x1b[1m"
	dim    = "\x1b[2m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
)

func (k ink) paint(attr, s string) string {
	if !k || s == "" {
		return s
	}
	return attr + s + reset
}

func (k ink) row(st style, s string) string {
	switch st {
	case strong:
		return k.paint(bold, s)
	case faint:
		return k.paint(dim, s)
	}
	return s
}

// splitInk takes the attributes off a painted cell. Cells are made harmless before they are painted, so that a leading
// escape character can only be ours.
func splitInk(s string) (before, body, after string) {
	if !strings.HasPrefix(s, "\x1b[") || !strings.HasSuffix(s, reset) {
		return "", s, ""
	}
	i := strings.IndexByte(s, 'm') + 1
	return s[:i], strings.TrimSuffix(s[i:], reset), reset
}
