package capture

import (
	"bytes"
	"hash/fnv"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stream writes text into a pipe that is being read, and closes its end unless it is to stay open.
func stream(t *testing.T, text []byte, most int) (tail *Tail, writer *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	tail = Read(r, most, fnv.New64a(), nil)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	return tail, w
}

func TestTailKeepsTheEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want string
	}{
		"short":   {"two\nlines\n", "two\nlines\n"},
		"nothing": {"", ""},
		"exact":   {strings.Repeat("x", 64), strings.Repeat("x", 64)},
		"long":    {strings.Repeat("x", 64) + strings.Repeat("y", 64), "…" + strings.Repeat("y", 64)},
		"huge":    {strings.Repeat("x", 1<<20) + strings.Repeat("z", 64), "…" + strings.Repeat("z", 64)},
		"binary":  {"a\xffb", "a�b"},
	} {
		tail, w := stream(t, []byte(tc.text), 64)
		w.Close()
		tail.Close()
		if got := tail.String(); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
		h := fnv.New64a()
		h.Write([]byte(tc.text))
		if tail.Sum() != h.Sum64() {
			t.Errorf("%s: the hash is not that of all that was written", name)
		}
		if tail.Size() != int64(len(tc.text)) {
			t.Errorf("%s: %d bytes, want %d", name, tail.Size(), len(tc.text))
		}
		if cap(tail.buf) > 1<<20 {
			t.Errorf("%s: %d bytes are kept", name, cap(tail.buf))
		}
	}
}

// Who holds the other end open does not keep Close from returning, and what was written before it is there.
func TestCloseDoesNotWaitForOthers(t *testing.T) {
	tail, w := stream(t, bytes.Repeat([]byte("said "), 3), 64)
	defer w.Close()
	tail.Close()
	if got := tail.String(); got != "said said said " {
		t.Errorf("%q", got)
	}
}

// Everything that was written before Close is there, although Close waits for nothing and somebody keeps the stream open.
func TestCloseTakesAllThatWasWritten(t *testing.T) {
	for range 200 {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		tail := Read(r, 64<<10, nil, nil)
		said := bytes.Repeat([]byte("x"), 64<<10) // what the pipe holds: the write ends when most of it may not have been read
		if _, err := w.Write(said); err != nil {
			t.Fatal(err)
		}
		tail.Close()
		w.Close()
		if got := tail.String(); len(got) != len(said) {
			t.Fatalf("%d bytes of %d", len(got), len(said))
		}
	}
}

// Somebody who writes without end does not keep Close from returning.
func TestCloseDespiteAWriter(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	tail := Read(r, 64, nil, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for chunk := make([]byte, 64<<10); ; {
			if _, err := w.Write(chunk); err != nil {
				return // nobody reads any more
			}
		}
	}()
	tail.Close()
	<-done
	w.Close()
}

// Who asks is called once when more has come than the limit, also where it has come already, and not for less.
func TestOnMore(t *testing.T) {
	tail, w := stream(t, []byte("12345678"), 64)
	never := func() { t.Error("called for less than more") }
	tail.OnMore(12, never)
	first, second := make(chan bool), make(chan bool)
	tail.OnMore(8, func() { first <- true })
	if _, err := w.WriteString("9"); err != nil {
		t.Fatal(err)
	}
	<-first
	tail.OnMore(8, func() { second <- true })
	<-second
	tail.OnMore(12, nil)
	if _, err := w.WriteString("0123456789"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	tail.Close()
}
