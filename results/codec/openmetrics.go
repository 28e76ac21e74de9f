package codec

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/parbench/parbench/results"
)

// families are the gauges of the OpenMetrics text, one value per cell. A name ends in its unit, as the format demands.
var families = []struct {
	name, unit, help string
	value            func(*summary) (float64, bool)
}{
	{"parbench_task_time_seconds", "seconds", "Time per task, median over trials.", point(byTime)},
	{"parbench_task_time_lower_seconds", "seconds", "Lower end of the interval of parbench_task_time_seconds.", lower(byTime)},
	{"parbench_task_time_upper_seconds", "seconds", "Upper end of the interval of parbench_task_time_seconds.", upper(byTime)},
	{"parbench_task_time_confidence_ratio", "ratio", "Confidence level of the interval of parbench_task_time_seconds.", level(byTime)},
	{"parbench_speedup_ratio", "ratio", "Time of the reference cell over time of this cell.", point(bySpeedup)},
	{"parbench_speedup_lower_ratio", "ratio", "Lower end of the interval of parbench_speedup_ratio.", lower(bySpeedup)},
	{"parbench_speedup_upper_ratio", "ratio", "Upper end of the interval of parbench_speedup_ratio.", upper(bySpeedup)},
	{"parbench_peak_memory_bytes", "bytes", "Peak memory of the process tree, median over trials.", point(byPeak)},
	{"parbench_trials_used", "", "Trials that the estimates are made of.", count(func(s *summary) int { return s.used })},
	{"parbench_trials_failed", "", "Trials that did not end well.", count(func(s *summary) int { return s.failed })},
}

func byTime(s *summary) Interval    { return s.Time }
func bySpeedup(s *summary) Interval { return s.Speedup }
func byPeak(s *summary) Interval    { return s.Peak }

func point(of func(*summary) Interval) func(*summary) (float64, bool) {
	return func(s *summary) (float64, bool) { return of(s).Point, of(s).ok() }
}

func lower(of func(*summary) Interval) func(*summary) (float64, bool) {
	return func(s *summary) (float64, bool) { return of(s).Lo, of(s).bounded() }
}

func upper(of func(*summary) Interval) func(*summary) (float64, bool) {
	return func(s *summary) (float64, bool) { return of(s).Hi, of(s).bounded() }
}

func level(of func(*summary) Interval) func(*summary) (float64, bool) {
	return func(s *summary) (float64, bool) { return of(s).Level, of(s).bounded() }
}

func count(of func(*summary) int) func(*summary) (float64, bool) {
	return func(s *summary) (float64, bool) { return float64(of(s)), true }
}

// WriteOpenMetrics writes the estimates as OpenMetrics text 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/),
// one sample per cell and family, with the labels benchmark (unique), program, workload, strategy, cores and workers;
// parbench_run_info says what was measured where, and parbench_run_start_time_seconds when. Samples carry no timestamps,
// which collectors of text files refuse. The text ends with "# EOF".
func WriteOpenMetrics(w io.Writer, run *results.Run, estimates []Estimate) error {
	list, err := summaries(run, estimates)
	if err != nil {
		return fmt.Errorf("writing OpenMetrics text: %w", err)
	}
	out := bufio.NewWriter(w)
	labels := make([]string, len(list))
	for i := range list {
		c := list[i].cell
		labels[i] = labelSet("benchmark", list[i].name, "program", c.Program, "workload", c.Workload, "strategy", c.Label,
			"cores", strconv.Itoa(c.Cores), "workers", strconv.Itoa(c.Workers))
	}
	e := &run.Header.Environment
	family(out, "parbench_run", "info", "", "The run that the samples come from.")
	fmt.Fprintf(out, "parbench_run_info%s 1\n", labelSet("id", run.Header.ID, "tool", run.Header.Tool, "os", e.OS, "arch", e.Arch,
		"kernel", e.Kernel, "cpu_model", e.CPUModel, "plan", run.Header.Plan.Hash))
	if !run.Header.Created.IsZero() {
		family(out, "parbench_run_start_time_seconds", "gauge", "seconds", "When the run began, as Unix time.")
		fmt.Fprintf(out, "parbench_run_start_time_seconds %.3f\n", float64(run.Header.Created.UnixMilli())/1e3)
	}
	for _, f := range families {
		first := true
		for i := range list {
			v, ok := f.value(&list[i])
			if !ok || !finite(v) {
				continue
			}
			if first {
				family(out, f.name, "gauge", f.unit, f.help)
				first = false
			}
			fmt.Fprintf(out, "%s%s %s\n", f.name, labels[i], float(v))
		}
	}
	fmt.Fprintln(out, "# EOF")
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing OpenMetrics text: %w", err)
	}
	return nil
}

// family writes what precedes the samples of a metric.
func family(w io.Writer, name, kind, unit, help string) {
	fmt.Fprintf(w, "# TYPE %s %s\n", name, kind)
	if unit != "" {
		fmt.Fprintf(w, "# UNIT %s %s\n", name, unit)
	}
	fmt.Fprintf(w, "# HELP %s %s\n", name, help)
}

// labelSet returns {name="value",…} of alternating names and values. Only backslash, quote and newline are special to the
// format; other control characters and broken UTF-8 are made visible first, as everywhere.
func labelSet(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(pairs[i] + `="` + labelEscaper.Replace(visible(pairs[i+1])) + `"`)
	}
	b.WriteByte('}')
	return b.String()
}

var labelEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
