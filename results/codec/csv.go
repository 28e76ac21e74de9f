package codec

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parbench/parbench/results"
)

// row is what a column of the CSV draws from.
type row struct {
	run  *results.Run
	cell *results.Cell
	t    *results.Trial
	used bool
}

// columns of the CSV. A text cell came from outside and is escaped; the others hold numbers and words of our own.
var columns = []struct {
	name string
	text bool
	cell func(*row) string
}{
	{"run", true, func(r *row) string { return r.run.Header.ID }},
	{"cell", false, func(r *row) string { return strconv.Itoa(r.t.Cell) }},
	{"program", true, func(r *row) string { return r.cell.Program }},
	{"workload", true, func(r *row) string { return r.cell.Workload }},
	{"strategy", true, func(r *row) string { return r.cell.Strategy }},
	{"label", true, func(r *row) string { return r.cell.Label }},
	{"cores", false, func(r *row) string { return strconv.Itoa(r.cell.Cores) }},
	{"workers", false, func(r *row) string { return strconv.Itoa(r.cell.Workers) }},
	{"reference", false, func(r *row) string { return strconv.FormatBool(r.cell.Reference) }},
	{"round", false, func(r *row) string { return strconv.Itoa(r.t.Round) }},
	{"attempt", false, func(r *row) string { return strconv.Itoa(r.t.Attempt) }},
	{"stage", false, func(r *row) string { return strconv.Itoa(r.t.Stage) }},
	{"seq", false, func(r *row) string { return strconv.Itoa(r.t.Seq) }},
	{"start", false, func(r *row) string { return r.t.Start.Format(time.RFC3339Nano) }},
	{"status", true, func(r *row) string { return string(r.t.Status) }},
	{"reason", true, func(r *row) string { return r.t.Reason }},
	{"used", false, func(r *row) string { return strconv.FormatBool(r.used) }},
	{"observation_s", false, func(r *row) string {
		if s, ok := r.t.Observation(); ok {
			return float(s)
		}
		return ""
	}},
	{"tasks", false, func(r *row) string { return strconv.Itoa(r.t.Tasks) }},
	{"warmup_batches", false, func(r *row) string { return strconv.Itoa(len(r.t.Warmup)) }},
	{"warmup_ns", false, func(r *row) string { return integer(sum(r.t.Warmup)) }},
	{"batches", false, func(r *row) string { return strconv.Itoa(len(r.t.Wall)) }},
	{"wall_ns", false, func(r *row) string { return integer(sum(r.t.Wall)) }},
	{"batch_min_ns", false, func(r *row) string {
		if len(r.t.Wall) == 0 {
			return ""
		}
		return integer(slices.Min(r.t.Wall))
	}},
	{"batch_max_ns", false, func(r *row) string {
		if len(r.t.Wall) == 0 {
			return ""
		}
		return integer(slices.Max(r.t.Wall))
	}},
	{"digest", true, func(r *row) string { return r.t.Digest }},
	{"setup_ns", false, func(r *row) string { return integer(r.t.SetupNS) }},
	{"total_ns", false, func(r *row) string { return integer(r.t.TotalNS) }},
	{"overhead_ns", false, func(r *row) string { return integer(r.t.OverheadNS) }},
	{"cpu_ns", false, func(r *row) string { return integer(r.t.CPUNS) }},
	{"span_ns", false, func(r *row) string { return integer(r.t.SpanNS) }},
	{"peak_bytes", false, func(r *row) string { return integer(r.t.PeakBytes) }},
	{"pss_bytes", false, func(r *row) string { return integer(r.t.PSSBytes) }},
	{"processes", false, func(r *row) string { return strconv.Itoa(r.t.Processes) }},
	{"gc_cycles", false, func(r *row) string { return strconv.Itoa(r.t.GCCycles) }},
	{"gc_pause_ns", false, func(r *row) string { return integer(r.t.GCPauseNS) }},
	{"ctx_voluntary", false, func(r *row) string { return integer(r.t.CtxVoluntary) }},
	{"ctx_forced", false, func(r *row) string { return integer(r.t.CtxForced) }},
	{"faults_minor", false, func(r *row) string { return integer(r.t.FaultsMinor) }},
	{"faults_major", false, func(r *row) string { return integer(r.t.FaultsMajor) }},
	{"fixture_cpu_ns", false, func(r *row) string { return integer(r.t.FixtureCPUNS) }},
	{"user_ns", false, command(func(t *results.Trial) string { return integer(t.UserNS) })},
	{"system_ns", false, command(func(t *results.Trial) string { return integer(t.SystemNS) })},
	{"shell_ns", false, command(func(t *results.Trial) string { return integer(t.ShellNS) })},
	{"peak_bound", false, command(func(t *results.Trial) string { return strconv.FormatBool(t.PeakBound) })},
	{"exits", true, command(func(t *results.Trial) string {
		ends := make([]string, 0, len(t.Exits))
		for _, how := range slices.Sorted(maps.Keys(t.Exits)) {
			ends = append(ends, how+": "+strconv.Itoa(t.Exits[how]))
		}
		return strings.Join(ends, "; ")
	})},
	{"mhz", false, func(r *row) string { return float(r.t.MHz) }},
	{"close_ns", false, func(r *row) string { return integer(r.t.CloseNS) }},
	{"split_batches", false, split(func(s *results.Split) int64 { return int64(s.Batches) })},
	{"split_workers", false, split(func(s *results.Split) int64 { return int64(s.Workers) })},
	{"split_stamped", false, split(func(s *results.Split) int64 { return int64(s.Stamped) })},
	{"split_wall_ns", false, split(func(s *results.Split) int64 { return s.WallNS })},
	{"split_start_ns", false, split(func(s *results.Split) int64 { return s.StartNS })},
	{"split_execution_ns", false, split(func(s *results.Split) int64 { return s.ExecutionNS })},
	{"split_between_ns", false, split(func(s *results.Split) int64 { return s.BetweenNS })},
	{"split_idle_ns", false, split(func(s *results.Split) int64 { return s.IdleNS })},
	{"split_join_ns", false, split(func(s *results.Split) int64 { return s.JoinNS })},
	{"split_task_ns", false, split(func(s *results.Split) int64 { return s.TaskNS })},
	{"split_transfer_ns", false, split(func(s *results.Split) int64 { return s.TransferNS })},
	{"split_probe_ns", false, split(func(s *results.Split) int64 { return s.ProbeNS })},
	{"others_source", true, func(r *row) string { return others(r, func(o *results.Outside) string { return o.Source }) }},
	{"others_cpu_share", false, func(r *row) string { return others(r, func(o *results.Outside) string { return float(o.CPUShare) }) }},
	{"others_steal", false, func(r *row) string { return others(r, func(o *results.Outside) string { return float(o.Steal) }) }},
	{"others_flagged", false, func(r *row) string {
		return others(r, func(o *results.Outside) string { return strconv.FormatBool(o.Flagged) })
	}},
}

// others is empty where nothing is known, which is not the same as zero.
func others(r *row, f func(*results.Outside) string) string {
	if r.t.Others == nil {
		return ""
	}
	return f(r.t.Others)
}

// command is empty where tasks are no commands.
func command(f func(*results.Trial) string) func(*row) string {
	return func(r *row) string {
		if r.run.Header.Plan.Commands == nil {
			return ""
		}
		return f(r.t)
	}
}

// split is empty where no batch was probed, or nothing was seen.
func split(f func(*results.Split) int64) func(*row) string {
	return func(r *row) string {
		if !r.t.Split.Observed() {
			return ""
		}
		return integer(f(r.t.Split))
	}
}

func integer(v int64) string { return strconv.FormatInt(v, 10) }

func float(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// WriteCSV writes one row per trial of the run, those included that failed or are not analysed (used says which are),
// after RFC 4180: comma, quotes where needed, CR LF. The first row names the columns; units are in the names, sums of
// batches in warmup_ns and wall_ns; an empty cell was not measured. Control characters in text are written as escapes
// (\n, \x1b), so that a row is always one line, and text that a spreadsheet would take for a formula (leading = + - @)
// gets a leading apostrophe. Batch times themselves are in the JSON only.
func WriteCSV(w io.Writer, run *results.Run) error {
	used := usedSet(run)
	out := csv.NewWriter(w)
	out.UseCRLF = true
	record := make([]string, len(columns))
	for i, c := range columns {
		record[i] = c.name
	}
	// The csv.Writer keeps its first error: Flush and Error report it.
	_ = out.Write(record)
	for i := range run.Trials {
		t := &run.Trials[i]
		r := &row{run: run, cell: &run.Header.Plan.Cells[t.Cell], t: t, used: used[i]}
		for j, c := range columns {
			record[j] = c.cell(r)
			if c.text {
				record[j] = csvText(record[j])
			}
		}
		_ = out.Write(record)
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("writing CSV: %w", err)
	}
	return nil
}

// csvText escapes text from outside for a cell. Spaces before a sign do not make it harmless in every spreadsheet.
func csvText(s string) string {
	if first := strings.TrimLeft(s, " "); first != "" && strings.IndexByte("=+-@\t\r", first[0]) >= 0 {
		return "'" + visible(s)
	}
	return visible(s)
}

func usedSet(run *results.Run) []bool {
	used := make([]bool, len(run.Trials))
	for _, i := range run.Used() {
		used[i] = true
	}
	return used
}
