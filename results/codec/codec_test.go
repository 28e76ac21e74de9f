package codec

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchproc"
	"pgregory.net/rapid"

	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/results"
)

var epoch = time.Date(2026, 11, 20, 22, 15, 30, 0, time.UTC)

// sample is a run of two workloads and three strategies over eight rounds, with a disturbed trial and its repeat, and a
// failed one.
func sample() *results.Run {
	run := &results.Run{Header: results.Header{
		Type: "run", Schema: results.Schema, Version: results.Version, ID: "20261120T221530Z-k3fq", Created: epoch, Tool: "parbench test",
		Environment: results.Environment{OS: "linux", Arch: "amd64", CPUModel: "Some CPU @ 2.00GHz", UsableCores: 2},
		Plan:        results.Plan{Rounds: 8, Timeout: 30},
	}}
	p := &run.Header.Plan
	for _, key := range []string{"primes{limit=10000}", "fetch-parse"} {
		name, _, _ := strings.Cut(key, "{")
		p.Workloads = append(p.Workloads, results.PlanEntry{Key: key, Name: name, Kind: "cpu", Tasks: 8})
		add := func(strategy, label string, cores int) {
			p.Cells = append(p.Cells, results.Cell{Program: "self", Workload: key, Strategy: strategy, Label: label, Cores: cores, Workers: cores, Tasks: 8})
		}
		add("sequential", "sequential", 1)
		for cores := 1; cores <= 2; cores++ {
			add("pool", "pool", cores)
			add("process-pool", "process-pool:mode=imap,chunk=16", cores)
		}
	}
	seq := 0
	trial := func(cell, round, attempt int, flagged bool) *results.Trial {
		base := int64(8_000_000 / p.Cells[cell].Cores)
		run.Trials = append(run.Trials, results.Trial{
			Type: "trial", Cell: cell, Round: round, Attempt: attempt, Seq: seq, Start: epoch.Add(time.Duration(seq) * time.Second), Status: results.OK,
			Tasks: 8, Warmup: results.Nanos{base}, Wall: results.Nanos{base + int64(round)*1000, base + int64(cell)*100}, SetupNS: 1_000_000,
			TotalNS: 30_000_000, OverheadNS: -5, CPUNS: 2 * base, SpanNS: 2 * base, PeakBytes: 9 << 20,
			Others: &results.Outside{Source: "cgroup-v2", Flagged: flagged},
		})
		seq++
		return &run.Trials[len(run.Trials)-1]
	}
	for round := range 8 {
		for cell := range p.Cells {
			trial(cell, round, 0, cell == 1 && round == 3)
		}
		if round == 3 {
			trial(1, round, 1, false)
		}
	}
	last := &run.Trials[len(run.Trials)-1]
	last.Status, last.Reason, last.Wall = results.Crashed, "=HYPERLINK(\"x\")\nexit status 2", nil
	return run
}

// benchText reads benchmark text as benchstat does. Anything but results is a failure.
func benchText(t interface{ Fatalf(string, ...any) }, text []byte) (out []*benchfmt.Result) {
	r := benchfmt.NewReader(bytes.NewReader(text), "test")
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.Result:
			out = append(out, rec.Clone())
		default:
			t.Fatalf("%#v in\n%s", rec, text)
		}
	}
	if err := r.Err(); err != nil {
		t.Fatalf("%v", err)
	}
	return out
}

func TestGobench(t *testing.T) {
	run := sample()
	var b bytes.Buffer
	if err := WriteGobench(&b, run); err != nil {
		t.Fatal(err)
	}
	got := benchText(t, b.Bytes())
	used := run.Used()
	if len(got) != len(used) || len(used) != 8*10-1 {
		t.Fatalf("%d lines, %d trials used", len(got), len(used))
	}
	var parser benchproc.ProjectionParser
	strategy, err := parser.Parse("/strategy", nil)
	if err != nil {
		t.Fatal(err)
	}
	rest, err := parser.Parse(".fullname,.config", nil)
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[benchproc.Key]map[string]int)
	for i, r := range got {
		trial := run.Trials[used[i]]
		cell := run.Header.Plan.Cells[trial.Cell]
		sec, _ := trial.Observation()
		if v, ok := r.Value("sec/op"); !ok || math.Abs(v/sec-1) > 1e-12 {
			t.Errorf("%s: %v s, want %v", r.Name, v, sec)
		}
		if v, ok := r.Value("cpu-sec/op"); !ok || math.Abs(v-float64(trial.CPUNS)/16e9) > 1e-12 {
			t.Errorf("%s: cpu %v", r.Name, v)
		}
		if v, ok := r.Value("peak-RSS-bytes"); !ok || v != 9<<20 {
			t.Errorf("%s: peak %v", r.Name, v)
		}
		if r.Iters != 16 || r.GetConfig("goos") != "linux" || r.GetConfig("cpu") != "Some CPU @ 2.00GHz" {
			t.Errorf("%s: %d iterations, config %v", r.Name, r.Iters, r.Config)
		}
		key := rest.Project(r)
		if rows[key] == nil {
			rows[key] = make(map[string]int)
		}
		label := strategy.Project(r).StringValues()
		rows[key][label]++
		if want := strings.ReplaceAll(cell.Label, "=", ":"); label != want {
			t.Errorf("strategy %q, want %q", label, want)
		}
	}
	// Two workloads on one or two cores: four rows, each with every strategy that ran there.
	if len(rows) != 4 {
		t.Errorf("benchstat would show %d rows: %v", len(rows), rows)
	}
	for key, strategies := range rows {
		if want := 2 + map[bool]int{true: 1}[strings.Contains(key.String(), "cores=1")]; len(strategies) != want {
			t.Errorf("row %v has %v", key, strategies)
		}
	}
	if first, want := string(got[0].Name), "Primes/workload=primes{limit:10000}/strategy=sequential/cores=1"; first != want {
		t.Errorf("name %s, want %s", first, want)
	}
}

// The command itself, as a user would run it.
func TestBenchstat(t *testing.T) {
	bin, err := exec.LookPath("benchstat")
	if err != nil {
		bin = filepath.Join(t.TempDir(), "benchstat")
		out, err := exec.Command("go", "build", "-o", bin, "golang.org/x/perf/cmd/benchstat").CombinedOutput()
		testenv.Need(t, fmt.Sprintf("benchstat: go install golang.org/x/perf/cmd/benchstat@latest (%.200q)", out), err == nil)
	}
	file := filepath.Join(t.TempDir(), "run.txt")
	var b bytes.Buffer
	if err := WriteGobench(&b, sample()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(bin, "-col", "/strategy", "-format", "csv", "-filter", ".unit:sec/op", file)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	text := string(out)
	for _, want := range []string{"goos: linux", ",sequential,", ",pool,", "process-pool:mode:imap,chunk:16", "sec/op", "vs base",
		"Primes/workload=primes{limit:10000}/cores=1,", "Primes/workload=primes{limit:10000}/cores=2,", "FetchParse/workload=fetch-parse/cores=2,"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in benchstat's table:\n%s%s", want, text, stderr.String())
		}
	}
	// One table: a second one would mean that something but the strategy differs.
	if n := strings.Count(text, "vs base") / 2; n != 1 {
		t.Errorf("%d tables:\n%s", n, text)
	}
}

// hostile draws text that tries to break out of a line, a field or a name.
func hostile() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "a=b", "a:b", "a/b", "a b", "-8", "x-8", "\nUnit ns/op better=higher", "\x1b]0;x\a",
		"a\xffb", "\u202e", "100%", "=1+1", " =1", "\t=1", "@x", "+1", "-1", "a,\"b\"", "\r\n", "\u0085", "\u2028"}))
}

func TestHostileNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		run := sample()
		run.Header.ID, run.Header.Environment.CPUModel = hostile().Draw(t, "id"), hostile().Draw(t, "cpu")
		p := &run.Header.Plan
		p.Workloads[0].Name, p.Workloads[0].Key = hostile().Draw(t, "name"), hostile().Draw(t, "key")
		for i := range p.Cells {
			if c := &p.Cells[i]; i < 5 {
				c.Workload, c.Label, c.Program = p.Workloads[0].Key, hostile().Draw(t, "label"), hostile().Draw(t, "program")
			}
		}
		run.Trials[0].Reason, run.Trials[0].Status = hostile().Draw(t, "reason"), results.Status(hostile().Draw(t, "status"))

		var b bytes.Buffer
		if err := WriteGobench(&b, run); err != nil {
			t.Fatal(err)
		}
		noControls(t, b.String(), "\n")
		got := benchText(t, b.Bytes())
		used := run.Used()
		if len(got) != len(used) {
			t.Fatalf("%d lines for %d trials:\n%s", len(got), len(used), b.String())
		}
		cells := make(map[string]int)
		for i, r := range got {
			name := string(r.Name)
			if have, ok := cells[name]; ok && have != run.Trials[used[i]].Cell {
				t.Fatalf("cells %d and %d share the name %s", have, run.Trials[used[i]].Cell, name)
			}
			cells[name] = run.Trials[used[i]].Cell
			if _, parts := r.Name.Parts(); len(parts) < 3 || len(parts) > 5 || strings.HasPrefix(string(parts[len(parts)-1]), "-") {
				t.Fatalf("name %q has the parts %q", name, parts)
			}
		}

		b.Reset()
		if err := WriteCSV(&b, run); err != nil {
			t.Fatal(err)
		}
		noControls(t, b.String(), "\r\n")
		rows, err := csv.NewReader(&b).ReadAll()
		if err != nil || len(rows) != len(run.Trials)+1 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		for _, row := range rows[1:] {
			for i, c := range columns {
				if c.text && strings.ContainsAny(first(row[i]), "=+-@\t\r") {
					t.Fatalf("column %s begins a formula: %q", c.name, row[i])
				}
			}
		}
	})
}

func first(s string) string {
	for _, r := range strings.TrimLeft(s, " ") {
		return string(r)
	}
	return ""
}

func noControls(t *rapid.T, text, except string) {
	for _, r := range text {
		if unicode.IsControl(r) && !strings.ContainsRune(except, r) {
			t.Fatalf("control character %q in %q", r, text)
		}
	}
}

func TestCSV(t *testing.T) {
	run := sample()
	var b bytes.Buffer
	if err := WriteCSV(&b, run); err != nil {
		t.Fatal(err)
	}
	if strings.Count(b.String(), "\r\n") != len(run.Trials)+1 || strings.Count(b.String(), "\n") != len(run.Trials)+1 {
		t.Error("not one line ending in CR LF for each row")
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := func(row int, column string) string { return rows[row][slices.Index(rows[0], column)] }
	last := len(rows) - 1
	for _, c := range []struct {
		row          int
		column, want string
	}{
		{1, "run", "20261120T221530Z-k3fq"}, {1, "workload", "primes{limit=10000}"}, {1, "observation_s", "0.001"}, {1, "wall_ns", "16000000"},
		{1, "used", "true"}, {1, "overhead_ns", "-5"}, {1, "start", "2026-11-20T22:15:30Z"}, {1, "others_flagged", "false"},
		{last, "status", "crash"}, {last, "reason", `'=HYPERLINK("x")\nexit status 2`}, {last, "observation_s", ""}, {last, "used", "false"},
		{last, "batch_min_ns", ""}, {32, "others_flagged", "true"}, {32, "used", "false"}, {last, "batches", "0"},
	} {
		if got := at(c.row, c.column); got != c.want {
			t.Errorf("row %d, %s: %q, want %q", c.row, c.column, got, c.want)
		}
	}
	if at(1, "user_ns") != "" || at(1, "exits") != "" {
		t.Error("what is only known of commands is written of other tasks")
	}
	run.Header.Plan.Commands = &results.Commands{}
	tr := &run.Trials[0]
	tr.UserNS, tr.SystemNS, tr.ShellNS, tr.PeakBound, tr.Exits = 5, 6, 7, true, map[string]int{"signal 9": 1, "0": 3}
	run.Trials[0].Others = nil
	b.Reset()
	if err := WriteCSV(&b, run); err != nil {
		t.Fatal(err)
	}
	rows, _ = csv.NewReader(&b).ReadAll()
	if at(1, "others_flagged") != "" || at(1, "others_cpu_share") != "" {
		t.Error("unknown interference is written as none")
	}
	for name, want := range map[string]string{"user_ns": "5", "system_ns": "6", "shell_ns": "7", "peak_bound": "true", "exits": "0: 3; signal 9: 1"} {
		if got := at(1, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// Every scalar field of a trial has its column: a field added later must not be forgotten.
func TestCSVHoldsEveryScalar(t *testing.T) {
	elsewhere := map[string]string{"type": "always trial", "stderr": "long; in the JSON", "warmup_ns": "a sum", "wall_ns": "a sum", "others": "four columns", "split": "twelve columns"}
	have := make(map[string]bool)
	for _, c := range columns {
		have[c.name] = true
	}
	trial := reflect.TypeFor[results.Trial]()
	for i := range trial.NumField() {
		name, _, _ := strings.Cut(trial.Field(i).Tag.Get("json"), ",")
		if !have[name] && elsewhere[name] == "" {
			t.Errorf("no column for the field %s", name)
		}
	}
}

func TestJSON(t *testing.T) {
	run := sample()
	run.Trials[0].Reason = "</script>\u2028\x1b"
	for _, notes := range [][]results.Note{nil, {{Type: "end", Time: epoch, Reason: "complete"}}} {
		run.Notes = notes
		var b bytes.Buffer
		if err := WriteJSON(&b, run); err != nil {
			t.Fatal(err)
		}
		var got struct {
			Header results.Header
			Trials []struct {
				results.Trial
				Used        *bool    `json:"used"`
				Observation *float64 `json:"observation_s"`
			}
			Notes []results.Note
		}
		if err := json.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(run.Header, got.Header); d != "" {
			t.Error(d)
		}
		if got.Notes == nil || len(got.Notes) != len(notes) || len(got.Trials) != len(run.Trials) {
			t.Fatalf("%d notes, %d trials", len(got.Notes), len(got.Trials))
		}
		used := 0
		for i, x := range got.Trials {
			if d := cmp.Diff(run.Trials[i], x.Trial); d != "" {
				t.Error(d)
			}
			s, ok := run.Trials[i].Observation()
			if ok != (x.Observation != nil) || ok && *x.Observation != s {
				t.Errorf("trial %d: observation %v, want %v %v", i, x.Observation, s, ok)
			}
			if *x.Used {
				used++
			}
		}
		if used != len(run.Used()) {
			t.Errorf("%d trials used", used)
		}
	}
	run.Trials[3].MHz = math.NaN()
	if err := WriteJSON(&bytes.Buffer{}, run); err == nil {
		t.Error("a NaN was written")
	}
}

func TestEmptyRun(t *testing.T) {
	run := &results.Run{}
	for name, write := range writers {
		var b bytes.Buffer
		if err := write(&b, run); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == "JSON" && !json.Valid(b.Bytes()) {
			t.Errorf("%s", b.String())
		}
	}
}

var writers = map[string]func(io.Writer, *results.Run) error{"gobench": WriteGobench, "CSV": WriteCSV, "JSON": WriteJSON}

// limited fails after so many bytes.
type limited int

var errFull = errors.New("full")

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > int(*l) {
		return 0, errFull
	}
	*l -= limited(len(p))
	return len(p), nil
}

// A full disk must surface wherever it strikes, also in the last buffer.
func TestWriteErrors(t *testing.T) {
	for name, write := range writers {
		var b bytes.Buffer
		if err := write(&b, sample()); err != nil {
			t.Fatal(err)
		}
		for _, room := range []int{0, 1, 5000, b.Len() - 1} {
			l := limited(room)
			if err := write(&l, sample()); !errors.Is(err, errFull) {
				t.Errorf("%s with room for %d bytes: %v", name, room, err)
			}
		}
	}
}
