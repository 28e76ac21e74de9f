package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/parbench/parbench/report"
	"github.com/parbench/parbench/results/analysis/comparison"
	"github.com/parbench/parbench/results/codec"
)

// readSuite reads results of any tool; "-" is standard input.
func (a *app) readSuite(path string) (*codec.Suite, error) {
	if path == "-" {
		s, err := codec.Read(a.stdin)
		if err != nil {
			return nil, usagef("standard input: %w", err)
		}
		return s, nil
	}
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		if _, err := os.Stat(filepath.Join(path, runName)); err == nil {
			return nil, usagef("%s: it is a directory; name the run file in it: %s", path, filepath.Join(path, runName))
		}
	}
	s, err := codec.ReadFile(path)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return s, nil
}

// readSuites reads two files at the same time. Of two errors the first file's counts.
func (a *app) readSuites(base, head string) (b, h *codec.Suite, err error) {
	var headErr error
	var reading sync.WaitGroup
	reading.Go(func() { h, headErr = a.readSuite(head) })
	b, err = a.readSuite(base)
	reading.Wait()
	return b, h, cmp.Or(err, headErr)
}

// parseShare reads a relative difference: "2%" or "0.02".
func parseShare(flag, text string) (float64, error) {
	number, scale := strings.TrimSpace(text), 1.0
	if s, ok := strings.CutSuffix(number, "%"); ok {
		number, scale = strings.TrimSpace(s), .01
	}
	v, err := strconv.ParseFloat(number, 64)
	if v *= scale; err != nil || !(v > 0 && v < 1) {
		return 0, usagef("--%s %q: write a share above 0 %% and below 100 %%, such as 2%% or 0.02", flag, text)
	}
	return v, nil
}

const compareLong = `Compare two files of results, or two programs that one run measured, and say for each benchmark whether it regressed,
improved, is equivalent, or cannot be told, with the ratio, its interval, and what the data could have shown. Files of
hyperfine, pyperf, Google Benchmark, JMH and Go benchmarks are recognised by their content.

Two files were measured at different times, and nothing protects such a comparison against drift; a run that holds two
programs is compared in pairs within its rounds. The exit status is 0 whatever the verdicts are: this is not a gate.`

const compareExample = `  parbench compare base.jsonl head.jsonl               # two runs
  parbench compare old.txt new.txt --min-effect 5%      # two files of go test -bench
  parbench compare run.jsonl                            # base and head of one run, paired
  parbench compare base.json head.json -f md -o diff.md # for a comment
  parbench compare base.jsonl head.jsonl --all -f json  # with CPU time and memory, for a program`

func (a *app) compareCommand() *cobra.Command {
	var format, output, effect, base, head string
	var opt comparison.Options
	var t textFlags
	cmd := &cobra.Command{
		Use: "compare BASE [HEAD]", Short: "Compare two files of results, or two programs of one run", Long: compareLong,
		Args: cobra.RangeArgs(1, 2), Example: compareExample,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := t.check(); err != nil {
				return err
			}
			var err error
			opt.Confidence = t.confidence
			if opt.MinEffect, err = parseShare("min-effect", effect); err != nil {
				return err
			}
			if !(opt.Alpha > 0 && opt.Alpha < .5) {
				return usagef("--alpha %v: write a false discovery rate above 0 and below 0.5, such as 0.05", opt.Alpha)
			}
			write, ok := map[string]func(io.Writer, *comparison.Report) error{
				"text": func(w io.Writer, r *comparison.Report) error {
					return report.ComparisonText(w, r, a.textTo(output, &t))
				},
				"md": func(w io.Writer, r *comparison.Report) error {
					return report.ComparisonMarkdown(w, r, report.MDOptions{TimeUnit: t.unit})
				},
				"json": report.ComparisonJSON, "csv": report.ComparisonCSV,
			}[format]
			if !ok {
				return usagef("--format %q: write text, md, json or csv", format)
			}
			var rep *comparison.Report
			if len(args) == 1 {
				rep, err = a.comparePrograms(args[0], base, head, opt)
			} else {
				if cmd.Flags().Changed("base") || cmd.Flags().Changed("head") {
					return usagef("--base, --head: they name programs of one file; leave them out with two files")
				}
				rep, err = a.compareFiles(args[0], args[1], opt)
			}
			if err != nil {
				return err
			}
			return a.emit(output, func(w io.Writer) error { return write(w, rep) })
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&format, "format", "f", "text", "text, md, json or csv")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "md", "json", "csv"}, cobra.ShellCompDirectiveNoFileComp))
	fl.StringVarP(&output, "output", "o", "-", "file to write; - is standard output")
	fl.Float64Var(&opt.Alpha, "alpha", .05, "false discovery rate of each table")
	fl.StringVar(&effect, "min-effect", "2%", "smallest difference that matters")
	fl.BoolVar(&opt.AllowUnequalWork, "allow-unequal-work", false, "compare rows that did different work, marked as such")
	fl.BoolVar(&opt.Secondary, "all", false, "also compare secondary metrics: CPU time, memory, counters")
	fl.StringVar(&base, "base", "base", "with one file: the program to compare against")
	fl.StringVar(&head, "head", "head", "with one file: the program that is compared")
	t.add(fl)
	return cmd
}

// textTo is textOptions for output that may be a file.
func (a *app) textTo(output string, t *textFlags) report.TextOptions {
	o := a.textOptions(t)
	if output != "-" && output != "" {
		o.Color, o.Width = a.color == "always", 120
	}
	return o
}

func (a *app) compareFiles(base, head string, opt comparison.Options) (*comparison.Report, error) {
	if base == "-" && head == "-" {
		return nil, usagef("compare - -: standard input can be one side only")
	}
	b, h, err := a.readSuites(base, head)
	if err != nil {
		return nil, err
	}
	rep, err := comparison.Files(b, h, base, head, opt)
	if err != nil {
		return nil, refused(err)
	}
	if len(rep.Families) == 0 {
		return nil, usagef("%s and %s have no benchmark in common (%s against %s); give both the same names", base, head, listed(rep.OnlyBase), listed(rep.OnlyHead))
	}
	return rep, nil
}

func (a *app) comparePrograms(path, base, head string, opt comparison.Options) (*comparison.Report, error) {
	s, err := a.readSuite(path)
	if err != nil {
		return nil, err
	}
	groups := comparison.Groups(s)
	switch {
	case s.Run == nil:
		return nil, usagef("%s: one file of %s has no rounds to compare within; give two files", path, s.Tool)
	case len(groups) < 2:
		return nil, usagef("%s: it holds one program (%s); give two files, or a run of two programs", path, strings.Join(groups, ", "))
	}
	rep, err := comparison.Programs(s, base, head, opt)
	if _, ok := errors.AsType[*comparison.UnequalWorkError](err); err != nil && !ok {
		return nil, usagef("%s: %w; name two with --base and --head", path, err)
	}
	if err != nil {
		return nil, refused(err)
	}
	if len(rep.Families) == 0 {
		return nil, usagef("%s: its programs %s and %s have no benchmark in common", path, base, head)
	}
	return rep, nil
}

func refused(err error) error { return &exitError{exitUsage, err} }

// listed names the first of what one side has alone.
func listed(list []comparison.Missing) string {
	if len(list) == 0 {
		return "only secondary metrics"
	}
	var names []string
	for i, m := range list {
		if i == 3 {
			names = append(names, fmt.Sprintf("… (%d)", len(list)))
			break
		}
		names = append(names, m.Name)
	}
	return strings.Join(names, ", ")
}
