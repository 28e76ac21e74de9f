package results

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// gzipMagic is what every gzip file begins with (RFC 1952, section 2.3.1).
const gzipMagic = "\x1f\x8b"

// What is taken from a compressed file: up to freeSize bytes whatever its size, and beyond that up to maxGrowth bytes for
// each byte of it. Run files shrink by a factor of five to ten; a file that is made to fill the memory by one of up to
// 1,032, the most that the format can (RFC 1951).
const (
	freeSize  = 16 << 20
	maxGrowth = 100
)

// Plain returns a reader of what r holds: decompressed on the fly where it begins as a gzip file does, whatever its name,
// and as it is otherwise. Reading returns a *FormatError where the compressed data are damaged or incomplete, expand to
// more than a hundred times their size, or are compressed once more; errors of r come back as they are. It reads ahead.
func Plain(r io.Reader) (*bufio.Reader, error) {
	const size = 256 << 10
	in := bufio.NewReaderSize(r, size)
	if !begins(in, gzipMagic) {
		return in, nil // an error of r comes again with the next read
	}
	g := &gunzip{in: countingReader{r: in}}
	var err error
	if g.z, err = gzip.NewReader(&g.in); err != nil {
		return nil, g.failure(err)
	}
	out := bufio.NewReaderSize(g, size)
	if begins(out, gzipMagic) {
		return nil, &FormatError{Msg: "compressed with gzip twice; decompress it once (gzip -dc)"}
	}
	return out, nil
}

func begins(r *bufio.Reader, with string) bool {
	head, _ := r.Peek(len(with)) // an error comes again with the next read
	return bytes.HasPrefix(head, []byte(with))
}

// gunzip decompresses with the bounds and the words of Plain.
type gunzip struct {
	in  countingReader
	z   *gzip.Reader
	out int64
}

// Read implements io.Reader.
func (g *gunzip) Read(b []byte) (int, error) {
	n, err := g.z.Read(b)
	g.out += int64(n)
	if g.out > freeSize && g.out/maxGrowth > g.in.n {
		return 0, &FormatError{Msg: fmt.Sprintf("compressed with gzip, and expands to more than %d times its size, as no results do; if they are yours, decompress them first (gzip -dc)", maxGrowth)}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = g.failure(err)
	}
	return n, err
}

// failure tells damage from an error of the reader below.
func (g *gunzip) failure(err error) error {
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	switch {
	case g.in.failed:
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &FormatError{Msg: "compressed with gzip, and incomplete: it ends too early; copy or make the file again"}
	case corrupt, errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return &FormatError{Msg: fmt.Sprintf("compressed with gzip, and damaged (%v); copy or make the file again", err)}
	}
	return err
}

// countingReader counts what is taken from r, byte by byte where gzip wants that, and notes when r fails. gzip does not
// put a buffer of its own around a reader of bytes.
type countingReader struct {
	r      *bufio.Reader
	n      int64
	failed bool // with something else than the end
}

// Read implements io.Reader.
func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	c.failed = c.failed || err != nil && !errors.Is(err, io.EOF)
	return n, err
}

// ReadByte implements io.ByteReader.
func (c *countingReader) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n++
	}
	c.failed = c.failed || err != nil && !errors.Is(err, io.EOF)
	return b, err
}
