package codec

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/parbench/parbench/results"
)

// MaxFile is the size up to which Read takes another tool's file, in bytes after decompression. A run of parbench has the
// bounds of results.Read instead.
const MaxFile = 256 << 20

// ReadFile reads the file at path as Read does; "-" is not special here. Errors about the content are of type
// *FormatError and name the file.
func ReadFile(path string) (*Suite, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading results: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, &FormatError{Path: path, Msg: "is a directory; name a file of results in it"}
	}
	suite, err := Read(f)
	if fe, ok := errors.AsType[*FormatError](err); ok {
		fe.Path = path
		return nil, fe
	}
	if err != nil {
		return nil, fmt.Errorf("reading results from %s: %w", path, err)
	}
	return suite, nil
}

// Read reads a file of results, of parbench or of another tool, which it recognises by its content and never by its name:
// runs of parbench (JSON Lines, or as one JSON document), hyperfine, pyperf, Google Benchmark and JMH JSON, and Go benchmark
// text; each also compressed with gzip. docs/interop.md says how each is mapped. Content that cannot be used, or that is
// none of these, is a *FormatError. Sizes, nesting and counts are bounded; memory grows with the input, never with what
// the input claims.
func Read(r io.Reader) (*Suite, error) { return read(r, MaxFile) }

// read is Read with another limit than MaxFile.
func read(r io.Reader, limit int64) (*Suite, error) {
	in, err := results.Plain(r)
	if err != nil {
		return nil, translate(err)
	}
	head, err := peek(in)
	if err != nil {
		return nil, translate(err)
	}
	if isRun(head) {
		return readRun(in) // streamed: such a file may be large
	}
	data, err := readAll(in, limit)
	if err != nil {
		return nil, translate(err)
	}
	return recognise(data)
}

// translate makes this package's error of what results.Plain says of compressed data.
func translate(err error) error {
	if fe, ok := errors.AsType[*results.FormatError](err); ok {
		return &FormatError{Msg: fe.Msg, Err: fe}
	}
	return err
}

func peek(in *bufio.Reader) ([]byte, error) {
	head, err := in.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return head, nil
}

func readAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, &FormatError{Msg: fmt.Sprintf("the file is larger than %d MiB; split it", limit>>20)}
	}
	return data, nil
}

// isRun reports whether the text begins as the run files do that parbench writes.
func isRun(text []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte(`{"type":"run","schema":"`+results.Schema+`"`))
}

// recognise reads a whole file by what it begins with.
func recognise(data []byte) (*Suite, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	text := bytes.TrimSpace(data)
	switch {
	case len(text) == 0:
		return nil, &FormatError{Msg: "the file is empty; " + known}
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		const remedy = "write UTF-8 instead (go test … | Out-File -Encoding utf8 FILE)"
		return nil, &FormatError{Msg: "UTF-16 text, as > writes in some versions of PowerShell; " + remedy}
	case isRun(text):
		return readRun(bytes.NewReader(data))
	case text[0] == '{':
		return parseObject(data)
	case text[0] == '[':
		return parseArray(data)
	}
	return parseGobench(data)
}

// known ends the message about a file that is nothing known.
const known = "parbench reads its own runs, hyperfine, pyperf, Google Benchmark and JMH JSON, and Go benchmark text"

// present notes that a key is there and keeps nothing of its value.
type present bool

// UnmarshalJSON sets it.
func (p *present) UnmarshalJSON([]byte) error {
	*p = true
	return nil
}

func parseObject(data []byte) (*Suite, error) {
	line, _, _ := bytes.Cut(bytes.TrimSpace(data), []byte("\n"))
	switch head := firstRecord(line); {
	case head.isRun():
		return readRun(bytes.NewReader(data))
	case head.Action != "":
		const remedy = "give the plain text of go test -bench, without -json"
		return nil, &FormatError{Format: GoBenchmark, Msg: "output of go test -json; " + remedy}
	}
	var top struct {
		Results, Benchmarks, Context, Version, Header, Trials, Schema present
		MachineInfo                                                   present `json:"machine_info"`
	}
	text, err := prepare(data)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &top); err != nil {
		return nil, broken("", text, err)
	}
	switch {
	case bool(top.Header && top.Trials):
		return parseDocument(text)
	case bool(top.MachineInfo && top.Benchmarks):
		return nil, &FormatError{Msg: "pytest-benchmark JSON, which parbench does not read; " + known}
	case bool(top.Context && top.Benchmarks):
		return parseGoogle(text)
	case bool(top.Benchmarks && top.Version):
		return parsePyperf(text)
	case bool(top.Results):
		return parseHyperfine(text)
	case bool(top.Schema):
		return nil, &FormatError{Msg: "a run of parbench that was reformatted; give the run.jsonl as `parbench run` wrote it"}
	}
	if isBMF(text) {
		return nil, &FormatError{Msg: "Bencher JSON, which holds one value per benchmark and no samples; give the file that it was made from"}
	}
	return nil, &FormatError{Msg: fmt.Sprintf("JSON of no tool that is known (it begins with %.60q); %s", start(data), known)}
}

// isBMF reports whether all that the object holds are Bencher's measures.
func isBMF(text []byte) bool {
	var file map[string]map[string]struct{ Value *number }
	if json.Unmarshal(text, &file) != nil {
		return false
	}
	for _, benchmark := range file {
		for _, m := range benchmark {
			if m.Value == nil {
				return false
			}
		}
	}
	return len(file) > 0
}

// record is what tells the first line of JSON Lines.
type record struct {
	Type, Schema string // of parbench
	Action       string // of go test -json
}

func firstRecord(line []byte) (r record) {
	if len(line) > results.MaxHeader || json.Unmarshal(line, &r) != nil {
		return record{}
	}
	return r
}

// isRun reports whether it is the header of a run, in whatever order its keys stand.
func (r record) isRun() bool { return r.Schema == results.Schema && r.Type == "run" }

func parseArray(data []byte) (*Suite, error) {
	text, err := prepare(data)
	if err != nil {
		return nil, err
	}
	var list []struct {
		Benchmark, PrimaryMetric, Name, Value, Unit present
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, broken("", text, err)
	}
	switch {
	case len(list) == 0:
		return nil, &FormatError{Format: JMH, Msg: "an empty list; no benchmark was run"}
	case bool(list[0].Benchmark && list[0].PrimaryMetric):
		return parseJMH(text)
	case bool(list[0].Name && list[0].Value && list[0].Unit):
		const remedy = "give the file that it was made from"
		return nil, &FormatError{Msg: "JSON of github-action-benchmark, which holds one value per benchmark and no samples; " + remedy}
	}
	return nil, &FormatError{Msg: fmt.Sprintf("a JSON list of no tool that is known (it begins with %.60q); %s", start(data), known)}
}

// foreign are the beginnings of files that users mistake for results.
var foreign = []struct{ prefix, msg string }{
	{"command,mean,", "hyperfine CSV, which holds no single times; run hyperfine with --export-json"},
	{"| Command |", "a hyperfine Markdown table, which holds no single times; run hyperfine with --export-json"},
	{"name,iterations,real_time", "Google Benchmark CSV; run the benchmark with --benchmark_out_format=json"},
	{`"Benchmark","Mode",`, "JMH CSV, which holds no single times; run JMH with -rf json"},
	{"run,cell,program,", "CSV that parbench wrote; give the run.jsonl that it was made from"},
	{"# TYPE ", "OpenMetrics text, which holds no samples; give the file that it was made from"},
	{"# HELP ", "OpenMetrics text, which holds no samples; give the file that it was made from"},
	{"<", "a page or XML file; " + known},
	{"%PDF", "a PDF file; " + known},
}

// unknown says what a text is that is no Go benchmark text.
func unknown(data []byte) error {
	text := bytes.TrimSpace(data)
	for _, f := range foreign {
		if bytes.HasPrefix(text, []byte(f.prefix)) {
			return &FormatError{Msg: f.msg}
		}
	}
	if !utf8.Valid(text[:min(len(text), 1<<10)]) || bytes.IndexByte(text, 0) >= 0 {
		return &FormatError{Msg: "a binary file; " + known}
	}
	return &FormatError{Msg: fmt.Sprintf("results of no tool that is known (it begins with %.60q); %s", start(data), known)}
}

// start returns the beginning of a text for a message.
func start(data []byte) string {
	text := bytes.TrimSpace(data)
	return strings.Join(strings.Fields(strings.ToValidUTF8(string(text[:min(len(text), 80)]), "")), " ")
}
