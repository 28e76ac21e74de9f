package codec

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/perf/benchfmt"

	"github.com/parbench/parbench/results"
)

// WriteGobench writes the analysed trials (results.Run.Used) as Go benchmark text, one line each:
//
//	BenchmarkPrimes/workload=primes/strategy=pool/cores=2 32 241030.5 ns/op 481800 cpu-ns/op 9 … peak-RSS-bytes … setup-ns
//
// Iterations are executions of a task in the measured batches, ns/op is wall time and cpu-ns/op CPU time per task,
// peak-RSS-bytes the peak memory of the process tree, setup-ns the set-up of the trial; figures that were not measured
// are left out. The name holds nothing that differs between the strategies of a workload on the same cores but the
// strategy, and no -N suffix, so that `benchstat -col /strategy` puts them side by side; a plan with several programs gets
// a further /program=. The format is that of https://go.dev/design/14313-benchmark-format. In values '=' becomes ':', and
// space, '/', '%', control characters and broken UTF-8 become %XX; names that this makes equal get a further /cell=.
func WriteGobench(w io.Writer, run *results.Run) error {
	buffered := bufio.NewWriter(w)
	out := benchfmt.NewWriter(buffered)
	env := &run.Header.Environment
	var config []benchfmt.Config
	for _, c := range [][2]string{
		// Nothing here may differ between two runs on one machine: benchstat never compares across these.
		{"goos", env.OS}, {"goarch", env.Arch}, {"pkg", "github.com/parbench/parbench"}, {"cpu", env.CPUModel},
	} {
		if c[1] != "" {
			config = append(config, benchfmt.Config{Key: c[0], Value: []byte(strings.TrimSpace(visible(c[1]))), File: true})
		}
	}
	names := cellNames(&run.Header.Plan)
	for _, i := range run.Used() {
		t := &run.Trials[i]
		if run.Header.Plan.Cells[t.Cell].Ceiling {
			continue // the machine's own scaling, not a way of running tasks
		}
		n := executions(t)
		values := []benchfmt.Value{{Value: float64(sum(t.Wall)) / float64(len(t.Wall)) / float64(t.Tasks), Unit: "ns/op"}}
		for _, v := range []struct {
			measured bool
			value    float64
			unit     string
		}{
			{t.SpanNS > 0, float64(t.CPUNS) / float64(len(t.Wall)) / float64(t.Tasks), "cpu-ns/op"},
			{t.PeakBytes > 0 && !t.PeakBound, float64(t.PeakBytes), "peak-RSS-bytes"},
			{t.SetupNS > 0, float64(t.SetupNS), "setup-ns"},
		} {
			if v.measured {
				values = append(values, benchfmt.Value{Value: v.value, Unit: v.unit})
			}
		}
		result := &benchfmt.Result{Config: config, Name: benchfmt.Name(names[t.Cell]), Iters: int(n), Values: values}
		if err := out.Write(result); err != nil {
			return fmt.Errorf("writing Go benchmark text: %w", err)
		}
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("writing Go benchmark text: %w", err)
	}
	return nil
}

// cellNames returns the benchmark name of each cell of the plan, without "Benchmark"; no two are equal.
func cellNames(p *results.Plan) []string {
	entry := make(map[string]string, len(p.Workloads))
	for _, w := range p.Workloads {
		entry[w.Key] = w.Name
	}
	programs := make(map[string]bool)
	for _, c := range p.Cells {
		programs[c.Program] = programs[c.Program] || !c.Ceiling // parbench's own is in every plan, and no program to be compared
	}
	several := 0
	for _, compared := range programs {
		if compared {
			several++
		}
	}
	names := make([]string, len(p.Cells))
	times := make(map[string]int, len(p.Cells))
	for i, c := range p.Cells {
		name := fmt.Sprintf("%s/workload=%s/strategy=%s", baseName(entry[c.Workload]), nameValue(c.Workload), nameValue(c.Label))
		if several > 1 {
			name += "/program=" + nameValue(programName(c.Program))
		}
		names[i] = name + "/cores=" + strconv.Itoa(c.Cores)
		times[names[i]]++
	}
	for i, name := range names {
		if times[name] > 1 {
			names[i] = name + "/cell=" + strconv.Itoa(i)
		}
	}
	return names
}

// programName is what reports call a program too: parbench's own label, self, says nothing outside of a run.
func programName(label string) string {
	if label == "self" {
		return "parbench"
	}
	return label
}

// baseName turns the name of a workload into the part after "Benchmark": letters and digits, each word with a capital.
func baseName(workload string) string {
	var b strings.Builder
	capital := true
	for _, r := range workload {
		switch {
		case r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r):
			capital = true
		case capital:
			b.WriteRune(unicode.ToUpper(r))
			capital = false
		default:
			b.WriteRune(r)
		}
	}
	if b.Len() == 0 {
		return "Workload"
	}
	return b.String()
}

// nameValue escapes the value of a sub-key of a benchmark name.
func nameValue(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '=':
			b.WriteByte(':')
		case r == '/' || r == '%' || unicode.IsSpace(r) || !plain(r) || r == utf8.RuneError:
			for _, c := range []byte(s[i : i+n]) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		default:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}
