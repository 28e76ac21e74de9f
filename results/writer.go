package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Writer appends records to a run file, each with one write, so that what a crash can leave behind is at most one torn
// last line. Make one with Create or Append; the zero value does not work. It is safe for concurrent use and must not be
// copied. On systems with flock(2) it holds the file's lock until Close, so that no second process appends.
type Writer struct {
	mu    sync.Mutex
	f     file
	path  string
	cells int
	good  int64 // length of the file up to the end of its last whole record
	dead  error // set when a torn record could not be cut off: nothing may follow it
}

// file is what a Writer needs of *os.File.
type file interface {
	Write([]byte) (int, error)
	Truncate(int64) error
	Sync() error
	Close() error
}

// WriteError is a failure to write a run file, such as a full disk. What was written before is whole and can be resumed.
type WriteError struct {
	Path string
	Op   string // "write" or "sync"
	Good int64  // bytes of whole records in the file
	Cut  bool   // the file ends there; false: a torn record follows, which readers skip and Append cuts off
	Err  error
}

// Error names the file, the failure and the remedy.
func (e *WriteError) Error() string {
	state := "every earlier trial is safe"
	if !e.Cut {
		state += " and the unfinished last line will be cut off on resuming"
	}
	return fmt.Sprintf("%s %s: %v; %s: make room and continue with --resume %s", e.Op, e.Path, bare(e.Err), state, e.Path)
}

// Unwrap returns the cause.
func (e *WriteError) Unwrap() error { return e.Err }

// Create makes the run file at path and writes its header, durably, before it returns. Type, Schema and Version of h are
// filled in; an empty Plan.Hash is computed. It refuses a file that exists (errors.Is fs.ErrExist) and removes what it
// made when the header cannot be written whole. A crash meanwhile leaves a first line without an end, which Read reports
// as such.
func Create(path string, h Header) (*Writer, error) {
	h.Type, h.Schema, h.Version = "run", Schema, Version
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("creating the run file %s: %w", path, err)
	}
	if h.Plan.Hash == "" {
		h.Plan.Hash = h.Plan.ComputeHash()
	}
	line, err := encode(h, MaxHeader)
	if err != nil {
		return nil, fmt.Errorf("creating the run file %s: header: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, fmt.Errorf("%s exists already; continue that run with --resume %s or choose another place with -o: %w", path, path, fs.ErrExist)
	case err != nil:
		return nil, fmt.Errorf("creating the run file: %w; choose another place with -o", err)
	}
	w := &Writer{f: f, path: path, cells: len(h.Plan.Cells)}
	err = lock(f)
	if err == nil {
		err = w.append(line)
	}
	if err == nil {
		err = w.Sync()
	}
	if err == nil {
		err = syncDir(filepath.Dir(path)) // or a crash could lose the name though the content is safe
	}
	if err != nil {
		cause := err
		if we, ok := errors.AsType[*WriteError](err); ok {
			cause = we.Err // its remedy, resuming, is not one here
		}
		return nil, errors.Join(fmt.Errorf("creating the run file %s: %w; choose another place with -o", path, bare(cause)), f.Close(), os.Remove(path))
	}
	return w, nil
}

// Append opens the run file at path to go on with it, and returns what it holds. A torn last line is cut off first;
// Run.Torn says how long it was. Errors about the content are of type *FormatError.
func Append(path string) (*Writer, *Run, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("resuming a run: %w", err)
	}
	w, run, err := appendTo(f, path)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return w, run, nil
}

func appendTo(f *os.File, path string) (*Writer, *Run, error) {
	if err := lock(f); err != nil {
		return nil, nil, fmt.Errorf("resuming the run %s: %w", path, err)
	}
	// What would be appended to a compressed file is not compressed.
	var head [len(gzipMagic)]byte
	if n, _ := f.ReadAt(head[:], 0); string(head[:n]) == gzipMagic {
		return nil, nil, &FormatError{Path: path, Msg: "compressed with gzip, so that nothing can be appended; decompress it first (gzip -d)"}
	}
	run, err := readFrom(f, path)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("resuming the run %s: %w", path, err)
	}
	w := &Writer{f: f, path: path, cells: len(run.Header.Plan.Cells), good: info.Size() - int64(run.Torn)}
	if run.Torn > 0 {
		if err := f.Truncate(w.good); err != nil {
			return nil, nil, fmt.Errorf("resuming the run %s: cutting off its unfinished last line: %w", path, err)
		}
		if err := w.Sync(); err != nil {
			return nil, nil, err
		}
	}
	return w, run, nil
}

// Trial appends one trial; its Type is filled in. A trial that Read would refuse (a cell outside the plan, a negative
// time, an infinite number) is refused and nothing is written. A failed or short write is a *WriteError.
func (w *Writer) Trial(t *Trial) error {
	record := *t
	record.Type = "trial"
	if err := record.check(w.cells); err != nil {
		return fmt.Errorf("recording a trial in %s: %w", w.path, err)
	}
	line, err := encode(&record, MaxLine)
	if err != nil {
		return fmt.Errorf("recording a trial of cell %d in %s: %w", t.Cell, w.path, err)
	}
	return w.append(line)
}

// Note appends a note, of type "resume" or "end".
func (w *Writer) Note(n Note) error {
	if n.Type != "resume" && n.Type != "end" {
		return fmt.Errorf("recording a note in %s: unknown type %q", w.path, n.Type)
	}
	line, err := encode(n, MaxLine)
	if err != nil {
		return fmt.Errorf("recording a note in %s: %w", w.path, err)
	}
	return w.append(line)
}

// Sync makes what was written durable (fsync). It costs a disk's latency: once per round is meant.
func (w *Writer) Sync() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.f.Sync(); err != nil {
		return &WriteError{Path: w.path, Op: "sync", Good: w.good, Cut: w.dead == nil, Err: err}
	}
	return nil
}

// Close closes the file; it does not sync. A second Close is an error of the file.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.f.Close(); err != nil {
		return fmt.Errorf("closing the run file %s: %w", w.path, err)
	}
	return nil
}

// append writes one line with one write. After a failed one the file is cut back to its last whole record; where even
// that fails, later records are refused, for they would stand behind a torn one in the middle of the file.
func (w *Writer) append(line []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead != nil {
		return w.dead
	}
	n, err := w.f.Write(line)
	if err == nil && n == len(line) {
		w.good += int64(n)
		return nil
	}
	if err == nil {
		err = fmt.Errorf("only %d of %d bytes were written", n, len(line))
	}
	fail := &WriteError{Path: w.path, Op: "write", Good: w.good, Cut: true, Err: err}
	if n > 0 {
		if err := w.f.Truncate(w.good); err != nil {
			fail.Cut = false
			w.dead = fail
		}
	}
	return fail
}

// bare drops the operation and path that os puts before a cause, where the message names them already.
func bare(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// encode returns v as one line of JSON of at most limit bytes.
func encode(v any, limit int) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(b) >= limit {
		return nil, fmt.Errorf("the record has %d bytes, more than the %d that its line may have", len(b), limit-1)
	}
	return append(b, '\n'), nil
}
