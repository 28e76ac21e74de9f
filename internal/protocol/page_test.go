package protocol_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/workloads"
)

// page is docs/protocol.md, which these tests hold to what it says.
func page(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// block returns the only fenced block of the page with the given information string.
func block(t *testing.T, info string) string {
	t.Helper()
	_, rest, found := strings.Cut(page(t), "\n```"+info+"\n")
	body, after, closed := strings.Cut(rest, "\n```\n")
	if !found || !closed || strings.Contains(after, "\n```"+info+"\n") {
		t.Fatalf("the page does not have exactly one block %q", info)
	}
	return body
}

// decode reads a line as strictly as JSON allows and returns its operation or type.
func decode[T any](t *testing.T, line string, name func(T) string) string {
	t.Helper()
	var v T
	dec := json.NewDecoder(strings.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	again, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := json.Unmarshal([]byte(line), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(again, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s is not what a program would send:\n%s", line, d)
	}
	return name(v)
}

func TestPageExamples(t *testing.T) {
	var ops, types []string
	for _, line := range strings.Split(block(t, "json request"), "\n") {
		ops = append(ops, decode(t, line, func(q protocol.Request) string {
			if q.Protocol != protocol.Version {
				t.Errorf("version %d in %s", q.Protocol, line)
			}
			return q.Op
		}))
	}
	for _, line := range strings.Split(block(t, "json record"), "\n") {
		types = append(types, decode(t, line, func(r protocol.Record) string { return r.Type }))
	}
	if want := []string{"describe", "run", "go", "serve"}; !cmp.Equal(ops, want) {
		t.Errorf("requests %q, want one of each of %q", ops, want)
	}
	want := []string{"description", "ready", "batches", "usage", "probe", "digests", "serving", "error", "done"}
	if !cmp.Equal(types, want) {
		t.Errorf("records %q, want one of each of %q", types, want)
	}
}

// TestPageIsComplete looks for every field and limit of the package on the page.
func TestPageIsComplete(t *testing.T) {
	text := page(t)
	wants := []string{
		"version " + strconv.Itoa(protocol.Version), "`" + protocol.Cookie + "`", "8,388,608", "100,000", "65,536",
		"descriptor " + strconv.Itoa(protocol.FDIn), "descriptor " + strconv.Itoa(protocol.FDOut),
	}
	for _, kind := range []string{
		protocol.ErrTask, protocol.ErrPanic, protocol.ErrDigest, protocol.ErrDeadline, protocol.ErrSetup, protocol.ErrRequest,
	} {
		wants = append(wants, "| `"+kind+"` |")
	}
	for _, field := range fields(reflect.TypeFor[protocol.Run]()) {
		wants = append(wants, "`"+field+"`")
	}
	for _, typ := range []reflect.Type{
		reflect.TypeFor[protocol.Ready](), reflect.TypeFor[protocol.Batches](), reflect.TypeFor[protocol.Usage](),
		reflect.TypeFor[protocol.Digest](), reflect.TypeFor[protocol.Serving](), reflect.TypeFor[protocol.Error](),
		reflect.TypeFor[protocol.Description](), reflect.TypeFor[protocol.Probe](), reflect.TypeFor[protocol.Unseen](),
		reflect.TypeFor[protocol.Done](),
	} {
		for _, field := range fields(typ) {
			wants = append(wants, `"`+field+`":`)
		}
	}
	for _, field := range fields(reflect.TypeFor[protocol.Probe]()) {
		wants = append(wants, "`"+field+"`")
	}
	for _, field := range fields(reflect.TypeFor[protocol.Strategy]())[3:] {
		wants = append(wants, "`"+field+"`")
	}
	for _, w := range wants {
		if !strings.Contains(text, w) {
			t.Errorf("the page does not mention %s", w)
		}
	}
	if protocol.MaxLine != 8388608 || protocol.MaxRecords != 100000 || protocol.BatchChunk != 100000 {
		t.Error("the limits on the page are not those of the package")
	}
}

// fields returns the JSON names of a struct's fields.
func fields(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// example is the page's program in another language, started as the harness would.
type example struct {
	t        *testing.T
	cmd      *exec.Cmd
	stderr   bytes.Buffer
	lifeline *os.File
	requests *protocol.Writer
	records  *protocol.Reader
}

func startExample(t *testing.T) *example {
	t.Helper()
	python := testenv.NeedCommand(t, "python3")
	file := filepath.Join(t.TempDir(), "example.py")
	if err := os.WriteFile(file, []byte(block(t, "python")), 0o600); err != nil {
		t.Fatal(err)
	}
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	e := &example{t: t, lifeline: inW, requests: protocol.NewWriter(inW), records: protocol.NewReader(outR)}
	e.cmd = exec.Command(python, file)
	e.cmd.Env = append(os.Environ(), protocol.Cookie+"="+protocol.CookieValue)
	e.cmd.ExtraFiles = []*os.File{inR, outW}
	e.cmd.Stderr = &e.stderr
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	inR.Close()
	outW.Close()
	// Bounds a test that would hang.
	if err := outR.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		inW.Close()
		outR.Close()
		if e.cmd.ProcessState == nil {
			_ = e.cmd.Process.Kill()
			_ = e.cmd.Wait()
		}
	})
	return e
}

func (e *example) send(q protocol.Request) {
	e.t.Helper()
	if err := e.requests.Send(q); err != nil {
		e.t.Fatal(err)
	}
}

func (e *example) want(typ string) protocol.Record {
	e.t.Helper()
	r, err := e.records.Record()
	if err != nil || r.Type != typ {
		e.t.Fatalf("got %+v, %v, want %q; standard error: %s", r, err, typ, &e.stderr)
	}
	return r
}

func (e *example) exit() syscall.WaitStatus {
	_ = e.cmd.Wait() // the status says what there is to say
	return e.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

func TestPageProgram(t *testing.T) {
	digest := func(n int) string {
		var sum uint64
		for i := range n {
			d := workloads.Key(1<<63, i)
			for range 1000 {
				d = workloads.Mix(d)
			}
			sum = workloads.Combine(sum, i, d)
		}
		return fmt.Sprintf("%016x", sum)
	}
	run := protocol.Request{Protocol: protocol.Version, Op: "run", Run: &protocol.Run{
		Workload: "mix", Strategy: "sequential", Workers: 1, Cores: 1, Seed: 1 << 63, Tasks: 10,
		WarmupBatches: 1, MinBatches: 3, DeadlineNS: time.Minute.Nanoseconds(), Digests: []int{4, 10},
	}}
	t.Run("describe", func(t *testing.T) {
		e := startExample(t)
		e.send(protocol.Request{Protocol: protocol.Version, Op: "describe"})
		d := e.want("description").Describe
		if d.Protocol != protocol.Version || d.Workloads[0].Name != "mix" || !d.Strategies[0].OneCore {
			t.Errorf("description %+v", d)
		}
		e.want("done")
		if s := e.exit(); s.ExitStatus() != 0 {
			t.Errorf("ended with %v", s)
		}
	})
	t.Run("run", func(t *testing.T) {
		e := startExample(t)
		e.send(run)
		if r := e.want("ready").Ready; r.Pid != e.cmd.Process.Pid || r.Tasks != 10 {
			t.Errorf("ready %+v", r)
		}
		e.send(protocol.Request{Protocol: protocol.Version, Op: "go"})
		b := e.want("batches").Batches
		if len(b.Warmup) != 1 || len(b.Wall) != 3 || b.Digest != digest(10) {
			t.Errorf("batches %+v, want digest %s", b, digest(10))
		}
		e.want("usage")
		got := e.want("digests").Digests
		if want := []protocol.Digest{{Tasks: 4, Digest: digest(4)}, {Tasks: 10, Digest: digest(10)}}; !cmp.Equal(got, want) {
			t.Errorf("digests %+v, want %+v", got, want)
		}
		e.want("done")
		if s := e.exit(); s.ExitStatus() != 0 {
			t.Errorf("ended with %v", s)
		}
	})
	t.Run("version", func(t *testing.T) {
		e := startExample(t)
		e.send(protocol.Request{Protocol: protocol.Version + 1, Op: "describe"})
		if got := e.want("error").Error; got.Kind != protocol.ErrRequest {
			t.Errorf("error %+v", got)
		}
		if s := e.exit(); s.ExitStatus() != 1 {
			t.Errorf("ended with %v", s)
		}
	})
	t.Run("lifeline", func(t *testing.T) {
		e := startExample(t)
		e.send(run)
		e.want("ready")
		e.lifeline.Close()
		if s := e.exit(); s.Signal() != syscall.SIGKILL {
			t.Errorf("ended with %v; standard error: %s", s, &e.stderr)
		}
	})
	t.Run("deadline", func(t *testing.T) {
		e := startExample(t)
		late := *run.Run
		late.DeadlineNS = 1e6
		e.send(protocol.Request{Protocol: protocol.Version, Op: "run", Run: &late})
		r, err := e.records.Record()
		if err == nil && r.Type == "ready" {
			r = e.want("error")
		}
		if err != nil || r.Error == nil || r.Error.Kind != protocol.ErrDeadline {
			t.Errorf("got %+v, %v", r, err)
		}
		e.exit()
	})
}
