package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis/quantity"
	"github.com/parbench/parbench/results/stat"
)

// level is the confidence that intervals are asked for, fewest how many rounds that takes.
const (
	level  = 0.95
	fewest = 6
)

// mostFailures is how many are told.
const mostFailures = 5

// report is a finished run.
type report struct {
	rows        []row
	opts        options
	environment results.Environment
	cpus        [2]int
	source      string // of the CPU time of others, "" for none
	python      string // version, "" without Python
	date        time.Time
	took        time.Duration
	used        []attempt
	attempts    int
	failures    []string
}

// verdict is how a row ends.
type verdict string

const (
	reached   verdict = "ok"
	missed    verdict = "MISS"
	reporting verdict = "report"
	open      verdict = "not compared"
)

// result is a row with its figures.
type result struct {
	row
	own, peer []float64 // one figure a round, where the round has one
	ratio     stat.Interval
	quiet     int // rounds in which nobody disturbed any of it
	rounds    int
	verdict   verdict
	unclear   bool // missed, but the bar lies inside the interval
	note      string
}

// results works out every row.
func (r *report) results() (all []result) {
	for _, w := range r.rows {
		all = append(all, judge(w, r.used, r.python != ""))
	}
	return all
}

func (r *report) missed() (n int) {
	for _, res := range r.results() {
		if res.verdict == missed {
			n++
		}
	}
	return n
}

// judge gathers the figures of a row and compares them with its bar.
func judge(w row, used []attempt, withPython bool) result {
	res := result{row: w}
	var num, den []float64
	for _, a := range used {
		mine, ok := a.find(w.own)
		if mine == nil {
			continue // this attempt belongs to other rows
		}
		res.rounds++
		disturbance := mine.outside
		if !ok {
			res.note = failure(w.own.side, mine)
			continue
		}
		x := mine.values[w.own.value]
		res.own = append(res.own, x)
		if theirs, ok := a.find(w.peer); ok {
			y := theirs.values[w.peer.value]
			res.peer, num, den = append(res.peer, y), append(num, x), append(den, y)
			disturbance = max(disturbance, theirs.outside)
		} else if theirs != nil {
			res.note = failure(w.peer.side, theirs)
		}
		if disturbance <= disturbed {
			res.quiet++
		}
	}
	if len(num) > 0 {
		if w.speed {
			num, den = den, num
		}
		iv, _, err := stat.PairedRatio(num, den, level)
		if err != nil {
			res.note = "no ratio: " + err.Error()
		}
		res.ratio = iv
	}
	res.decide(withPython)
	return res
}

// find returns the outcome that a figure is in, nil where there is none, and whether it has the figure.
func (a attempt) find(f figure) (o *outcome, ok bool) {
	i := slices.IndexFunc(a.outcomes, func(o outcome) bool { return o.m == f.measurement })
	if i < 0 {
		return nil, false
	}
	_, ok = a.outcomes[i].values[f.value]
	return &a.outcomes[i], ok
}

func failure(s side, o *outcome) string {
	if o.err != nil {
		return string(s) + ": " + o.err.Error()
	}
	return string(s) + " did not return the figure"
}

// decide gives the verdict. A bar is reached when the whole interval has reached it, so that the next run is likely to
// say the same; below six rounds there is no interval, and the estimate decides.
func (r *result) decide(withPython bool) {
	b := r.bar
	iv := r.ratio
	switch {
	case len(r.own) == 0:
		r.verdict = missed
		return
	case b.absolute > 0:
		b.most = b.absolute
		iv, _ = stat.MedianInterval(r.own, level)
	case b == bar{}:
		r.verdict = reporting
		return
	case !withPython && r.row.peer.side == python:
		r.verdict = open
		return
	case iv.N == 0: // the peer failed, or the ratio did: the bar is not reached, whoever is to blame
		r.verdict = missed
		return
	}
	r.verdict = missed
	if b.least > 0 && iv.Lo >= b.least || b.most > 0 && iv.Hi <= b.most {
		r.verdict = reached
	} else if iv.Lo < max(b.least, b.most) && max(b.least, b.most) < iv.Hi {
		r.unclear = true
	}
}

// publish writes the table to w, and to the file if there is one.
func (r *report) publish(w io.Writer, file string) error {
	if err := r.write(w); err != nil {
		return err
	}
	if file == "" {
		return nil
	}
	var b bytes.Buffer
	if err := r.write(&b); err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}

// write writes the report as Markdown that can be read as text.
func (r *report) write(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# multiproc and Python's multiprocessing, side by side\n\n")
	b.WriteString("Written by `make bench-multiproc`; do not edit.\n\n")
	r.header(&b)
	all := r.results()
	b.WriteString("\n")
	cells := [][]string{{"work", "compared with", "its figure", "multiproc", "ratio", "bar", "quiet", "verdict"}}
	for _, res := range all {
		cells = append(cells, res.cells())
	}
	table := pad(cells)
	b.WriteString(table + "\n")
	r.summary(&b, all)
	_, err := io.WriteString(w, b.String())
	return err
}

// header says what the figures come from.
func (r *report) header(b *strings.Builder) {
	e := r.environment
	item := func(name, format string, args ...any) {
		fmt.Fprintf(b, "* %s: %s\n", name, plain(fmt.Sprintf(format, args...)))
	}
	virtual := ""
	if e.Virtualisation != "" {
		virtual = " (" + e.Virtualisation + ")"
	}
	item("machine", "%s, %d logical CPUs%s, %s of memory", e.CPUModel, e.LogicalCPUs, virtual, quantity.Size(float64(e.MemoryBytes)))
	item("kernel", "%s %s, %s", e.OS, e.Kernel, e.Arch)
	item("versions", "multiproc %s, %s, %s", version, runtime.Version(), cmp.Or(r.python, "no Python: nothing is compared with it"))
	item("date", "%s, %.0f s", r.date.Format("2006-01-02 15:04 UTC"), r.took.Seconds())
	item("command", "%s", r.command())
	item("repetitions", "%d rounds on CPUs %s, in random order from seed %d; each figure from a fresh process, what is "+
		"compared directly one after the other", r.opts.rounds, host.FormatList(r.cpus[:]), r.opts.seed)
	for i, f := range r.failures {
		if i == mostFailures {
			item("failed", "and %d more", len(r.failures)-i)
			break
		}
		item("failed", "%s", f)
	}
	if r.source == "" {
		item("disturbance", "not known: this machine does not say what CPU time others used")
		return
	}
	item("disturbance", "%d of %d repetitions were made again because others used more than %s of a CPU (source: %s); %d of "+
		"those that count were disturbed nevertheless", r.attempts-len(r.used), len(r.used), quantity.Percent(disturbed), r.source, noisy(r.used))
}

// command is what was typed, as far as it matters for the figures.
func (r *report) command() string {
	c := "make bench-multiproc"
	if p := r.opts.rows.String(); p != "." {
		c += " BENCH='" + p + "'"
	}
	return fmt.Sprintf("%s ROUNDS=%d", c, r.opts.rounds)
}

// summary counts the verdicts and explains the table.
func (r *report) summary(b *strings.Builder, all []result) {
	count, unclear, notes := make(map[verdict]int), 0, ""
	for _, res := range all {
		count[res.verdict]++
		if res.unclear {
			unclear++
		}
		if res.note != "" {
			notes += fmt.Sprintf("\n* %s (%s): %s", plain(res.work), res.name, plain(res.note))
		}
	}
	fmt.Fprintf(b, "%d ok, %d MISS, %d report only", count[reached], count[missed], count[reporting])
	if count[open] > 0 {
		fmt.Fprintf(b, ", %d not compared: there is no Python here", count[open])
	}
	b.WriteString(".")
	if unclear > 0 {
		fmt.Fprintf(b, " Of the MISSes %d have the bar inside their interval: more rounds or a quieter machine would tell.", unclear)
	}
	b.WriteString("\n")
	if notes != "" {
		b.WriteString(notes + "\n")
	}
	few := ""
	if r.opts.rounds < fewest {
		few = fmt.Sprintf(" With fewer than %d rounds there is no interval, and the estimate decides.", fewest)
	}
	fmt.Fprintf(b, `
Figures are medians over the rounds, with the quartiles in brackets. A ratio is multiproc's figure over the other one of
the same round; for the wake-ups of events it is the other way round, so that it is a speed. It is the Hodges-Lehmann
estimate from the paired logarithms, with its interval of at least %s confidence. A row is "ok" when the whole interval
has reached the bar.%s "quiet" counts the rounds in which nobody disturbed either side.

"Apart" means that each process is pinned to a CPU of its own. Processes that spin while they wait may use both CPUs:
where it has only one, multiproc does not spin.
`, quantity.Level(level), few)
}

// cells is the row as text.
func (r *result) cells() []string {
	other, ratio, bound := "", "", r.bar.String()
	if len(r.peer) > 0 {
		other = spread(r.unit, r.peer)
	}
	if r.ratio.N > 0 {
		ratio = quantity.Digits(r.ratio.Point, 3)
		if r.ratio.Level > 0 {
			ratio += " (" + quantity.Digits(r.ratio.Lo, 3) + " to " + quantity.Digits(r.ratio.Hi, 3) + ")"
		}
	}
	if r.bar.absolute > 0 {
		bound = "≤ " + amount(r.unit, r.bar.absolute)
	}
	mine := "failed"
	if len(r.own) > 0 {
		mine = spread(r.unit, r.own)
	}
	return []string{r.work, r.peerName, other, mine, ratio, bound, fmt.Sprintf("%d/%d", r.quiet, r.rounds), string(r.verdict)}
}

// spread writes the median with the quartiles.
func spread(u unit, x []float64) string {
	m, err := stat.Median(x)
	if err != nil {
		return "?"
	}
	lo, err1 := stat.Quantile(x, .25)
	hi, err2 := stat.Quantile(x, .75)
	if len(x) < 3 || err1 != nil || err2 != nil {
		return amount(u, m)
	}
	return amount(u, m) + " (" + amount(u, lo) + " to " + amount(u, hi) + ")"
}

// amount writes one figure with three digits.
func amount(u unit, v float64) string {
	switch u {
	case seconds:
		return quantity.Duration(v)
	case cpuShare:
		return quantity.Digits(v*1e3, 2) + " CPU ms/s"
	}
	prefix, scale := "", 1.0
	for _, p := range []struct {
		prefix string
		scale  float64
	}{{"k", 1e3}, {"M", 1e6}, {"G", 1e9}} {
		if v >= 0.9995*p.scale {
			prefix, scale = p.prefix, p.scale
		}
	}
	return quantity.Digits(v/scale, 3) + " " + prefix + string(u)
}

// pad lays cells out as a Markdown table whose columns line up.
func pad(cells [][]string) string {
	width := make([]int, len(cells[0]))
	for _, line := range cells {
		for i, c := range line {
			width[i] = max(width[i], utf8.RuneCountInString(escape(c)))
		}
	}
	var b strings.Builder
	for n, line := range cells {
		for i, c := range line {
			c = escape(c)
			b.WriteString("| " + c + strings.Repeat(" ", width[i]-utf8.RuneCountInString(c)+1))
		}
		b.WriteString("|\n")
		if n == 0 {
			for _, w := range width {
				b.WriteString("|" + strings.Repeat("-", w+2))
			}
			b.WriteString("|\n")
		}
	}
	return b.String()
}

// escape keeps text that comes from elsewhere from being read as Markdown, or from breaking a line, inside a table too.
func escape(s string) string { return strings.ReplaceAll(plain(s), "|", `\|`) }

// plain does that outside of tables.
func plain(s string) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, s)
	return strings.NewReplacer("`", "'", "<", "&lt;").Replace(s)
}
