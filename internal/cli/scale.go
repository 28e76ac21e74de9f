package cli

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parbench/parbench/internal/harness"
	"github.com/parbench/parbench/report"
	"github.com/parbench/parbench/report/plot"
	"github.com/parbench/parbench/results/analysis/scaling"
	"github.com/parbench/parbench/results/stat"
)

const scaleLong = `Say how each strategy of a run scales with cores: speedup, efficiency and Karp–Flatt fraction for each core count, and the
simplest of linear scaling, Amdahl's law and the Universal Scalability Law that the data do not reject, with intervals,
peak, limit and the reason. Two core counts give no model, three or four need --residual, five or more decide.

With --points it fits pairs of N and throughput from anywhere: CSV with two columns, N first, a heading allowed.`

const scaleExample = `  parbench scale out/run.jsonl                          # tables and findings
  parbench scale out/run.jsonl -f md -o scaling/        # with a figure for each workload
  parbench scale --points points.csv -f json            # any measurements: columns N and throughput
  parbench scale --points points.csv --unweighted       # least squares as published fits have it`

// scaleFlags are the flags of "parbench scale".
type scaleFlags struct {
	format, output, points, model, residual string
	unweighted                              bool
	text                                    textFlags
}

func (a *app) scaleCommand() *cobra.Command {
	var f scaleFlags
	cmd := &cobra.Command{
		Use: "scale [FILE]", Short: "Fit scaling models to a run, or to points from anywhere", Long: scaleLong, Example: scaleExample,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			opt, err := f.options()
			if err != nil {
				return err
			}
			switch {
			case f.points == "" && len(args) == 0:
				return usagef("scale: name a run file, or --points FILE; see parbench scale --help")
			case f.points != "" && len(args) == 1:
				return usagef("scale: a run file and --points exclude each other; give one of them")
			case f.points != "":
				return a.scalePoints(&f, opt)
			}
			return a.scaleRun(&f, args[0], opt)
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.format, "format", "f", "text", "text, md, json or csv")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "md", "json", "csv"}, cobra.ShellCompDirectiveNoFileComp))
	fl.StringVarP(&f.output, "output", "o", "-", "directory for the page or data and a figure for each workload; - is standard output")
	fl.StringVar(&f.points, "points", "", "fit the N and throughput columns of this CSV file; - is standard input")
	fl.BoolVar(&f.unweighted, "unweighted", false, "least squares on throughput itself, not relative to it")
	fl.StringVar(&f.model, "model", "auto", "auto, linear, amdahl or usl")
	fl.StringVar(&f.residual, "residual", "", "known deviation of a core count's value, from an A/A run: 1%")
	f.text.add(fl)
	return cmd
}

func (f *scaleFlags) options() (scaling.Options, error) {
	opt := scaling.Options{Level: f.text.confidence, Unweighted: f.unweighted}
	if err := f.text.check(); err != nil {
		return opt, err
	}
	models := map[string]stat.ScalingModel{"auto": "", "linear": stat.ModelLinear, "amdahl": stat.ModelAmdahl, "usl": stat.ModelUSL}
	m, ok := models[f.model]
	if !ok {
		return opt, usagef("--model %q: write auto, linear, amdahl or usl", f.model)
	}
	opt.Model = m
	if f.residual != "" {
		v, err := parseShare("residual", f.residual)
		if err != nil {
			return opt, err
		}
		opt.Residual = v
	}
	switch f.format {
	case "text", "md", "json", "csv":
		return opt, nil
	}
	return opt, usagef("--format %q: write text, md, json or csv", f.format)
}

// fileNames is what a format's file in an output directory is called.
func outputName(stem, format string) string {
	return stem + map[string]string{"text": ".txt", "md": ".md", "json": ".json", "csv": ".csv"}[format]
}

func (a *app) scaleRun(f *scaleFlags, path string, opt scaling.Options) error {
	run, err := a.readRun(path)
	if err != nil {
		return err
	}
	rep, err := f.text.analyse(run)
	if err != nil {
		return usagef("%s: %w", path, err)
	}
	s, err := scaling.Analyse(rep, opt)
	if err != nil {
		return usagef("%s: %w", path, err)
	}
	return a.withFigures(f.output, outputName("scaling", f.format), plot.Scaling(s), func(w io.Writer, plots []report.PlotRef) error {
		switch f.format {
		case "md":
			return report.ScalingMarkdown(w, s, report.MDOptions{Plots: plots})
		case "json":
			return report.ScalingJSON(w, s)
		case "csv":
			return report.ScalingCSV(w, s)
		}
		return report.ScalingText(w, s, a.textTo(f.output, &f.text))
	})
}

func (a *app) scalePoints(f *scaleFlags, opt scaling.Options) error {
	in, name := a.stdin, "standard input"
	if f.points != "-" {
		file, err := os.Open(f.points)
		if err != nil {
			return usagef("--points %s: %v", f.points, cause(err))
		}
		defer file.Close()
		in, name = file, f.points
	}
	points, err := readPoints(in)
	if err != nil {
		return usagef("--points %s: %w", name, err)
	}
	title := strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
	s, err := scaling.Points(title, points, opt)
	if err != nil {
		return usagef("--points %s: %w", name, err)
	}
	return a.withFigures(f.output, outputName("scaling", f.format), []plot.Figure{plot.ScalingOf(s)}, func(w io.Writer, plots []report.PlotRef) error {
		switch f.format {
		case "md":
			return report.SeriesMarkdown(w, s, report.MDOptions{Plots: plots})
		case "json":
			return report.SeriesJSON(w, s)
		case "csv":
			return report.SeriesCSV(w, s)
		}
		return report.SeriesText(w, s, a.textTo(f.output, &f.text))
	})
}

// withFigures writes to standard output, or with an output directory a file of that name and the figures beside it.
func (a *app) withFigures(dir, name string, figures []plot.Figure, write func(io.Writer, []report.PlotRef) error) error {
	if dir == "-" || dir == "" {
		return a.emit("-", func(w io.Writer) error { return write(w, nil) })
	}
	if _, err := harness.Writable(dir); err != nil {
		return err
	}
	files, err := plot.WriteFigures(context.Background(), filepath.Join(dir, "plots"), figures)
	if err != nil {
		return usagef("--output %s: cannot be written: %v", dir, cause(err))
	}
	var refs []report.PlotRef
	for _, f := range files {
		refs = append(refs, report.PlotRef{Path: "plots/" + f.Name, Title: f.Title, Alt: f.Alt, Workload: f.Workload})
	}
	var b bytes.Buffer
	if err := write(&b, refs); err != nil {
		return err
	}
	path := filepath.Join(dir, name)
	if err := writeFile(path, b.Bytes()); err != nil {
		return usagef("--output %s: cannot be written: %v", dir, cause(err))
	}
	if !a.quiet {
		fmt.Fprintf(a.stderr, "wrote %s", report.EscapeTerminal(path))
		if len(files) > 0 {
			fmt.Fprintf(a.stderr, " and %s beside it", plural(len(files), "figure"))
		}
		fmt.Fprintln(a.stderr)
	}
	return nil
}

// maxPoints bounds what readPoints takes.
const maxPoints = 1_000_000

// readPoints reads CSV with N and throughput in its first two columns; a first row that is no numbers is a heading, and
// lines that begin with # are skipped.
func readPoints(r io.Reader) ([]stat.ScalingPoint, error) {
	in := csv.NewReader(io.LimitReader(r, 64<<20))
	in.FieldsPerRecord, in.TrimLeadingSpace, in.Comment, in.ReuseRecord = -1, true, '#', true
	var out []stat.ScalingPoint
	for first := true; ; first = false {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		line, _ := in.FieldPos(0)
		if len(row) < 2 {
			return nil, fmt.Errorf("line %d: one column; write N and throughput, separated by a comma", line)
		}
		n, err1 := strconv.ParseFloat(strings.TrimSpace(strings.TrimPrefix(row[0], "\ufeff")), 64)
		x, err2 := strconv.ParseFloat(strings.TrimSpace(row[1]), 64)
		switch {
		case first && err1 != nil && err2 != nil: // a heading; one number and one that is mistyped are none
			continue
		case err1 != nil || err2 != nil:
			return nil, fmt.Errorf("line %d: %q and %q are not two numbers", line, row[0], row[1])
		case !(n >= 1) || math.IsInf(n, 0):
			return nil, fmt.Errorf("line %d: N is %q; write a number from 1 on", line, row[0])
		case !(x > 0) || math.IsInf(x, 0):
			return nil, fmt.Errorf("line %d: the throughput is %q; write a number above 0", line, row[1])
		}
		if len(out) == maxPoints {
			return nil, fmt.Errorf("more than %d points; give the median for each N", maxPoints)
		}
		out = append(out, stat.ScalingPoint{N: n, X: x})
	}
	if len(out) == 0 {
		return nil, errors.New("it holds no points; write N and throughput in two columns")
	}
	return out, nil
}
