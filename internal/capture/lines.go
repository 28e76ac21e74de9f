package capture

import (
	"bytes"
	"io"
)

// Lines is a writer that passes on whole lines. Make it with NewLines; not safe for concurrent use.
type Lines struct {
	each func(line []byte)
	rest []byte
}

var _ io.WriteCloser = (*Lines)(nil)

// longest is how much of a line is held back until its end comes, in bytes.
const longest = 8 << 10

// NewLines returns a writer that calls each with every line, without its end and valid during the call only. A line that is
// very long comes in pieces.
func NewLines(each func(line []byte)) *Lines { return &Lines{each: each} }

// Write implements io.Writer. It never fails.
func (l *Lines) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		piece := b
		if end >= 0 {
			piece = b[:end]
		}
		b = b[min(len(b), len(piece)+1):]
		l.rest = append(l.rest, piece...)
		if end >= 0 || len(l.rest) >= longest {
			l.pass()
		}
	}
	return n, nil
}

// Close passes on a last line that has no end. The writer can be used again.
func (l *Lines) Close() error {
	if len(l.rest) > 0 {
		l.pass()
	}
	return nil
}

func (l *Lines) pass() {
	l.each(l.rest)
	l.rest = l.rest[:0]
}
