package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/codec"
)

// convertFormats are the formats that convert writes, in the order in which the help names them.
var convertFormats = []string{"gobench", "json", "csv", "bmf", "gha", "openmetrics"}

func (a *app) convertCommand() *cobra.Command {
	var format, output string
	var confidence float64
	names := strings.Join(convertFormats[:len(convertFormats)-1], ", ") + " or " + convertFormats[len(convertFormats)-1]
	cmd := &cobra.Command{
		Use: "convert FILE", Short: "Write a run in another tool's format", Args: oneFile,
		Long: `Write a run in another tool's format: gobench (benchstat and everything that reads Go benchmark text), csv, json, bmf
(Bencher), gha (github-action-benchmark) or openmetrics (Prometheus). docs/interop.md says what each keeps and loses.`,
		Example: `  parbench convert out/run.jsonl -f gobench | benchstat -col /strategy -
  parbench convert out/run.jsonl -f csv -o run.csv    # a row for each trial
  parbench convert out/run.jsonl -f json -o run.json  # one document
  parbench convert out/run.jsonl -f bmf | bencher run --adapter json --file /dev/stdin
  parbench convert out/run.jsonl -f openmetrics -o parbench.prom`,
		RunE: func(_ *cobra.Command, args []string) error {
			t := textFlags{confidence: confidence}
			if err := t.check(); err != nil {
				return err
			}
			write := converter(format, &t)
			if write == nil {
				return usagef("--format %q: write %s", format, names)
			}
			run, err := a.readRun(args[0])
			if err != nil {
				return err
			}
			return a.emit(output, func(w io.Writer) error { return write(w, run) })
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "gobench", names)
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(convertFormats, cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().StringVarP(&output, "output", "o", "-", "file to write; - is standard output")
	cmd.Flags().Float64Var(&confidence, "confidence", 0.95, "confidence of the intervals in bmf, gha and openmetrics")
	return cmd
}

// converter returns what writes the format, nil where there is none of that name.
func converter(format string, t *textFlags) func(io.Writer, *results.Run) error {
	summary := func(write func(io.Writer, *results.Run, []codec.Estimate) error) func(io.Writer, *results.Run) error {
		return func(w io.Writer, run *results.Run) error {
			rep, err := t.analyse(run)
			if err != nil {
				return err
			}
			return write(w, run, estimatesOf(rep))
		}
	}
	switch format {
	case "gobench":
		return codec.WriteGobench
	case "json":
		return codec.WriteJSON
	case "csv":
		return codec.WriteCSV
	case "bmf":
		return summary(codec.WriteBMF)
	case "gha":
		return summary(codec.WriteGHA)
	case "openmetrics":
		return summary(codec.WriteOpenMetrics)
	}
	return nil
}

// estimatesOf hands the estimates of a report to the writers of summaries.
func estimatesOf(rep *analysis.Report) []codec.Estimate {
	var out []codec.Estimate
	for i := range rep.Tables {
		for k := range rep.Tables[i].Rows {
			r := &rep.Tables[i].Rows[k]
			e := codec.Estimate{Cell: r.Index, Time: codec.Interval(r.PerTask), Speedup: codec.Interval(r.Speedup)}
			if r.PeakBytes > 0 && (r.Costs == nil || !r.Costs.PeakBound) { // a bound is no measurement
				e.Peak = codec.Interval{Point: float64(r.PeakBytes), N: r.OK}
			}
			out = append(out, e)
		}
	}
	return out
}
