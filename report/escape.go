package report

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// EscapeTerminal makes untrusted text harmless for a terminal: control characters (C0, DEL, C1), line and paragraph
// separators, bidirectional controls, invisible format characters and invalid UTF-8 become visible escapes such as \x1b
// and \u202e. What a CI system could take for a command ("::error::…" at the beginning of a line, "##[error]…" anywhere) is
// broken by a space. The result is one line.
func EscapeTerminal(s string) string {
	return disarmed(visible(s))
}

// Commands in the log of a CI system. GitHub's runner trims white space from a line and takes "::name::text" at its
// beginning, and the older "##[name]text" anywhere (actions/runner, ActionCommand.cs); others look for "##vso[" and
// "##teamcity[". Any word may come to stand at the beginning of a line when a text is wrapped.
var (
	leadingCommand = regexp.MustCompile(`(^|[\s\x{85}\pZ]):(:)`)
	innerCommand   = regexp.MustCompile(`#(#[A-Za-z]*\[)`)
)

func disarmed(s string) string {
	if strings.Contains(s, "::") {
		s = leadingCommand.ReplaceAllString(s, "$1: $2")
	}
	if strings.Contains(s, "##") {
		s = innerCommand.ReplaceAllString(s, "# $1")
	}
	return s
}

// inert goes over finished lines: what was broken inside a word, such as a long name after its colons, may begin one.
func inert(s string) string {
	if !strings.Contains(s, "::") {
		return s
	}
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = disarmed(l)
	}
	return strings.Join(lines, "\n")
}

func visible(s string) string {
	clean := true
	for _, r := range s {
		if hidden(r) || r == utf8.RuneError {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case hidden(r) && r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case hidden(r) && r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		case hidden(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}

// hidden reports whether a character could move the cursor, reorder text or pretend not to be there.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs)
}

// terminalLines splits captured output into lines, a tab as four spaces, each made harmless and clipped, and keeps n of them
// at most (excerpt).
// Empty lines at either end are left out.
func terminalLines(s string, n int) []string {
	s = strings.Trim(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	if s == "" {
		return nil
	}
	lines := excerpt(strings.Split(s, "\n"), n)
	for i, l := range lines {
		lines[i] = EscapeTerminal(clip(strings.ReplaceAll(strings.TrimRight(l, " \t\r"), "\t", "    ")))
	}
	return lines
}

// maxQuoted is how many characters of a reason or of a line of standard error are shown. The file has all of them.
const maxQuoted = 500

// clip cuts a text after maxQuoted characters and says so.
func clip(s string) string {
	n := 0
	for i := range s {
		if n == maxQuoted {
			return s[:i] + "… (cut)"
		}
		n++
	}
	return s
}

// zero is a zero-width space. It separates what GitHub would otherwise turn into a mention, an issue reference or a link
// after Markdown is done, when a backslash is no longer seen. Terminal text has none of its own.
const zero = "\u200b"

// linkers match the beginnings of what GitHub links by itself; a zero-width space goes between the two groups.
var linkers = regexp.MustCompile(`([@#])([\pL\pN_-])|(:)(//)|((?i:www))(\.)|((?i:gh)-)(\pN)`)

// markdownReplacer escapes what is special inside a line of GitHub Markdown, table cells included.
var markdownReplacer = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", `*`, `\*`, `_`, `\_`, `[`, `\[`, `]`, `\]`, `~`, `\~`, `$`, `\$`, `|`, `\|`, `!`, `\!`,
	`&`, `&amp;`, `<`, `&lt;`, `>`, `&gt;`, zero, `&#8203;`,
)

// EscapeMarkdown makes untrusted text harmless inside a line of GitHub Markdown: no markup, HTML, mention, issue reference or
// link comes of it, and it is one line. It must not be the first thing of a line, where "1." or "-" would begin a list.
func EscapeMarkdown(s string) string {
	s = linkers.ReplaceAllString(EscapeTerminal(s), "$1$3$5$7"+zero+"$2$4$6$8")
	return markdownReplacer.Replace(s)
}

// fence wraps untrusted lines in a code block whose fence is longer than any run of backticks in them.
func fence(info string, lines []string) string {
	bar := strings.Repeat("`", max(3, ticks(lines...)+1))
	return bar + info + "\n" + strings.Join(lines, "\n") + "\n" + bar + "\n"
}

// codeSpan is untrusted text of one line as code within a sentence, between more backticks than stand together in it.
func codeSpan(s string) string {
	bar := strings.Repeat("`", ticks(s)+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " " // of which Markdown takes one off each end
	}
	return bar + s + bar
}

// ticks is the largest number of backticks that stand together in one of the lines.
func ticks(lines ...string) int {
	longest := 0
	for _, l := range lines {
		run := 0
		for _, r := range l {
			if r == '`' {
				run++
				longest = max(longest, run)
			} else {
				run = 0
			}
		}
	}
	return longest
}

// linkPath makes a relative path fit for a Markdown link destination in angle brackets.
func linkPath(p string) string {
	parts := strings.Split(p, "/")
	for i, s := range parts {
		parts[i] = url.PathEscape(s)
	}
	return strings.Join(parts, "/")
}
