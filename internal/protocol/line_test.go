package protocol

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// lines reads everything r has.
func lines(r *Reader) (out []string, err error) {
	for {
		line, err := r.Line()
		if err != nil {
			return out, err
		}
		out = append(out, string(line))
	}
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", 3*readSize)
	most := strings.Repeat("y", MaxLine)
	for name, c := range map[string]struct {
		in   string
		want []string
		err  error
	}{
		"nothing":       {"", nil, io.EOF},
		"one":           {"a\n", []string{"a"}, io.EOF},
		"empty lines":   {"\n\na\n\n", []string{"", "", "a", ""}, io.EOF},
		"unfinished":    {"a\nb", []string{"a"}, io.ErrUnexpectedEOF},
		"long":          {long + "\nz\n", []string{long, "z"}, io.EOF},
		"longest":       {most + "\nz\n", []string{most, "z"}, io.EOF},
		"too long":      {"a\n" + most + "y\nz\n", []string{"a"}, ErrLineTooLong},
		"never ends":    {most + most, nil, ErrLineTooLong},
		"too many":      {strings.Repeat("\n", MaxRecords+1), make([]string, MaxRecords), ErrTooManyRecords},
		"just not many": {strings.Repeat("\n", MaxRecords), make([]string, MaxRecords), io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			for how, src := range map[string]io.Reader{
				"whole":  strings.NewReader(c.in),
				"halves": iotest.HalfReader(strings.NewReader(c.in)),
				"eof":    iotest.DataErrReader(strings.NewReader(c.in)),
			} {
				got, err := lines(NewReader(src))
				if !errors.Is(err, c.err) {
					t.Errorf("%s: error %v, want %v", how, err, c.err)
				}
				if !cmp.Equal(got, c.want) {
					t.Errorf("%s: got %d lines, want %d", how, len(got), len(c.want))
				}
			}
		})
	}
}

// TestErrorIsFinal reads on after an error: nothing of the line that was too long may come out as a line of its own.
func TestErrorIsFinal(t *testing.T) {
	r := NewReader(strings.NewReader(strings.Repeat("y", MaxLine+1) + "\n{\"op\":\"go\"}\n"))
	for range 3 {
		if _, err := r.Line(); !errors.Is(err, ErrLineTooLong) {
			t.Fatalf("error %v, want %v", err, ErrLineTooLong)
		}
	}
	broken := errors.New("broken")
	r = NewReader(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(broken)))
	if _, err := r.Line(); err != nil {
		t.Error(err)
	}
	if _, err := r.Line(); !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the stream", err)
	}
}

func TestMalformedLineIsNotFinal(t *testing.T) {
	r := NewReader(strings.NewReader("\x1b[31m<b>\n{\"protocol\":1,\"op\":\"go\",\"later\":[]}\n"))
	_, err := r.Request()
	if !errors.Is(err, ErrMalformed) || strings.ContainsRune(err.Error(), '\x1b') {
		t.Errorf("error %q, want one that wraps ErrMalformed and escapes the line", err)
	}
	q, err := r.Request()
	if err != nil || q.Op != "go" {
		t.Errorf("%v, %v", q, err)
	}
}

// counter counts the calls of Write.
type counter struct {
	bytes.Buffer
	writes int
}

func (c *counter) Write(b []byte) (int, error) { c.writes++; return c.Buffer.Write(b) }

func TestWriterWritesOncePerLine(t *testing.T) {
	var dst counter
	w := NewWriter(&dst)
	sent := []Record{
		{Type: "ready", Ready: &Ready{Pid: 1, SetupNS: 2, Tasks: 3}},
		{Type: "batches", Batches: &Batches{Tasks: 3, Wall: make([]int64, BatchChunk), Digest: "0"}},
		{Type: "error", Error: &Error{Kind: ErrTask, Message: "a\nb <&>\u2028"}},
		{Type: "done"},
	}
	for _, r := range sent {
		if err := w.Send(r); err != nil {
			t.Fatal(err)
		}
	}
	if dst.writes != len(sent) {
		t.Errorf("%d writes for %d records", dst.writes, len(sent))
	}
	r := NewReader(&dst)
	for _, want := range sent {
		got, err := r.Record()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
}

func TestWriterRefusesLongLines(t *testing.T) {
	var dst counter
	w := NewWriter(&dst)
	err := w.Send(Record{Type: "error", Error: &Error{Message: strings.Repeat("x", MaxLine)}})
	if !errors.Is(err, ErrLineTooLong) || dst.writes != 0 {
		t.Errorf("error %v after %d writes, want %v after none", err, dst.writes, ErrLineTooLong)
	}
	if err := w.Send(Record{Type: "done"}); err != nil || dst.String() != "{\"type\":\"done\"}\n" {
		t.Errorf("after that: %v, %q", err, dst.String())
	}
}

// TestLargestBatchesFit makes sure that the two bounds agree.
func TestLargestBatchesFit(t *testing.T) {
	times := make([]int64, BatchChunk)
	for i := range times {
		times[i] = 1<<63 - 1
	}
	b := &Batches{Tasks: 1 << 62, Warmup: times, Wall: times, Digest: strings.Repeat("f", 16)}
	if err := NewWriter(io.Discard).Send(Record{Type: "batches", Batches: b}); err != nil {
		t.Error(err)
	}
}

// TestLargestProbeFits makes sure that its bounds agree with that of a line.
func TestLargestProbeFits(t *testing.T) {
	p := &Probe{Tasks: 1 << 30, Workers: 1 << 16, WallNS: maxProbed}
	for i := range MaxStamps {
		p.Begin, p.End, p.Worker = append(p.Begin, maxProbed), append(p.End, maxProbed), append(p.Worker, i)
	}
	for range maxUnseen {
		p.Unseen = append(p.Unseen, Unseen{What: strings.Repeat("\x00", maxUnseenText), Why: strings.Repeat("\x00", maxUnseenText)})
	}
	var line bytes.Buffer
	if err := NewWriter(&line).Send(Record{Type: "probe", Probe: p}); err != nil {
		t.Fatal(err)
	}
	got, err := NewReader(&line).Record()
	if d := cmp.Diff(p, got.Probe); err != nil || d != "" {
		t.Errorf("after a round trip: %v %.500s", err, d)
	}
}

// FuzzReader compares the reader with a plain splitting of the input, however the input is cut into reads.
func FuzzReader(f *testing.F) {
	f.Add([]byte("{\"protocol\":1,\"op\":\"go\"}\n"), 1)
	f.Add([]byte("a\n\nb"), 2)
	f.Add([]byte{0, '\n', 0xff}, 3)
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		cut = max(1, cut%100)
		r := NewReader(&slowly{in, cut})
		got, err := lines(r)
		want := strings.SplitAfter(string(in), "\n")
		rest := want[len(want)-1]
		want = want[:len(want)-1]
		for i := range want {
			want[i] = strings.TrimSuffix(want[i], "\n")
		}
		wantErr := io.EOF
		if len(rest) > 0 {
			wantErr = io.ErrUnexpectedEOF
		}
		if err != wantErr || !slices.Equal(got, want) {
			t.Errorf("got %q, %v, want %q, %v", got, err, want, wantErr)
		}
	})
}

// FuzzRecord decodes arbitrary lines: whatever a program sends, the harness gets a record or an error, and what it
// gets can be sent on.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"type":"batches","batches":{"tasks":64,"wall_ns":[1,2],"digest":"a1b2c3d4e5f60718"}}`))
	f.Add([]byte(`{"type":"error","error":{"kind":"panic","task":5}}`))
	f.Add([]byte(`{"type":"probe","probe":{"tasks":4,"workers":2,"wall_ns":90,"stamp_ns":1,"begin_ns":[1,2],"end_ns":[3,90],"worker":[0,1],"unseen":[{"what":"a","why":"b"}]}}`))
	f.Add([]byte(`{"type":"done","done":{"untimed_ns":1,"close_ns":2}}`))
	f.Add([]byte(`{"type":1}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r := NewReader(bytes.NewReader(append(bytes.ReplaceAll(line, []byte("\n"), []byte(" ")), '\n')))
		rec, err := r.Record()
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("error %v does not wrap ErrMalformed", err)
			}
			return
		}
		var again bytes.Buffer
		if err := NewWriter(&again).Send(rec); err != nil {
			t.Fatal(err)
		}
		got, err := NewReader(&again).Record()
		// An empty list and an absent one mean the same.
		if d := cmp.Diff(rec, got, cmpopts.EquateEmpty()); err != nil || d != "" {
			t.Errorf("%v after a round trip: %v", err, d)
		}
	})
}

// slowly reads at most n bytes at a time.
type slowly struct {
	rest []byte
	n    int
}

func (s *slowly) Read(b []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), s.n)], s.rest)
	s.rest = s.rest[n:]
	return n, nil
}
