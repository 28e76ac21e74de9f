package report

import (
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// column is one column of a grid. Its layout knows nothing of what stands in it.
type column struct {
	head string // of a terminal, up to two lines
	long string // of a page, and where a column is named that does not fit
	left bool   // aligned left; else right
	// drop says when the column goes where space is short: the highest goes first, 0 never.
	drop int
	// intervals follow the values of a column in brackets; they go before any column whose drop is 1.
	intervals bool
	// cost columns stand in a page's second table, key columns in both.
	cost, key bool
	// wrap allows the cells to be broken between the parts of a name where space is short.
	wrap bool
	// terminal columns are left out of a page.
	terminal bool
}

// line is one row of a grid.
type line struct {
	cells []string // untrusted text, one per column
	style style
}

// style is how a row stands out.
type style int

const (
	plain style = iota
	strong
	faint
)

// grid is a table of text, ready to be laid out for a terminal or for a page. The zero value is an empty one.
type grid struct {
	cols  []column
	lines []line
}

// narrowest is the least width that the wrapping column is narrowed to: names are broken between their parts and, where
// one part alone is wider than maxPart, inside it.
func (g *grid) narrowest() int {
	need := 0
	for i, c := range g.cols {
		if !c.wrap {
			continue
		}
		for _, r := range g.lines {
			for k, p := range nameParts(EscapeTerminal(r.cells[i])) {
				w := text.StringWidth(p)
				if k > 0 {
					w += len(partIndent)
				}
				need = max(need, w)
			}
		}
	}
	return max(8, min(need, maxPart))
}

const (
	maxPart    = 24
	partIndent = "    "
)

// nameParts splits a name after / : , and =.
func nameParts(s string) []string {
	var parts []string
	from := 0
	for i, r := range s {
		if strings.ContainsRune("/:,=", r) {
			parts = append(parts, s[from:i+1])
			from = i + 1
		}
	}
	return append(parts, s[from:])
}

// layout is how much of a grid is shown and how tightly.
type layout struct {
	show []int // indices of columns
	gap  int
	wrap int // width of the wrapping column; 0: as needed
	// bare are the columns whose intervals are left out.
	bare []int
}

// head and cell are what a layout shows of a column.
func (g *grid) head(l layout, col int) string {
	h := g.cols[col].head
	if slices.Contains(l.bare, col) {
		h, _, _ = strings.Cut(h, "[")
	}
	return strings.TrimSpace(h)
}

func (g *grid) cell(l layout, row, col int) string {
	s := g.lines[row].cells[col]
	if slices.Contains(l.bare, col) {
		s, _, _ = strings.Cut(s, " [")
		s = strings.TrimRight(s, " ")
	}
	return s
}

// text lays the grid out for a terminal of that many columns. It returns the lines and the names of the columns that
// found no room. A grid that cannot be narrow enough is wider, rather than cut.
func (g *grid) text(width int, ink ink) (out string, left []string) {
	l := g.fit(width)
	w := table.NewWriter()
	w.SetStyle(plainStyle(l.gap))
	w.SuppressTrailingSpaces()
	shown := map[int]bool{}
	configs := make([]table.ColumnConfig, 0, len(l.show))
	head := make(table.Row, 0, len(l.show))
	for k, i := range l.show {
		shown[i] = true
		align := text.AlignRight
		if g.cols[i].left {
			align = text.AlignLeft
		}
		c := table.ColumnConfig{Number: k + 1, Align: align, AlignHeader: align, VAlignHeader: text.VAlignBottom}
		if g.cols[i].wrap && l.wrap > 0 {
			c.WidthMax, c.WidthMaxEnforcer = l.wrap, breakName
		}
		configs = append(configs, c)
		head = append(head, g.head(l, i))
	}
	w.SetColumnConfigs(configs)
	w.AppendHeader(head)
	for k, r := range g.lines {
		row := make(table.Row, 0, len(l.show))
		for _, i := range l.show {
			// Coloured after wrapping would be simpler, but the width of an escape sequence is known to the writer.
			row = append(row, ink.row(r.style, EscapeTerminal(g.cell(l, k, i))))
		}
		w.AppendRow(row)
	}
	for i, c := range g.cols {
		switch {
		case !shown[i]:
			left = append(left, c.long)
		case slices.Contains(l.bare, i):
			name, _, _ := strings.Cut(c.long, ",")
			left = append(left, "the intervals of "+name)
		}
	}
	return w.Render() + "\n", left
}

// plainStyle is a table without borders: a rule under the header, and the given number of spaces between columns.
func plainStyle(gap int) table.Style {
	s := table.StyleDefault
	s.Box = table.StyleBoxLight
	s.Box.PaddingLeft, s.Box.PaddingRight = "", strings.Repeat(" ", gap)
	s.Options = table.Options{SeparateHeader: true}
	s.Format.Header = text.FormatDefault
	s.Color = table.ColorOptions{}
	return s
}

// fit finds the roomiest layout that is no wider than width.
func (g *grid) fit(width int) layout {
	show := make([]int, len(g.cols))
	for i := range show {
		show[i] = i
	}
	narrow := g.narrowest()
	var bare []int
	for {
		for _, try := range []layout{{show, 2, 0, bare}, {show, 2, narrow, bare}, {show, 1, narrow, bare}} {
			if g.width(try) <= width {
				return g.widen(try, width)
			}
		}
		worst := -1
		for k, i := range show {
			if g.cols[i].drop > 0 && (worst < 0 || g.cols[i].drop > g.cols[show[worst]].drop) {
				worst = k
			}
		}
		if worst < 0 || g.cols[show[worst]].drop == 1 {
			if i := slices.IndexFunc(show, func(i int) bool { return g.cols[i].intervals && !slices.Contains(bare, i) }); i >= 0 {
				bare = append(slices.Clone(bare), show[i])
				continue
			}
		}
		if worst < 0 {
			return layout{show, 1, narrow, bare}
		}
		show = append(append([]int{}, show[:worst]...), show[worst+1:]...)
	}
}

// widen gives the wrapping column the room that is left.
func (g *grid) widen(l layout, width int) layout {
	if l.wrap == 0 {
		return l
	}
	for l.wrap < width {
		wider := l
		wider.wrap++
		if g.width(wider) > width {
			break
		}
		l = wider
	}
	return l
}

// width is how wide the grid is in that layout.
func (g *grid) width(l layout) int {
	total := 0
	for _, i := range l.show {
		w := 0
		for _, h := range strings.Split(g.head(l, i), "\n") {
			w = max(w, text.StringWidth(h))
		}
		for k := range g.lines {
			c := text.StringWidth(EscapeTerminal(g.cell(l, k, i)))
			if g.cols[i].wrap && l.wrap > 0 {
				c = min(c, l.wrap)
			}
			w = max(w, c)
		}
		total += w + l.gap
	}
	return total // the last column has its gap too: the rule under the header is that long
}

// breakName breaks a name that is wider than width, between its parts where it can, and indents what follows.
func breakName(s string, width int) string {
	if text.StringWidthWithoutEscSequences(s) <= width {
		return s
	}
	before, body, after := splitInk(s)
	var out []string
	cur := ""
	for _, p := range nameParts(body) {
		for text.StringWidth(cur)+text.StringWidth(p) > width {
			if cur == "" || cur == partIndent {
				cut := hardCut(p, width-text.StringWidth(cur))
				out = append(out, cur+p[:cut])
				p = p[cut:]
			} else {
				out = append(out, cur)
			}
			cur = partIndent
		}
		cur += p
	}
	if strings.TrimSpace(cur) != "" {
		out = append(out, cur)
	}
	return before + strings.Join(out, after+"\n"+before) + after
}

// hardCut is the length in bytes of the longest beginning of s that is no wider than width, at least one character.
func hardCut(s string, width int) int {
	n, w := 0, 0
	for i, r := range s {
		w += text.RuneWidth(r)
		if w > width && i > 0 {
			return i
		}
		n = i + len(string(r))
	}
	return n
}

// part is the grid with the key columns and either those that are about cost or all others.
func (g *grid) part(cost bool) *grid {
	out := &grid{lines: make([]line, len(g.lines))}
	for k, l := range g.lines {
		out.lines[k].style = l.style
	}
	for i, c := range g.cols {
		if !c.key && c.cost != cost {
			continue
		}
		out.cols = append(out.cols, c)
		for k, l := range g.lines {
			out.lines[k].cells = append(out.lines[k].cells, l.cells[i])
		}
	}
	return out
}

// only is the grid with the rows, by number, that pick chooses.
func (g *grid) only(pick func(i int) bool) *grid {
	out := &grid{cols: g.cols}
	for i, l := range g.lines {
		if pick(i) {
			out.lines = append(out.lines, l)
		}
	}
	return out
}

// markdown lays the grid out as a table of GitHub Markdown. Numbers are not broken from their intervals and units, and a
// row that has the winner's mark is not made wider by bold type.
func (g *grid) markdown() string {
	var b strings.Builder
	rule := ""
	for _, c := range g.cols {
		if c.terminal {
			continue
		}
		b.WriteString("| " + EscapeMarkdown(strings.ReplaceAll(c.long, "\n", " ")) + " ")
		if c.left {
			rule += "|:--"
		} else {
			rule += "|--:"
		}
	}
	b.WriteString("|\n" + rule + "|\n")
	for _, r := range g.lines {
		for i, c := range r.cells {
			if g.cols[i].terminal {
				continue
			}
			words, marked := strings.Fields(c), false
			blank := " "
			if !g.cols[i].left {
				blank = "\u00a0"
			}
			if len(words) > 1 && words[0] == winMark {
				words, marked = append([]string{winMark + "\u00a0" + words[1]}, words[2:]...), true
			}
			text := EscapeMarkdown(strings.Join(words, blank))
			if i == 0 && r.style == strong && !marked {
				text = "**" + text + "**"
			}
			b.WriteString("| " + text + " ")
		}
		b.WriteString("|\n")
	}
	return b.String()
}
