// Package plot draws the figures of a report as SVG and PNG: time per task, speedup, efficiency, distribution, CPU
// seconds per wall second and where the workers' time goes, of each workload.
//
// It draws with the vector graphics, fonts and back ends of gonum.org/v1/plot, of which it is the only importer, and
// lays the figures out itself: legends stand outside the data, heights follow the rows, and no label is cut. Gonum's
// plot.Plot would also parse twelve fonts and link the PDF, EPS and TeX back ends at the start of every command.
//
// The same report gives the same bytes of SVG. Non-goals: any statistic beyond the quartiles of a box, and interaction.
package plot

import (
	"errors"
	"fmt"
	"io"

	"github.com/parbench/parbench/results/analysis"
)

// The kinds of figures.
const (
	KindTime         = "time"
	KindSpeedup      = "speedup"
	KindEfficiency   = "efficiency"
	KindDistribution = "distribution"
	KindCPU          = "cpu"
	KindSplit        = "split"
)

// ErrOmitted is wrapped by the errors of a Figure that cannot be drawn.
var ErrOmitted = errors.New("figure left out")

// Figure is one figure of a report. It reads the report it came from when it is drawn and may be copied; the zero value
// is not usable. Figures are safe for concurrent use as long as nobody changes the report.
type Figure struct {
	name, title, alt, workload, kind string
	omitted                          string
	height                           float64
	draw                             func(*painter)
}

// Name returns the file name without its extension: lower-case letters, digits, dots and hyphens, unique in the report.
func (f Figure) Name() string { return f.name }

// Title returns what the figure shows: "primes: time per task, median and 95 % interval". It is one line, as drawn.
func (f Figure) Title() string { return f.title }

// Alt returns a sentence for readers who do not see the figure. Like the title it is plain text for the caller to escape.
func (f Figure) Alt() string { return f.alt }

// Workload returns the key of the workload in the plan, as it is there: untrusted text.
func (f Figure) Workload() string { return f.workload }

// Kind returns what is shown, one of the Kind constants.
func (f Figure) Kind() string { return f.kind }

// Omitted returns why the figure cannot be drawn from this report, or "" where it can.
func (f Figure) Omitted() string { return f.omitted }

// Size returns width and height in pixels at 1×, the size of the SVG. The PNG has twice as many each way, unless it is
// very high.
func (f Figure) Size() (width, height int) { return figureWidth, int(f.height + 0.5) }

// WriteSVG writes the figure as SVG 1.1. Its text is escaped, names fonts of equal widths and fixes its own width, so
// that it also fits where none of them is installed. The error is the writer's, or wraps ErrOmitted.
func (f Figure) WriteSVG(w io.Writer) error {
	if f.omitted != "" {
		return fmt.Errorf("%s: %w: %s", f.name, ErrOmitted, f.omitted)
	}
	return f.svg(w)
}

// WritePNG writes the figure as PNG with the bundled fonts. The error is the writer's, or wraps ErrOmitted.
func (f Figure) WritePNG(w io.Writer) error {
	if f.omitted != "" {
		return fmt.Errorf("%s: %w: %s", f.name, ErrOmitted, f.omitted)
	}
	return f.png(w)
}

// All returns the figures of a report in its order: six for each workload, three for a probe, and one for each comparison of
// commands over a parameter. Those that the data do not
// allow are among them and say why (Omitted). The report must not change while they are used.
func All(rep *analysis.Report) []Figure {
	if rep == nil {
		return nil
	}
	var out []Figure
	names := make(map[string]bool)
	for i := range rep.Tables {
		t := newTable(rep, &rep.Tables[i])
		if t == nil {
			continue
		}
		for _, f := range t.figures() {
			f.name = unique(names, slug(t.key), f.kind)
			out = append(out, f)
		}
	}
	for i := range rep.Commands {
		f, ok := scan(rep, &rep.Commands[i])
		if !ok {
			f, ok = commandTimes(rep, &rep.Commands[i])
		}
		if ok {
			f.name = unique(names, slug(f.workload), f.kind)
			out = append(out, f)
		}
	}
	return out
}

// slug reduces a workload's key to what is safe in every file system and in a link.
func slug(key string) string {
	const most = 64
	b := make([]byte, 0, len(key))
	for i := 0; i < len(key) && len(b) < most; i++ {
		switch c := key[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			b = append(b, c)
		case c >= 'A' && c <= 'Z':
			b = append(b, c+'a'-'A')
		case c == '.' && len(b) > 0 && b[len(b)-1] != '.' && b[len(b)-1] != '-':
			b = append(b, c)
		case len(b) > 0 && b[len(b)-1] != '-':
			b = append(b, '-')
		}
	}
	for len(b) > 0 && (b[len(b)-1] == '-' || b[len(b)-1] == '.') {
		b = b[:len(b)-1]
	}
	if len(b) == 0 {
		return "workload"
	}
	return string(b)
}

// unique returns "stem-kind", with a number where two workloads have the same stem.
func unique(taken map[string]bool, stem, kind string) string {
	name := stem + "-" + kind
	for i := 2; taken[name]; i++ {
		name = fmt.Sprintf("%s-%d-%s", stem, i, kind)
	}
	taken[name] = true
	return name
}
