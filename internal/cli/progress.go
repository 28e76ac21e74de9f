package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/parbench/parbench/internal/harness"
	"github.com/parbench/parbench/report"
)

// progress draws one line on a terminal, or a line a round elsewhere. It is called between trials only, so that drawing
// never shares the machine with a measurement.
type progress struct {
	w        io.Writer
	live     bool // a terminal: rewrite one line
	width    int
	off      bool
	verbose  bool
	round    int
	phase    string
	drawn    bool
	overrun  bool
	budget   time.Duration
	lastFail int
}

func newProgress(w io.Writer, quiet, verbose bool, budget time.Duration) *progress {
	p := &progress{w: w, off: quiet, verbose: verbose, round: -1, width: 80, budget: budget}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("CI") == "" && os.Getenv("TERM") != "dumb" {
		p.live = true
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
			p.width = w
		}
	}
	return p
}

func (p *progress) update(x harness.Progress) {
	if p.off {
		return
	}
	if x.Overrun && !p.overrun && x.Phase == "measuring" {
		p.overrun = true
		p.line(fmt.Sprintf("parbench: the %d rounds do not fit into --budget %v; the run takes about %s; fewer --rounds or cells would be faster, or --quick",
			x.Rounds, p.budget, roughly(x.ETA)))
	}
	if x.Failed > p.lastFail {
		p.lastFail = x.Failed
		p.line(fmt.Sprintf("parbench: %s failed so far; the report tells why", plural(x.Failed, "cell")))
	}
	text := p.text(x)
	switch {
	case p.live:
		fmt.Fprintf(p.w, "\r\x1b[K%s", clip(text, p.width-1))
		p.drawn = true
	case p.verbose, x.Phase != p.phase && x.Phase != "repeating", x.Phase == "measuring" && x.Round != p.round:
		fmt.Fprintln(p.w, text)
	}
	if x.Phase != "repeating" {
		p.phase, p.round = x.Phase, x.Round
	}
}

func (p *progress) text(x harness.Progress) string {
	if x.Phase == "calibrating" {
		return fmt.Sprintf("calibrating %d/%d  %s", x.Done+1, x.Total, report.EscapeTerminal(x.Workload))
	}
	cell := ""
	if c := x.Cell; c != nil {
		cell = fmt.Sprintf("%s · %s · %s", report.EscapeTerminal(c.Workload), report.EscapeTerminal(c.Label), plural(c.Cores, "core"))
	}
	eta := ""
	if x.ETA > 0 {
		eta = "about " + roughly(x.ETA) + " left"
	}
	repeat := ""
	if x.Phase == "repeating" {
		repeat = "  (again: others disturbed it)"
	}
	return fmt.Sprintf("round %d/%d  trial %d/%d  %s%s  %s", x.Round+1, x.Rounds, min(x.Done+1, x.Total), x.Total, cell, repeat, eta)
}

// pair shows the pairs of a gate.
func (p *progress) pair(x harness.PairProgress) {
	what := fmt.Sprintf("look %d", x.Stage/2+1)
	if x.Stage%2 == 1 {
		what += ", confirming"
	}
	again := ""
	if x.Again {
		again = "  (again: others disturbed it)"
	}
	left := ""
	if x.Left > 0 {
		left = "  at most " + roughly(x.Left) + " left"
	}
	p.step(what, fmt.Sprintf("%s  round %d/%d  %s · %s · %s%s%s", what, x.Round+1, x.Rounds, report.EscapeTerminal(x.Cell.Workload),
		report.EscapeTerminal(x.Cell.Label), plural(x.Cell.Cores, "core"), again, left))
}

// step shows what is done now: rewritten on a terminal, elsewhere once for each phase.
func (p *progress) step(phase, text string) {
	switch {
	case p.off:
	case p.live:
		fmt.Fprintf(p.w, "\r\x1b[K%s", clip(text, p.width-1))
		p.drawn = true
	case p.verbose || phase != p.phase:
		fmt.Fprintln(p.w, text)
	}
	p.phase = phase
}

// line prints a line that stays.
func (p *progress) line(s string) {
	if p.off {
		return
	}
	p.clear()
	fmt.Fprintln(p.w, s)
}

// clear removes the live line, before anything else is printed.
func (p *progress) clear() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
}

func roughly(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()+0.5))
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
}

func clip(s string, width int) string {
	r := []rune(s)
	if len(r) > width && width > 1 {
		return string(r[:width-1]) + "…"
	}
	return s
}

func secondsToDuration(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
