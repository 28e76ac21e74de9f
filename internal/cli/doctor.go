package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parbench/parbench/internal/doctor"
	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/report"
)

func (a *app) doctorCommand() *cobra.Command {
	var format string
	var noise time.Duration
	cmd := &cobra.Command{
		Use: "doctor", Short: "Say what on this machine disturbs measurements, how much, and what to do", Args: cobra.NoArgs,
		Long: `Look at what makes numbers vary on this machine, and measure how steadily each usable CPU repeats a fixed loop.
Changes nothing. docs/doctor.md tells what each check means.`,
		Example: `  parbench doctor
  parbench doctor --noise 10s
  parbench doctor --noise 0 -f json     # the settings alone`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "text" && format != "json" {
				return usagef("--format %q: write text or json", format)
			}
			const longest = 10 * time.Minute
			if noise < 0 || noise > longest {
				return usagef("--noise %v: write a duration from 0 to %v", noise, longest)
			}
			opt := doctor.Options{Noise: noise}
			if noise == 0 {
				opt.Noise = -1
			}
			if !a.quiet && noise > 0 {
				fmt.Fprintf(a.stderr, "measuring noise for %v …\n", noise)
			}
			stop := watchInterrupts(func(string) {})
			defer stop.release()
			rep := doctor.Examine(stop.Until(), host.Open(""), opt)
			rep.Checks = append(rep.Checks, pythonCheck(stop.Until()))
			if code := stop.code(); code != 0 {
				return &exitError{code, fmt.Errorf("interrupted")}
			}
			return a.emit("-", func(w io.Writer) error {
				if format == "json" {
					enc := json.NewEncoder(w)
					enc.SetEscapeHTML(false)
					enc.SetIndent("", "  ")
					return enc.Encode(rep)
				}
				return doctorText(w, rep, a.useColor())
			})
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "text", "text or json")
	cmd.Flags().DurationVar(&noise, "noise", doctor.DefaultNoise, "how long to measure noise; 0 leaves it out")
	return cmd
}

// pythonCheck says which Python the Python strategies would run under.
func pythonCheck(ctx context.Context) doctor.Check {
	offer := pythonOffer(ctx)
	c := doctor.Check{Name: "Python", Severity: doctor.OK, Value: offer.Label + ": " + offer.Runtime}
	var without, why []string
	for _, s := range offer.Strategies {
		if s.Unavailable != "" {
			without, why = append(without, s.Name), append(why, s.Unavailable)
		}
	}
	switch {
	case len(without) == 0:
	case offer.Runtime == "":
		c.Severity, c.Value = doctor.Note, "the Python strategies are not available"
		c.Why = why[0]
	default:
		c.Severity = doctor.Note
		c.Why = strings.Join(without, ", ") + " cannot run: " + why[0]
	}
	return c
}

// marks stand for severities; the word beside them carries the meaning without colour.
var marks = map[doctor.Severity]struct{ mark, color string }{
	doctor.OK:      {"✓", ""},
	doctor.Note:    {"·", ""},
	doctor.Unknown: {"?", ""},
	doctor.Warn:    {"▲", "\x1b[33m"},
	doctor.Bad:     {"✗", "\x1b[1;31m"},
}

func doctorText(w io.Writer, r doctor.Report, color bool) error {
	var b strings.Builder
	width := 0
	for _, c := range r.Checks {
		width = max(width, len([]rune(c.Name)))
	}
	for _, c := range r.Checks {
		m := marks[c.Severity]
		head := fmt.Sprintf("%s %-7s", m.mark, c.Severity)
		if color && m.color != "" {
			head = m.color + head + "\x1b[0m"
		}
		fmt.Fprintf(&b, "%s  %-*s  %s\n", head, width, report.EscapeTerminal(c.Name), report.EscapeTerminal(c.Value))
		if c.Severity == doctor.OK {
			continue
		}
		indent := strings.Repeat(" ", width+13)
		if c.Why != "" {
			b.WriteString(wrap(report.EscapeTerminal(c.Why), indent, 110))
		}
		if c.Remedy != "" {
			b.WriteString(wrap("→ "+report.EscapeTerminal(c.Remedy), indent, 110))
		}
	}
	if n := r.Noise; n != nil {
		fmt.Fprintf(&b, "\nNoise: a fixed loop of about a millisecond, repeated for %v on each CPU\n", time.Duration(n.SpanNS).Round(time.Millisecond))
		fmt.Fprintf(&b, "%5s  %6s  %10s  %9s  %10s  %12s  %6s\n", "CPU", "loops", "median", "variation", "p99/median", "others' CPU", "steal")
		shown := steadiestLast(n.CPUs)
		for _, c := range shown {
			fmt.Fprintf(&b, "%5d  %6d  %7.1f µs  %7.2f %%  %10.3f  %12s  %6s\n", c.CPU, c.Loops, c.MedianNS/1e3, 100*c.CV, c.Tail, share(c.Others), share(c.Steal))
		}
		if hidden := len(n.CPUs) - len(shown); hidden > 0 {
			fmt.Fprintf(&b, "… and %d steadier CPUs (-f json has them)\n", hidden)
		}
		if n.Usable > len(n.CPUs) {
			fmt.Fprintf(&b, "%d of %d usable CPUs were sampled\n", len(n.CPUs), n.Usable)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// mostNoiseRows is how many CPUs the text shows.
const mostNoiseRows = 16

// steadiestLast returns the CPUs to show: all in their order, or of many the least steady ones first.
func steadiestLast(cpus []doctor.CPUNoise) []doctor.CPUNoise {
	if len(cpus) <= mostNoiseRows {
		return cpus
	}
	worst := slices.Clone(cpus)
	slices.SortStableFunc(worst, func(a, b doctor.CPUNoise) int { return cmp.Compare(b.CV, a.CV) })
	return worst[:mostNoiseRows]
}

func share(cores *float64) string {
	if cores == nil {
		return "unknown"
	}
	return fmt.Sprintf("%.1f %%", 100**cores)
}

// wrap breaks text at spaces so that no line is longer than width, each line behind indent.
func wrap(text, indent string, width int) string {
	var b strings.Builder
	line := indent
	for _, word := range strings.Fields(text) {
		if len([]rune(line))+1+len([]rune(word)) > width && strings.TrimSpace(line) != "" {
			b.WriteString(line + "\n")
			line = indent
		}
		if strings.TrimSpace(line) != "" {
			line += " "
		}
		line += word
	}
	return b.String() + line + "\n"
}
