package builtin_test

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/workloads"
	"github.com/parbench/parbench/workloads/builtin"
)

const (
	vectorsJSON   = "../testdata/vectors.json"
	vectorsPython = "../testdata/vectors.py"
	specification = "../../docs/workloads.md"
)

// hex is a 64-bit number in 16 hexadecimal digits.
type hex uint64

func (h *hex) UnmarshalJSON(text []byte) error {
	n, err := strconv.ParseUint(strings.Trim(string(text), `"`), 16, 64)
	*h = hex(n)
	return err
}

type vectors struct {
	Mix []struct{ In, Out hex }
	// Stream holds the first numbers of one task's stream, and then the bits of the floats that follow.
	Stream struct {
		Seed         uint64 `json:"seed,string"`
		Task         int
		Next, Floats []hex
	}
	Tasks []struct {
		vector
		Task int
	}
	Batches []struct {
		vector
		Tasks int
	}
}

type vector struct {
	Workload string
	Params   workloads.Params
	Seed     uint64 `json:"seed,string"`
	Digest   hex
}

func readVectors(t *testing.T) vectors {
	t.Helper()
	text, err := os.ReadFile(vectorsJSON)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestNumberVectors(t *testing.T) {
	v := readVectors(t)
	for _, m := range v.Mix {
		if got := workloads.Mix(uint64(m.In)); got != uint64(m.Out) {
			t.Errorf("Mix(%#x) = %#x, want %#x", uint64(m.In), got, uint64(m.Out))
		}
	}
	s := workloads.TaskStream(v.Stream.Seed, v.Stream.Task)
	for k, want := range v.Stream.Next {
		if got := s.Next(); got != uint64(want) {
			t.Errorf("number %d of the stream is %#x, want %#x", k, got, uint64(want))
		}
	}
	for k, want := range v.Stream.Floats {
		if got := math.Float64bits(s.Float()); got != uint64(want) {
			t.Errorf("bits of float %d are %#x, want %#x", k, got, uint64(want))
		}
	}
	if len(v.Mix) == 0 || len(v.Stream.Next) == 0 || len(v.Stream.Floats) == 0 {
		t.Error("vectors are missing")
	}
}

func TestTaskVectors(t *testing.T) {
	reg := builtin.Registry()
	seen := map[string]int{}
	for _, v := range readVectors(t).Tasks {
		seen[v.Workload]++
		t.Run(v.Workload+"/"+v.Params.String(), func(t *testing.T) {
			w, err := reg.Lookup(v.Workload)
			if err != nil {
				t.Fatal(err)
			}
			got, err := prepare(t, reg, w, v.Params, v.Seed).Task(t.Context(), v.Task)
			if err != nil {
				t.Fatal(err)
			}
			if got != uint64(v.Digest) {
				t.Errorf("digest of task %d is %016x, want %016x", v.Task, got, uint64(v.Digest))
			}
		})
	}
	for _, w := range reg.All() {
		if name := w.Info().Name; seen[name] < 3 {
			t.Errorf("%s has %d vectors, want at least 3", name, seen[name])
		}
	}
}

func TestBatchVectors(t *testing.T) {
	reg := builtin.Registry()
	for _, v := range readVectors(t).Batches {
		w, err := reg.Lookup(v.Workload)
		if err != nil {
			t.Fatal(err)
		}
		tasks := prepare(t, reg, w, v.Params, v.Seed)
		var batch uint64
		for i := range v.Tasks {
			d, err := tasks.Task(t.Context(), i)
			if err != nil {
				t.Fatal(err)
			}
			batch = workloads.Combine(batch, i, d)
		}
		if batch != uint64(v.Digest) {
			t.Errorf("digest of %d tasks of %s is %016x, want %016x", v.Tasks, v.Workload, batch, uint64(v.Digest))
		}
	}
}

// TestPythonAgrees runs the second implementation, which was written from the specification, and compares what it
// computes with the recorded vectors and with the tables of the specification.
func TestPythonAgrees(t *testing.T) {
	python := testenv.NeedCommand(t, "python3")
	run := func(args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), python, append([]string{"-I", vectorsPython}, args...)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, &stderr)
		}
		return out
	}
	want, err := os.ReadFile(vectorsJSON)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(run(), want) {
		t.Errorf("%s is not what %s prints", vectorsJSON, vectorsPython)
	}
	spec, err := os.ReadFile(specification)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(spec, run("--markdown")) {
		t.Errorf("%s does not hold the tables that %s --markdown prints", specification, vectorsPython)
	}
}

// TestSpecificationListsParameters keeps the summary of the specification and the code together.
func TestSpecificationListsParameters(t *testing.T) {
	text, err := os.ReadFile(specification)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for _, w := range builtin.Registry().All() {
		info := w.Info()
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "### `"+info.Name+"` ("+string(info.Kind)) }) {
			t.Errorf("%s has no section \"### `%s` (%s…\"", specification, info.Name, info.Kind)
		}
		for _, p := range info.Params {
			def := p.Default
			if p.Auto != "" {
				def = "rule " + p.Auto
			}
			row := "| " + info.Name + " | " + p.Name + " | " + string(p.Type) + " | " + def + " | " + p.Doc + " |"
			if !slices.Contains(lines, row) {
				t.Errorf("%s lacks the row\n%s", specification, row)
			}
		}
	}
}
