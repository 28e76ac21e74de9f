package codec

import (
	"cmp"
	"encoding/json"
	"maps"
)

// pyperfEnv are the metadata of pyperf that describe the machine and the interpreter. Host name, dates, load and paths
// are not among them.
var pyperfEnv = []string{
	"aslr", "cpu_affinity", "cpu_config", "cpu_count", "cpu_model_name", "platform", "python_cflags", "python_compiler",
	"python_gc", "python_hash_seed", "python_implementation", "python_unicode", "python_version", "timer",
}

// parsePyperf reads JSON of pyperf 1.0 and later, whose values are per iteration of the inner loop. A run is a fresh
// process; one without values calibrated the number of loops and measured nothing.
func parsePyperf(text []byte) (*Suite, error) {
	var file struct {
		Version    scalar
		Metadata   map[string]scalar
		Benchmarks []struct {
			Metadata map[string]scalar
			Runs     []struct {
				Values   numbers
				Metadata struct {
					Name, Unit scalar
					MaxRSS     *number `json:"mem_max_rss"`
					CommandRSS *number `json:"command_max_rss"`
				}
			}
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, broken(Pyperf, text, err)
	}
	b := newBuilder(Pyperf)
	switch file.Version {
	case "1.0":
	case "1", "2", "3", "4", "5", "6":
		const remedy = "convert it with python3 -m pyperf convert"
		return nil, b.fail("format %s of pyperf before 1.0, whose values mean something else; %s", file.Version, remedy)
	default:
		return nil, b.fail("format %.40q; this parbench reads 1.0", string(file.Version))
	}
	b.suite.Version = string(file.Metadata["perf_version"]) // the name until pyperf 1.6
	if v, ok := file.Metadata["pyperf_version"]; ok {
		b.suite.Version = string(v)
	}
	for i, bench := range file.Benchmarks {
		meta := maps.Clone(file.Metadata)
		if meta == nil {
			meta = make(map[string]scalar)
		}
		maps.Copy(meta, bench.Metadata)
		name, unit := meta["name"], meta["unit"]
		if len(bench.Runs) > 0 {
			// What all runs share stands above them, but a file made by hand may keep it in each; theirs comes first.
			run := &bench.Runs[0].Metadata
			name, unit = cmp.Or(run.Name, name), cmp.Or(run.Unit, unit)
		}
		if name == "" {
			return nil, b.fail("benchmarks[%d] has no name; pyperf writes none such: make the file again", i)
		}
		env := make(map[string]string)
		for _, k := range pyperfEnv {
			if v, ok := meta[k]; ok && v != "" {
				env[k] = string(v)
			}
		}
		metric, base, better := pyperfUnit(unit)
		unique := b.unused("", string(name), metric, "peak-memory")
		s, _ := b.at(Key{Name: unique, Metric: metric})
		s.Env, s.Unit, s.Better = env, base, better
		var memory []float64
		for _, run := range bench.Runs {
			b.sample(s, run.Values)
			rss := run.Metadata.CommandRSS
			if rss == nil {
				rss = run.Metadata.MaxRSS
			}
			if len(run.Values) > 0 && rss != nil {
				memory = append(memory, rss.value())
			}
		}
		if len(memory) > 0 {
			m, _ := b.at(Key{Name: unique, Metric: "peak-memory"})
			m.Unit, m.Better, m.Secondary, m.Env = "B", Lower, true, env
			for _, v := range memory {
				b.single(m, v)
			}
		}
	}
	return b.finish("no benchmark in it has values, only calibration; run it again")
}

// pyperfUnit returns what the values are, their unit and their direction.
func pyperfUnit(unit scalar) (metric, base string, better Direction) {
	switch unit {
	case "", "second":
		return "time", "s", Lower
	case "byte":
		return "size", "B", Lower
	case "integer":
		return "value", "", Unknown
	}
	return "value", string(unit), Unknown
}
