package results

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Bounds that a reader keeps and a writer stays under: a file beyond them is refused.
const (
	MaxHeader  = 8 << 20    // bytes of the first line, its end included: room for some 20,000 cells
	MaxLine    = 64 << 20   // bytes of any other line
	MaxRecords = 10_000_000 // records of one file
)

// FormatError says why a file cannot be used as a run. It is about the file's content: bad input, not a failure of
// reading it.
type FormatError struct {
	Path string // empty: unnamed input, such as stdin
	Line int    // from 1; 0: the file as a whole
	Msg  string // what is wrong and the remedy
}

// Error returns "file:line: message", without the parts that are not known.
func (e *FormatError) Error() string {
	switch {
	case e.Path != "" && e.Line > 0:
		return fmt.Sprintf("%s:%d: %s", e.Path, e.Line, e.Msg)
	case e.Path != "":
		return fmt.Sprintf("%s: %s", e.Path, e.Msg)
	case e.Line > 0:
		return fmt.Sprintf("line %d: %s", e.Line, e.Msg)
	}
	return e.Msg
}

// ReadFile reads the run file at path. Errors about the content are of type *FormatError.
func ReadFile(path string) (*Run, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading a run: %w", err)
	}
	defer f.Close()
	return readFrom(f, path)
}

func readFrom(f *os.File, path string) (*Run, error) {
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, &FormatError{Path: path, Msg: "is a directory; name the run.jsonl in it"}
	}
	run, err := Read(f)
	if fe, ok := errors.AsType[*FormatError](err); ok {
		fe.Path = path
		return nil, fe
	}
	if err != nil {
		return nil, fmt.Errorf("reading the run %s: %w", path, err)
	}
	return run, nil
}

// Read reads a run file line by line from r until its end. A last line without its end is what a crash leaves behind: it
// is skipped and its length put in Run.Torn. Whole records of a type this version does not know are skipped and counted
// in Run.Skipped; unknown fields are ignored. Anything else that is not a run file is a *FormatError with the line.
// Memory grows with the input, never with what the input claims; lines and records are bounded by MaxHeader, MaxLine and MaxRecords.
// A file compressed with gzip is read as well, as Plain does, line by line.
func Read(r io.Reader) (*Run, error) {
	plain, err := Plain(r)
	if err != nil {
		return nil, err
	}
	in := lines{r: plain}
	// A header turns into some seventy times its length of memory at worst (a list of empty cells), hence its own bound.
	line, whole, err := in.next(MaxHeader)
	if err != nil {
		return nil, err
	}
	run := new(Run)
	if msg := readHeader(line, whole, &run.Header); msg != "" {
		return nil, &FormatError{Line: 1, Msg: msg}
	}
	for {
		line, whole, err := in.next(MaxLine)
		if err != nil {
			return nil, err
		}
		if !whole {
			run.Torn = len(line)
			return run, nil
		}
		if in.n > MaxRecords {
			return nil, &FormatError{Line: in.n, Msg: fmt.Sprintf("more than %d records; split the run", MaxRecords)}
		}
		if err := run.record(line); err != nil {
			return nil, &FormatError{Line: in.n, Msg: err.Error()}
		}
	}
}

// record takes in one whole line after the header.
func (run *Run) record(line []byte) error {
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	// Almost every line is a trial as Writer wrote it. Looking first saves decoding a long line twice.
	kind := "trial"
	if !bytes.HasPrefix(line, []byte(`{"type":"trial",`)) {
		var head struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal(line, &head); err != nil {
			return fmt.Errorf("damaged record: %w; delete the line to use the rest", err)
		}
		kind = head.Type
	}
	switch kind {
	case "trial":
		var t Trial
		if err := json.Unmarshal(line, &t); err != nil {
			return fmt.Errorf("damaged trial: %w; delete the line to use the rest", err)
		}
		if t.Type != kind {
			return fmt.Errorf("damaged trial: it has two types, trial and %.40q; delete the line to use the rest", t.Type)
		}
		if err := t.check(len(run.Header.Plan.Cells)); err != nil {
			return fmt.Errorf("impossible trial: %w; delete the line to use the rest", err)
		}
		run.Trials = append(run.Trials, t)
	case "resume", "end":
		var n Note
		if err := json.Unmarshal(line, &n); err != nil {
			return fmt.Errorf("damaged note: %w; delete the line to use the rest", err)
		}
		run.Notes = append(run.Notes, n)
	case "run":
		return errors.New("a second header: two runs were joined into one file; split it here")
	default:
		run.Skipped++
	}
	return nil
}

// readHeader decodes and checks the first line. It returns what is wrong with it, or "".
func readHeader(line []byte, whole bool, h *Header) string {
	text := bytes.TrimSpace(line)
	const foreign = "not a parbench run"
	const remedy = "give the run.jsonl that `parbench run` wrote"
	switch {
	case len(line) == 0 && !whole:
		return "the file is empty; " + remedy
	case len(text) == 0 || text[0] != '{':
		return foreign + ": the first line is not a header record; " + remedy
	}
	if start := []byte(`{"type":"run","schema":"` + Schema + `"`); !whole && bytes.HasPrefix(text, start) {
		return "the header line is incomplete: writing stopped before anything was measured; delete the file and run again"
	}
	var head struct {
		Schema  string `json:"schema"`
		Version int    `json:"version"`
		Tool    string `json:"tool"`
	}
	err := json.Unmarshal(text, &head)
	switch {
	case err != nil && head.Schema != Schema:
		return foreign + ": the first line is not a whole JSON record (another tool's file?); " + remedy
	case err != nil:
		return fmt.Sprintf("damaged header: %v; restore the file or run again", err)
	case head.Schema != Schema:
		return fmt.Sprintf("%s: its schema is %.40q, not %q (another tool's file?); %s", foreign, head.Schema, Schema, remedy)
	case head.Version > Version:
		return fmt.Sprintf("written by a newer parbench (%.60q, format %d; this one reads up to %d); use that version or a later one",
			head.Tool, head.Version, Version)
	case head.Version < 1:
		return fmt.Sprintf("damaged header: version %d; restore the file or run again", head.Version)
	case !whole:
		return "the header line is incomplete: writing stopped before anything was measured; delete the file and run again"
	}
	if err := json.Unmarshal(text, h); err != nil {
		return fmt.Sprintf("damaged header: %v; restore the file or run again", err)
	}
	if err := h.check(); err != nil {
		return fmt.Sprintf("impossible header: %v; restore the file or run again", err)
	}
	return ""
}

// lines yields lines of bounded length. The slice that next returns is valid until the next call.
type lines struct {
	r   *bufio.Reader
	n   int // lines begun
	buf []byte
}

// next returns the next line without its end; with it, it may have limit bytes. whole is false for the rest after the last line end, which may be empty.
func (l *lines) next(limit int) (line []byte, whole bool, err error) {
	l.n++
	l.buf = l.buf[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		if len(l.buf)+len(part) > limit {
			return nil, false, &FormatError{Line: l.n, Msg: fmt.Sprintf("line longer than %d MiB; parbench writes no such run file", limit>>20)}
		}
		switch {
		case err == nil && len(l.buf) == 0:
			return part[:len(part)-1], true, nil
		case err == nil:
			l.buf = append(l.buf, part...)
			return l.buf[:len(l.buf)-1], true, nil
		case errors.Is(err, bufio.ErrBufferFull):
			l.buf = append(l.buf, part...)
		case errors.Is(err, io.EOF):
			l.buf = append(l.buf, part...)
			return l.buf, false, nil
		default:
			return nil, false, err
		}
	}
}
