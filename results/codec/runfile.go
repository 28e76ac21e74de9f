package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/parbench/parbench/results"
)

// readRun reads a run of parbench.
func readRun(r io.Reader) (*Suite, error) {
	run, err := results.Read(r)
	if fe, ok := errors.AsType[*results.FormatError](err); ok {
		return nil, &FormatError{Format: Parbench, Line: fe.Line, Msg: fe.Msg, Err: fe}
	}
	if err != nil {
		return nil, err
	}
	return FromRun(run)
}

// parseDocument reads the one JSON document that WriteJSON writes. It goes through the lines of a run file, so that all
// checks of results.Read hold.
func parseDocument(text []byte) (*Suite, error) {
	var doc struct {
		Header json.RawMessage
		Trials []json.RawMessage
		Notes  []json.RawMessage
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, broken(Parbench, text, err)
	}
	if !firstRecord(doc.Header).isRun() {
		return nil, &FormatError{Msg: "JSON with a header and trials that are not parbench's; " + known}
	}
	var lines bytes.Buffer
	for _, list := range [][]json.RawMessage{{doc.Header}, doc.Trials, doc.Notes} {
		for _, record := range list {
			if err := json.Compact(&lines, record); err != nil {
				return nil, broken(Parbench, record, err)
			}
			lines.WriteByte('\n')
		}
	}
	suite, err := readRun(&lines)
	if fe, ok := errors.AsType[*FormatError](err); ok {
		if fe.Line > 1 {
			fe.Msg = fmt.Sprintf("record %d after the header: %s", fe.Line-1, fe.Msg)
		}
		fe.Line = 0 // of lines that the user does not have
	}
	return suite, err
}

// FromRun returns a run as a suite: for each cell the time per task, and as secondary series its CPU time per task and
// its peak memory, where every trial measured them. Each trial that the statistics use (results.Run.Used) is a sample, its
// batches are the sample's values. Cells without any trial are left out; it fails with a *FormatError
// where none has one.
func FromRun(run *results.Run) (*Suite, error) {
	b := newBuilder(Parbench)
	b.suite.Run, b.suite.Version = run, run.Header.Tool
	b.suite.Env = runEnv(&run.Header.Environment)
	plan := &run.Header.Plan
	byCell := make([][]int, len(plan.Cells))
	for _, i := range run.Used() {
		byCell[run.Trials[i].Cell] = append(byCell[run.Trials[i].Cell], i)
	}
	failed, reason := make([]int, len(plan.Cells)), make([]string, len(plan.Cells))
	for i := range run.Trials {
		if t := &run.Trials[i]; t.Status != results.OK {
			if failed[t.Cell]++; reason[t.Cell] == "" {
				reason[t.Cell] = fmt.Sprintf("%s: %s", t.Status, t.Reason)
			}
		}
	}
	entries := make(map[string]*results.PlanEntry, len(plan.Workloads))
	for i := range plan.Workloads {
		entries[plan.Workloads[i].Key] = &plan.Workloads[i]
	}
	names := seriesNames(plan)
	for i := range plan.Cells {
		c := &plan.Cells[i]
		name := b.unused(c.Program, names[i], "time", "cpu-time", "peak-memory")
		b.cell(run, c, entries[c.Workload], name, byCell[i])
		s, _ := b.at(Key{c.Program, name, "time"})
		s.Failed, s.Reason = failed[i], reason[i]
	}
	switch {
	case run.Torn > 0:
		b.warn("the file ends in an unfinished line, which was skipped; `parbench run --resume` goes on from there")
	case run.Skipped > 0:
		b.warn("%d records are of a kind that a newer parbench writes, and were skipped", run.Skipped)
	}
	return b.finish("it holds no trial: measuring stopped before the first one ended; run it again")
}

// cell adds the series of one cell.
func (b *builder) cell(run *results.Run, c *results.Cell, e *results.PlanEntry, name string, used []int) {
	params := make(map[string]string)
	if e != nil {
		maps.Copy(params, e.Params)
	}
	params["workers"] = strconv.Itoa(c.Workers)
	memory, cpu := len(used) > 0, len(used) > 0
	for _, i := range used {
		memory = memory && run.Trials[i].PeakBytes > 0 && !run.Trials[i].PeakBound // a bound is no measurement
		cpu = cpu && run.Trials[i].SpanNS > 0
	}
	work, digest := workOf(run, e, used)
	add := func(metric, unit string, sample func(*results.Trial) Sample) {
		s, _ := b.at(Key{c.Program, name, metric})
		s.Unit, s.Better, s.Secondary, s.Params, s.Rounds = unit, Lower, metric != "time", params, true
		s.Work, s.Digest = work, digest
		for _, i := range used {
			t := &run.Trials[i]
			x := sample(t)
			if b.usable(s, x.Value) {
				x.Round, x.Disturbed = t.Round, t.Disturbed()
				s.Samples = append(s.Samples, x)
			}
		}
	}
	add("time", "s/task", func(t *results.Trial) Sample {
		seconds, _ := t.Observation()
		values := make([]float64, len(t.Wall))
		for i, w := range t.Wall {
			values[i] = float64(w) / 1e9 / float64(t.Tasks)
		}
		return Sample{Value: seconds, Values: values}
	})
	if cpu {
		add("cpu-time", "s/task", func(t *results.Trial) Sample {
			return Sample{Value: float64(t.CPUNS) / 1e9 / float64(len(t.Wall)) / float64(t.Tasks)}
		})
	}
	if memory {
		add("peak-memory", "B", func(t *results.Trial) Sample { return Sample{Value: float64(t.PeakBytes)} })
	}
}

// workOf returns the tasks of a batch and the digest of its results, where all trials agree. Probes that choose their own
// number of tasks have neither.
func workOf(run *results.Run, e *results.PlanEntry, used []int) (tasks float64, digest string) {
	if len(used) == 0 || e != nil && e.OwnN {
		return 0, ""
	}
	first := &run.Trials[used[0]]
	tasks, digest = float64(first.Tasks), first.Digest
	for _, i := range used {
		if t := &run.Trials[i]; t.Tasks != first.Tasks {
			return 0, ""
		} else if t.Digest != first.Digest {
			digest = ""
		}
	}
	return tasks, digest
}

// seriesNames returns the name of each cell of the plan: "primes{limit=10000}/pool/cores=2". Cells that differ in the
// number of workers only get "/workers=N" as well. Names of different programs may be equal.
func seriesNames(p *results.Plan) []string {
	type id struct{ program, name string }
	times := make(map[id]int, len(p.Cells))
	names := make([]string, len(p.Cells))
	for i, c := range p.Cells {
		names[i] = fmt.Sprintf("%s/%s/cores=%d", c.Workload, c.Label, c.Cores)
		times[id{c.Program, names[i]}]++
	}
	for i, c := range p.Cells {
		if times[id{c.Program, names[i]}] > 1 {
			names[i] += "/workers=" + strconv.Itoa(c.Workers)
		}
	}
	return names
}

// runEnv returns what the environment says and two runs should share. Load, the boot and the programs' hashes are not
// among it: they differ between any two runs, or are what is compared.
func runEnv(e *results.Environment) map[string]string {
	env := make(map[string]string)
	text := func(k, v string) {
		if v != "" {
			env[k] = v
		}
	}
	count := func(k string, v float64) {
		if v != 0 {
			env[k] = strconv.FormatFloat(v, 'f', -1, 64)
		}
	}
	text("os", e.OS)
	text("arch", e.Arch)
	text("kernel", e.Kernel)
	text("cpu_model", e.CPUModel)
	count("sockets", float64(e.Sockets))
	count("physical_cores", float64(e.PhysicalCores))
	count("logical_cpus", float64(e.LogicalCPUs))
	count("usable_cores", float64(e.UsableCores))
	count("quota_cores", e.QuotaCores)
	count("memory_bytes", float64(e.MemoryBytes))
	count("memory_limit_bytes", float64(e.MemoryLimit))
	text("governor", e.Governor)
	text("turbo", e.Turbo)
	text("smt", e.SMT)
	text("virtualisation", e.Virtualisation)
	text("clock_source", e.Clock)
	text("transparent_huge_pages", e.THP)
	for _, p := range e.Programs {
		name := "runtime of " + p.Label
		if p.Label == "self" { // parbench itself
			name = "runtime"
		}
		text(name, p.Runtime)
	}
	return env
}

// Libraries returns what the strategies of a run are made of: by the name of each that its plan has, the library and its
// version, those of several programs by comma, and "" where the file does not say or there is none. program is a label; empty, it
// stands for all programs of the run.
func Libraries(run *results.Run, program string) map[string]string {
	found := map[string][]string{}
	for _, c := range run.Header.Plan.Cells {
		if _, done := found[c.Strategy]; done || program != "" && c.Program != program {
			continue
		}
		list := []string{}
		for _, p := range run.Header.Environment.Programs {
			if l := p.Libraries[c.Strategy]; l != "" && (program == "" || p.Label == program) && !slices.Contains(list, l) {
				list = append(list, l)
			}
		}
		slices.Sort(list)
		found[c.Strategy] = list
	}
	out := map[string]string{}
	for s, list := range found {
		out[s] = strings.Join(list, ", ")
	}
	return out
}
