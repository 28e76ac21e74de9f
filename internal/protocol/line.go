package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Errors of the line layer. Each means that the other side broke the protocol, so the trial is lost.
var (
	// ErrLineTooLong is wrapped when a line is longer than MaxLine.
	ErrLineTooLong = errors.New("line too long")
	// ErrTooManyRecords is wrapped when more than MaxRecords lines arrived.
	ErrTooManyRecords = errors.New("too many records")
	// ErrMalformed is wrapped when a line is not the JSON object that was expected.
	ErrMalformed = errors.New("malformed line")
)

// Reader splits a stream into lines of at most MaxLine bytes and decodes them. It belongs to one goroutine; the zero
// value is not usable. It never holds more than one line and one read buffer, however hostile its input is.
type Reader struct {
	src   io.Reader
	buf   []byte // what was read and not yet returned lies in buf[start:]
	start int
	lines int
	err   error // of src, kept until the lines before it were returned
}

// readSize is what one read asks for: a pipe's usual capacity.
const readSize = 64 << 10

// NewReader returns a reader of r. It reads ahead: nothing else may read from r.
func NewReader(r io.Reader) *Reader { return &Reader{src: r} }

// Line returns the next line without its newline; the slice is valid until the next call. At the end of the stream it
// returns io.EOF, after an unfinished last line io.ErrUnexpectedEOF. Its other errors wrap ErrLineTooLong or
// ErrTooManyRecords, or are the stream's own. An error is final.
func (r *Reader) Line() ([]byte, error) {
	searched := r.start
	for {
		if i := bytes.IndexByte(r.buf[searched:], '\n'); i >= 0 {
			if searched+i-r.start > MaxLine {
				return nil, r.fail(fmt.Errorf("%w: more than %d bytes", ErrLineTooLong, MaxLine))
			}
			if r.lines++; r.lines > MaxRecords {
				return nil, r.fail(fmt.Errorf("%w: more than %d", ErrTooManyRecords, MaxRecords))
			}
			line := r.buf[r.start : searched+i]
			r.start = searched + i + 1
			return line, nil
		}
		if len(r.buf)-r.start > MaxLine {
			return nil, r.fail(fmt.Errorf("%w: more than %d bytes", ErrLineTooLong, MaxLine))
		}
		if r.err != nil {
			if errors.Is(r.err, io.EOF) && len(r.buf) > r.start {
				return nil, r.fail(io.ErrUnexpectedEOF)
			}
			return nil, r.err
		}
		searched = r.fill()
	}
}

// fill reads once more and returns where the new bytes begin.
func (r *Reader) fill() int {
	if r.start > 0 {
		r.buf = r.buf[:copy(r.buf, r.buf[r.start:])]
		r.start = 0
	}
	if cap(r.buf)-len(r.buf) < readSize {
		// Doubling keeps the copying of one long line linear in its length.
		grown := make([]byte, len(r.buf), 2*cap(r.buf)+readSize)
		copy(grown, r.buf)
		r.buf = grown
	}
	from := len(r.buf)
	n, err := r.src.Read(r.buf[from:cap(r.buf)])
	r.buf = r.buf[:from+n]
	if err != nil {
		r.err = err
	}
	return from
}

func (r *Reader) fail(err error) error {
	r.buf, r.start, r.err = nil, 0, err
	return err
}

// Request returns the next request. Besides the errors of Line it returns one that wraps ErrMalformed; the reader can
// go on after that one. Unknown fields are ignored, so that a newer harness can say more.
func (r *Reader) Request() (Request, error) {
	var q Request
	return q, r.decode(&q)
}

// Record returns the next record; its errors are those of Request. A record with figures that cannot be true is malformed
// too.
func (r *Reader) Record() (Record, error) {
	var rec Record
	if err := r.decode(&rec); err != nil {
		return rec, err
	}
	if err := rec.check(); err != nil {
		return rec, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return rec, nil
}

func (r *Reader) decode(v any) error {
	line, err := r.Line()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("%w: %w in %s", ErrMalformed, err, excerpt(line))
	}
	return nil
}

// excerpt quotes the beginning of a line for an error message: escaped, and short.
func excerpt(line []byte) string {
	const most = 80
	if len(line) > most {
		return fmt.Sprintf("%q...", line[:most])
	}
	return fmt.Sprintf("%q", line)
}

// Writer sends one line per Send, each with a single call of the underlying Write, so that two processes or goroutines
// never mix their lines on a pipe as long as these are short. It is safe for concurrent use.
type Writer struct {
	mu  sync.Mutex
	dst io.Writer
	buf bytes.Buffer
}

// NewWriter returns a writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{dst: w} }

// Send writes v, a Request or a Record, as one line. Its error wraps ErrLineTooLong when v does not fit in MaxLine
// bytes; nothing was written then.
func (w *Writer) Send(v any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Reset()
	enc := json.NewEncoder(&w.buf) // its newline ends the line
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode %T: %w", v, err)
	}
	if w.buf.Len()-1 > MaxLine {
		return fmt.Errorf("send %T: %w: %d bytes, the limit is %d", v, ErrLineTooLong, w.buf.Len()-1, MaxLine)
	}
	_, err := w.dst.Write(w.buf.Bytes())
	return err
}
