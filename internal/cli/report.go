package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/parbench/parbench/report"
	"github.com/parbench/parbench/report/plot"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
)

// textFlags shape text output.
type textFlags struct {
	unit       string
	confidence float64
}

func (t *textFlags) add(fl *pflag.FlagSet) {
	fl.StringVar(&t.unit, "time-unit", "", "unit of times: ns, us, ms or s (default: by size)")
	fl.Float64Var(&t.confidence, "confidence", 0.95, "confidence of the intervals")
}

func (t *textFlags) check() error {
	switch t.unit {
	case "", "ns", "us", "ms", "s":
	default:
		return usagef("--time-unit %q: write ns, us, ms or s", t.unit)
	}
	if !(t.confidence >= 0.5 && t.confidence <= 0.9999) {
		return usagef("--confidence %v: write a level from 0.5 to 0.9999, such as 0.95", t.confidence)
	}
	return nil
}

func (t *textFlags) analyse(run *results.Run) (*analysis.Report, error) {
	return analysis.Analyse(run, analysis.Options{Level: t.confidence})
}

// present reads a run file back and reports from it alone: the text on standard output, report.md and plots beside it.
func (a *app) present(f *runFlags, path, dir string) error {
	if f.show != nil {
		return f.show(path, dir)
	}
	run, err := results.ReadFile(path)
	if err != nil {
		return &exitError{exitInternal, err}
	}
	rep, err := f.text.analyse(run)
	if err != nil {
		return &exitError{exitInternal, fmt.Errorf("analyse %s: %w", path, err)}
	}
	// The files first: whoever reads standard output may close it early.
	page := filepath.Join(dir, "report.md")
	if err := writePage(page, filepath.Base(path), f.text.unit, rep, true); err != nil {
		return &exitError{exitInternal, fmt.Errorf("write %s: %w; the run itself is safe in %s: free some space, then parbench report %s -f md -o %s", page, err, path, path, page)}
	}
	if err := report.Text(a.stdout, rep, a.textOptions(&f.text)); err != nil {
		return outputError("standard output", err)
	}
	if !a.quiet {
		fmt.Fprintf(a.stderr, "\nreport: %s\ndata:   %s\n", report.EscapeTerminal(page), report.EscapeTerminal(path))
	}
	return nil
}

func (a *app) textOptions(t *textFlags) report.TextOptions {
	o := report.TextOptions{Color: a.useColor(), Width: 120, TimeUnit: t.unit}
	if f, ok := a.stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			o.Width = w
		}
	} else if w, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && w >= 40 {
		o.Width = w
	}
	return o
}

// useColor decides for standard output: a terminal, no NO_COLOR, not TERM=dumb; --color overrides.
func (a *app) useColor() bool {
	switch a.color {
	case "always":
		return true
	case "never":
		return false
	}
	f, ok := a.stdout.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// writePage writes the Markdown page, and its plots into plots/ beside it.
func writePage(page, data, unit string, rep *analysis.Report, plots bool) error {
	opt := report.MDOptions{Data: data, TimeUnit: unit}
	if plots {
		files, err := plot.WriteDir(context.Background(), filepath.Join(filepath.Dir(page), "plots"), rep)
		if err != nil {
			return fmt.Errorf("figures in plots/: %w", err)
		}
		for _, f := range files {
			opt.Plots = append(opt.Plots, report.PlotRef{Path: "plots/" + f.Name, Title: f.Title, Alt: f.Alt, Workload: f.Workload})
		}
	}
	var b bytes.Buffer
	if err := report.Markdown(&b, rep, opt); err != nil {
		return err
	}
	return writeFile(page, b.Bytes())
}

// readRun reads a run file; "-" is standard input.
func (a *app) readRun(path string) (*results.Run, error) {
	if path == "-" {
		run, err := results.Read(a.stdin)
		if err != nil {
			return nil, usagef("standard input: %w", err)
		}
		return run, nil
	}
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		return nil, usagef("%s: it is a directory; name the run file in it: %s", path, filepath.Join(path, runName))
	}
	run, err := results.ReadFile(path)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return run, nil
}

// oneFile accepts exactly one argument.
func oneFile(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("give exactly one run file, or - for standard input; there are %d", len(args))
	}
	return nil
}

func (a *app) reportCommand() *cobra.Command {
	var format, output string
	var noPlots bool
	var t textFlags
	cmd := &cobra.Command{
		Use: "report FILE", Short: "Report a run, from its file alone", Args: oneFile,
		Example: `  parbench report out/run.jsonl                       # the tables again
  parbench report out/run.jsonl -f md -o page/run.md   # an article-ready page, with page/plots/
  zcat run.jsonl.gz | parbench report - -f md          # from a pipe, without plots`,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := t.check(); err != nil {
				return err
			}
			if format != "text" && format != "md" {
				return usagef("--format %q: write text or md", format)
			}
			run, err := a.readRun(args[0])
			if err != nil {
				return err
			}
			rep, err := t.analyse(run)
			if err != nil {
				return usagef("%s: %w", args[0], err)
			}
			if format == "md" && output != "-" {
				if err := writePage(output, filepath.Base(args[0]), t.unit, rep, !noPlots); err != nil {
					return usagef("--output %s: cannot be written: %v", output, cause(err))
				}
				if !a.quiet {
					also := " and its figures in plots/ beside it"
					if noPlots {
						also = ""
					}
					fmt.Fprintf(a.stderr, "wrote %s%s\n", report.EscapeTerminal(output), also)
				}
				return nil
			}
			return a.emit(output, func(w io.Writer) error {
				if format == "md" {
					return report.Markdown(w, rep, report.MDOptions{Data: filepath.Base(args[0]), TimeUnit: t.unit})
				}
				o := a.textOptions(&t)
				if output != "-" {
					o.Color, o.Width = a.color == "always", 120
				}
				return report.Text(w, rep, o)
			})
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "text", "text or md")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "md"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().StringVarP(&output, "output", "o", "-", "file to write; - is standard output")
	cmd.Flags().BoolVar(&noPlots, "no-plots", false, "with -f md: no plots beside the page")
	t.add(cmd.Flags())
	return cmd
}
