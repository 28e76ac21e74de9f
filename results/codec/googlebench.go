package codec

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// googleRun is one entry of the list of benchmarks. Pointers tell absent from zero; NaN was made null before.
type googleRun struct {
	Name       string
	RunName    string  `json:"run_name"`
	RunType    string  `json:"run_type"`
	Threads    *number `json:"threads"`
	RealTime   *number `json:"real_time"`
	CPUTime    *number `json:"cpu_time"`
	TimeUnit   string  `json:"time_unit"`
	Error      bool    `json:"error_occurred"`
	ErrorText  string  `json:"error_message"`
	Skipped    bool    `json:"skipped"`
	counters   []counter
	aggregated bool
}

type counter struct {
	name  string
	value float64
}

// googleFields are the numbers of an entry that are no counters.
var googleFields = map[string]bool{
	"repetitions": true, "repetition_index": true, "threads": true, "iterations": true, "real_time": true, "cpu_time": true,
	"family_index": true, "per_family_instance_index": true, "cpu_coefficient": true, "real_coefficient": true, "rms": true,
}

// UnmarshalJSON reads the known fields, and every other number as a counter.
func (g *googleRun) UnmarshalJSON(b []byte) error {
	type plain googleRun
	if err := json.Unmarshal(b, (*plain)(g)); err != nil {
		return err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(all)) {
		v := all[k]
		if googleFields[k] || k == "" || len(v) == 0 || v[0] != '-' && (v[0] < '0' || v[0] > '9') && string(v) != "null" {
			continue
		}
		value, err := parseNumber(v)
		if err != nil {
			return err
		}
		g.counters = append(g.counters, counter{k, value})
	}
	return nil
}

// name without the suffix that aggregates carry.
func (g *googleRun) base() string {
	if g.RunName != "" {
		return g.RunName
	}
	return g.Name
}

// parseGoogle reads JSON of Google Benchmark (--benchmark_out_format=json). Times are per iteration; repetitions are
// iterations of one process; aggregates and fits are skipped, because they are computed from what the file holds.
func parseGoogle(text []byte) (*Suite, error) {
	var file struct {
		Context    map[string]json.RawMessage
		Benchmarks []googleRun
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, broken(GoogleBenchmark, text, err)
	}
	b := newBuilder(GoogleBenchmark)
	googleContext(&b.suite, file.Context)
	markAggregates(file.Benchmarks)
	aggregates := 0
	for i := range file.Benchmarks {
		r := &file.Benchmarks[i]
		if r.aggregated {
			aggregates++
			continue
		}
		if r.Name == "" {
			return nil, b.fail("benchmarks[%d] has no name; make the file with --benchmark_out_format=json", i)
		}
		if err := b.google(r); err != nil {
			return nil, err
		}
	}
	if aggregates > 0 && aggregates == len(file.Benchmarks) {
		return nil, b.fail("it holds aggregates only; run the benchmark with --benchmark_report_aggregates_only=false")
	}
	return b.finish("no benchmark in it has a time; run it again")
}

// google adds what one repetition measured.
func (b *builder) google(r *googleRun) error {
	unit, ok := timeUnits[r.TimeUnit]
	if r.TimeUnit == "" {
		unit, ok = 1e9, true // the default of the tool, and what its first versions meant
	}
	if !ok {
		return b.fail("%q has time_unit %.40q; known are ns, us, ms and s", r.Name, r.TimeUnit)
	}
	add := func(metric, unit string, better Direction, secondary bool) *Series {
		s, made := b.at(Key{Name: r.base(), Metric: metric})
		if made {
			s.Unit, s.Better, s.Secondary, s.SameProcess = unit, better, secondary, true
			if t := r.Threads.value(); t > 1 {
				s.Params = map[string]string{"threads": strconv.FormatFloat(t, 'f', -1, 64)}
			}
		}
		return s
	}
	s := add("time", "s", Lower, false)
	if r.Error || r.Skipped {
		s.Failed++
		if s.Reason == "" {
			s.Reason = r.ErrorText
		}
		if r.Error {
			b.warn("%q reported an error: %.200s", r.Name, r.ErrorText)
		}
		return nil
	}
	b.single(s, r.RealTime.value()/unit)
	if r.CPUTime != nil {
		b.single(add("cpu-time", "s", Lower, true), r.CPUTime.value()/unit)
	}
	for _, c := range r.counters {
		unit, better := counterUnit(c.name)
		metric := c.name
		if metric == "time" || metric == "cpu-time" {
			metric = "counter " + metric
		}
		b.single(add(metric, unit, better, true), c.value)
	}
	return nil
}

// timeUnits gives how many of a unit are a second. Dividing by a power of ten rounds once, multiplying by its inverse twice.
var timeUnits = map[string]float64{"ns": 1e9, "us": 1e6, "ms": 1e3, "s": 1}

// counterUnit returns unit and direction of a counter. Those of users are of unknown direction.
func counterUnit(name string) (string, Direction) {
	switch name {
	case "bytes_per_second":
		return "B/s", Higher
	case "items_per_second":
		return "items/s", Higher
	case "max_bytes_used", "total_allocated_bytes", "net_heap_growth":
		return "B", Lower
	case "allocs_per_iter":
		return "allocs", Lower
	}
	return "", Unknown
}

// googleContext takes over what describes the machine: not its name, the date, the load or paths.
func googleContext(s *Suite, context map[string]json.RawMessage) {
	for _, k := range []string{"num_cpus", "mhz_per_cpu", "cpu_scaling_enabled", "aslr_enabled", "library_build_type"} {
		var v scalar
		if raw, ok := context[k]; ok && v.UnmarshalJSON(raw) == nil && v != "" {
			s.Env[k] = string(v)
		}
	}
	var version scalar
	if raw, ok := context["library_version"]; ok && version.UnmarshalJSON(raw) == nil {
		s.Version = string(version)
	}
	if s.Env["library_build_type"] == "debug" {
		s.Warnings = append(s.Warnings, "the benchmark library is a debug build (library_build_type): times may be too long")
	}
}

// markAggregates finds the entries that were computed from others. Before version 1.5 only their names say so.
func markAggregates(runs []googleRun) {
	names := make(map[string]bool, len(runs))
	for i := range runs {
		names[runs[i].Name] = true
	}
	for i := range runs {
		r := &runs[i]
		r.aggregated = r.RunType == "aggregate"
		if cut := strings.LastIndexByte(r.Name, '_'); r.RunType == "" && cut > 0 {
			switch r.Name[cut+1:] {
			case "mean", "median", "stddev", "cv":
				r.aggregated = names[r.Name[:cut]]
			case "BigO", "RMS":
				r.aggregated = true
			}
		}
	}
}
