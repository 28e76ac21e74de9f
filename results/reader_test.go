package results

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// encodeRun writes a run in memory as Writer would.
func encodeRun(t interface{ Fatal(...any) }, run *Run) []byte {
	var out []byte
	add := func(v any) {
		line, err := encode(v, MaxLine)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, line...)
	}
	add(run.Header)
	for i := range run.Trials {
		add(&run.Trials[i])
	}
	for _, n := range run.Notes {
		add(n)
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := &Run{Header: drawHeader().Draw(t, "header")}
		want.Trials = rapid.SliceOfN(drawTrial(len(want.Header.Plan.Cells)), 0, 5).Draw(t, "trials")
		want.Notes = []Note{{Type: "resume", Time: epoch, Differs: []string{text().Draw(t, "differs")}}, {Type: "end", Time: epoch, Reason: "complete"}}
		want.Header = headerOf(want.Header)
		want.Header.Plan.Hash = want.Header.Plan.ComputeHash()
		d := &disk{data: encodeRun(t, &Run{Header: want.Header}), room: math.MaxInt}
		w := &Writer{f: d, cells: len(want.Header.Plan.Cells)}
		for i := range want.Trials {
			if err := w.Trial(&want.Trials[i]); err != nil {
				t.Fatal(err)
			}
		}
		for _, n := range want.Notes {
			if err := w.Note(n); err != nil {
				t.Fatal(err)
			}
		}
		got, err := Read(bytes.NewReader(d.data))
		if err != nil {
			t.Fatal(err)
		}
		if d := same(want, got); d != "" || got.Torn != 0 || got.Skipped != 0 {
			t.Fatalf("torn %d, skipped %d, -want +got:\n%s", got.Torn, got.Skipped, d)
		}
		if got.Header.Plan.ComputeHash() != got.Header.Plan.Hash {
			t.Fatal("the plan's hash changed on the way through the file")
		}
	})
}

func TestReadForeign(t *testing.T) {
	header := string(encodeRun(t, &Run{Header: headerOf(sample())}))
	for name, c := range map[string]struct{ in, want string }{
		"empty":           {"", "empty"},
		"blank":           {"\n\n", "not a parbench run"},
		"text":            {"hello\nworld\n", "not a parbench run"},
		"binary":          {"\x7fELF\x00\x00", "not a parbench run"},
		"array":           {"[1,2]\n", "not a parbench run"},
		"hyperfine":       {"{\n  \"results\": [\n", "another tool's file"},
		"one-line JSON":   {`{"version":"1.0","benchmarks":[]}` + "\n", "not a parbench run"},
		"other schema":    {`{"type":"run","schema":"x/y","version":1}` + "\n", `"x/y"`},
		"no end, foreign": {`{"results":[]}`, "not a parbench run"},
		"half header":     {header[:len(header)/2], "header line is incomplete"},
		"header, no end":  {strings.TrimSuffix(header, "\n"), "header line is incomplete"},
		"newer":           {strings.Replace(header, `"version":1`, `"version":2`, 1), `newer parbench ("parbench test", format 2`},
		"newer, changed":  {`{"type":"run","schema":"parbench/run","version":7,"tool":"parbench 9","plan":[]}` + "\n", "newer parbench"},
		"version 0":       {strings.Replace(header, `"version":1`, `"version":0`, 1), "damaged header"},
		"wrong field":     {strings.Replace(header, `"rounds":2`, `"rounds":"two"`, 1), "damaged header"},
		"negative rounds": {strings.Replace(header, `"rounds":2`, `"rounds":-2`, 1), "impossible header"},
		"lost workload":   {strings.Replace(header, `"key":"primes"`, `"key":"prames"`, 1), "impossible header"},
		"no cores":        {strings.Replace(header, `"cores":2`, `"cores":0`, 1), "impossible header"},
		"deep":            {strings.Repeat(`{"a":`, 100_000) + "\n", "not a parbench run"},
	} {
		run, err := Read(strings.NewReader(c.in))
		fe, ok := errors.AsType[*FormatError](err)
		if !ok || run != nil {
			t.Errorf("%s: run %v, error %v, want a FormatError", name, run != nil, err)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || fe.Line != 1 || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q, want one line with %q", name, err, c.want)
		}
	}
}

func headerOf(h Header) Header {
	h.Type, h.Schema, h.Version = "run", Schema, Version
	return h
}

func TestReadRecords(t *testing.T) {
	header := string(encodeRun(t, &Run{Header: headerOf(sample())}))
	for name, c := range map[string]struct {
		lines                  string
		trials, notes, skipped int
		want                   string // of the error; it is in line 2
	}{
		"nothing":           {"", 0, 0, 0, ""},
		"trial":             {`{"type":"trial","cell":1,"wall_ns":[1, 2 ,3]}` + "\n", 1, 0, 0, ""},
		"type last":         {`{"cell":1,"type":"trial"}` + "\n", 1, 0, 0, ""},
		"unknown field":     {`{"type":"trial","cell":1,"new":{"a":[1]}}` + "\n", 1, 0, 0, ""},
		"unknown type":      {`{"type":"weather","cell":"x"}` + "\n" + `{"type":"end"}` + "\n", 0, 1, 1, ""},
		"no type":           {`{}` + "\n", 0, 0, 1, ""},
		"blank, CRLF":       {"\r\n  \n" + `{"type":"end","reason":"complete"}` + "\r\n", 0, 1, 0, ""},
		"broken":            {`{"type":"trial","cell":` + "\n", 0, 0, 0, "damaged trial"},
		"garbage":           {"\x00\x00\x00\n", 0, 0, 0, "damaged record"},
		"wrong kind":        {`{"type":"trial","cell":"1"}` + "\n", 0, 0, 0, "damaged trial"},
		"two types":         {`{"type":"trial","type":"end"}` + "\n", 0, 0, 0, "two types"},
		"second header":     {header, 0, 0, 0, "second header"},
		"cell too large":    {`{"type":"trial","cell":2}` + "\n", 0, 0, 0, "cell 2 is not in the plan, which has 2"},
		"cell negative":     {`{"type":"trial","cell":-1}` + "\n", 0, 0, 0, "cell -1"},
		"round negative":    {`{"type":"trial","cell":1,"round":-1}` + "\n", 0, 0, 0, "round -1"},
		"attempt negative":  {`{"type":"trial","attempt":-1}` + "\n", 0, 0, 0, "attempt -1"},
		"seq negative":      {`{"type":"trial","seq":-1}` + "\n", 0, 0, 0, "seq -1"},
		"tasks negative":    {`{"type":"trial","tasks":-1}` + "\n", 0, 0, 0, "tasks -1"},
		"setup negative":    {`{"type":"trial","setup_ns":-1}` + "\n", 0, 0, 0, "setup_ns -1 is negative"},
		"total negative":    {`{"type":"trial","total_ns":-1}` + "\n", 0, 0, 0, "total_ns -1 is negative"},
		"cpu negative":      {`{"type":"trial","cpu_ns":-1}` + "\n", 0, 0, 0, "cpu_ns -1 is negative"},
		"span negative":     {`{"type":"trial","span_ns":-1}` + "\n", 0, 0, 0, "span_ns -1 is negative"},
		"peak negative":     {`{"type":"trial","peak_bytes":-1}` + "\n", 0, 0, 0, "peak_bytes -1 is negative"},
		"pss negative":      {`{"type":"trial","pss_bytes":-1}` + "\n", 0, 0, 0, "pss_bytes -1 is negative"},
		"pause negative":    {`{"type":"trial","gc_pause_ns":-1}` + "\n", 0, 0, 0, "gc_pause_ns -1 is negative"},
		"clock negative":    {`{"type":"trial","mhz":-1}` + "\n", 0, 0, 0, "mhz is negative"},
		"cpu impossible":    {`{"type":"trial","cpu_ns":9223372036854775807,"span_ns":1}` + "\n", 0, 0, 0, "more than 65536 CPUs"},
		"cpu of ticks":      {`{"type":"trial","cpu_ns":10000000,"span_ns":1}` + "\n", 1, 0, 0, ""},
		"cpu of many CPUs":  {`{"type":"trial","cpu_ns":9223372036854775807,"span_ns":140737488355328}` + "\n", 1, 0, 0, ""},
		"cpu without span":  {`{"type":"trial","cpu_ns":9223372036854775807}` + "\n", 1, 0, 0, ""},
		"fewer switches":    {`{"type":"trial","ctx_forced":-1,"fixture_cpu_ns":-1}` + "\n", 1, 0, 0, ""},
		"fraction":          {`{"type":"trial","wall_ns":[1.5]}` + "\n", 0, 0, 0, "integers"},
		"exponent":          {`{"type":"trial","wall_ns":[1e3]}` + "\n", 0, 0, 0, "integers"},
		"negative":          {`{"type":"trial","warmup_ns":[-1]}` + "\n", 0, 0, 0, "integers"},
		"too large":         {`{"type":"trial","wall_ns":[9223372036854775808]}` + "\n", 0, 0, 0, "integers"},
		"largest":           {`{"type":"trial","wall_ns":[9223372036854775807,0]}` + "\n", 1, 0, 0, ""},
		"sum too large":     {`{"type":"trial","wall_ns":[9223372036854775807,1]}` + "\n", 0, 0, 0, "2^63"},
		"nested":            {`{"type":"trial","wall_ns":[[1]]}` + "\n", 0, 0, 0, "integers"},
		"not a list":        {`{"type":"trial","wall_ns":7}` + "\n", 0, 0, 0, "integers"},
		"list of null":      {`{"type":"trial","wall_ns":[null]}` + "\n", 0, 0, 0, "integers"},
		"string":            {`{"type":"trial","wall_ns":["1"]}` + "\n", 0, 0, 0, "integers"},
		"null and empty":    {`{"type":"trial","wall_ns":null,"warmup_ns":[ ]}` + "\n", 1, 0, 0, ""},
		"float overflow":    {`{"type":"trial","mhz":1e999}` + "\n", 0, 0, 0, "damaged trial"},
		"infinite, bare":    {`{"type":"trial","mhz":Infinity}` + "\n", 0, 0, 0, "damaged trial"},
		"depth":             {`{"type":"weather","x":` + strings.Repeat("[", 100_000) + "\n", 0, 0, 0, "damaged record"},
		"a note that isn't": {`{"type":"end","time":5}` + "\n", 0, 0, 0, "damaged note"},
	} {
		run, err := Read(strings.NewReader(header + c.lines))
		if c.want != "" {
			fe, ok := errors.AsType[*FormatError](err)
			if !ok || fe.Line != 2 || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 300 {
				t.Errorf("%s: error %v, want line 2 and %q", name, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if len(run.Trials) != c.trials || len(run.Notes) != c.notes || run.Skipped != c.skipped || run.Torn != 0 {
			t.Errorf("%s: %d trials, %d notes, %d skipped, %d torn", name, len(run.Trials), len(run.Notes), run.Skipped, run.Torn)
		}
	}
}

// A crash can cut a file anywhere: every whole line counts, the rest is reported.
func TestReadTornAtEveryByte(t *testing.T) {
	whole := &Run{Header: headerOf(sample()), Trials: []Trial{*trialOf(0, 0), *trialOf(1, 0)}, Notes: []Note{{Type: "end", Time: epoch}}}
	for i := range whole.Trials {
		whole.Trials[i].Type = "trial"
	}
	data := encodeRun(t, whole)
	first := bytes.IndexByte(data, '\n') + 1
	for n := range len(data) + 1 {
		run, err := Read(iotest.OneByteReader(bytes.NewReader(data[:n])))
		if n < first {
			if fe, ok := errors.AsType[*FormatError](err); !ok || fe.Line != 1 {
				t.Fatalf("%d bytes: %v, want an error in line 1", n, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		records := bytes.Count(data[:n], []byte("\n")) - 1
		torn := n - 1 - bytes.LastIndexByte(data[:n], '\n')
		if len(run.Trials)+len(run.Notes) != records || run.Torn != torn {
			t.Fatalf("%d bytes: %d trials, %d notes, %d torn; want %d records, %d torn", n, len(run.Trials), len(run.Notes), run.Torn, records, torn)
		}
	}
}

func TestReadBounds(t *testing.T) {
	header := encodeRun(t, &Run{Header: headerOf(sample())})
	long := io.MultiReader(bytes.NewReader(header), io.LimitReader(zeros{}, MaxLine+1))
	_, err := Read(long)
	if fe, ok := errors.AsType[*FormatError](err); !ok || fe.Line != 2 || !strings.Contains(err.Error(), "64 MiB") {
		t.Errorf("long line: %v", err)
	}
	_, err = Read(zeros{})
	if fe, ok := errors.AsType[*FormatError](err); !ok || fe.Line != 1 || !strings.Contains(err.Error(), "8 MiB") {
		t.Errorf("long header: %v", err)
	}
	if _, err := Read(io.MultiReader(bytes.NewReader(header), iotest.ErrReader(io.ErrClosedPipe))); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a failing reader: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func TestReadFileErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadFile(dir); err == nil || !strings.Contains(err.Error(), "run.jsonl") {
		t.Errorf("a directory: %v", err)
	}
	if _, err := ReadFile(dir + "/none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	path := dir + "/x.json"
	if err := os.WriteFile(path, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path); err == nil || !strings.HasPrefix(err.Error(), path+":1: not a parbench run") {
		t.Errorf("a foreign file: %v", err)
	}
}

// Whatever Read accepts can be written again and reads as the same run.
func FuzzRead(f *testing.F) {
	whole := &Run{Header: headerOf(sample()), Trials: []Trial{*trialOf(1, 1)}, Notes: []Note{{Type: "end", Time: epoch, Reason: "complete"}}}
	whole.Trials[0].Type = "trial"
	data := encodeRun(f, whole)
	f.Add(data)
	f.Add(data[:len(data)-9])
	f.Add(append(bytes.Clone(data), `{"type":"trial","cell":1,"others":{"steal":-0.0},"wall_ns":[ ]}`+"\n"+`{"type":"x"}`+"\n"...))
	f.Add([]byte(`{"results":[]}`))
	f.Add([]byte(`{"schema":"parbench/run","version":1}` + "\n" + `{"type":"resume","differs":[]}` + "\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		run, err := Read(bytes.NewReader(in))
		if err != nil {
			if _, ok := errors.AsType[*FormatError](err); !ok {
				t.Fatalf("untyped error %v", err)
			}
			if !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Fatalf("error text %q", err)
			}
			return
		}
		run.Used()
		again, err := Read(bytes.NewReader(encodeRun(t, run)))
		if err != nil {
			t.Fatalf("its own writing: %v", err)
		}
		if d := same(run, again); d != "" || again.Torn != 0 || again.Skipped != 0 {
			t.Fatalf("changed on the way:\n%s", d)
		}
	})
}

// million is a file with 1,000,000 batch times.
func million(b testing.TB, trials int) []byte {
	run := &Run{Header: headerOf(sample())}
	for i := range trials {
		x := trialOf(i%2, i/2)
		x.Type = "trial"
		x.Wall = make(Nanos, 1_000_000/trials)
		for j := range x.Wall {
			x.Wall[j] = 20_000_000 + int64(j*7919%1_000_000)
		}
		run.Trials = append(run.Trials, *x)
	}
	return encodeRun(b, run)
}

// The memory that reading takes is a small multiple of the data: bounded here, where timing cannot disturb the test.
func TestReadMillionMemory(t *testing.T) {
	for _, trials := range []int{1000, 10} {
		data := million(t, trials)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		run, err := Read(bytes.NewReader(data))
		runtime.ReadMemStats(&after)
		if err != nil || len(run.Trials) != trials {
			t.Fatal(err)
		}
		if mib := (after.TotalAlloc - before.TotalAlloc) >> 20; mib > 40 {
			t.Errorf("%d trials: %d MiB were allocated in all", trials, mib)
		}
	}
}

func BenchmarkReadMillion(b *testing.B) {
	for name, trials := range map[string]int{"1000x1000": 1000, "10x100000": 10} {
		data := million(b, trials)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Read(bytes.NewReader(data)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
