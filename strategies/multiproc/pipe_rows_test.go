//go:build linux && (amd64 || arm64)

package multiproc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/parbench/parbench/strategies/multiproc/shm"
)

// The rows of connections, from CPython's own tests and from the articles.

type wires struct {
	Conn *ByteConn
	In   *ByteReceiver
	Out  *ByteSender
	Ends *Receiver[*Sender[string]]
	Do   string
	N    int
}

func fnWires(ctx context.Context, w wires) (string, error) {
	switch w.Do {
	case "echo": // bytes, until the end
		for {
			b, err := w.Conn.RecvBytes(ctx)
			if errors.Is(err, io.EOF) {
				return "", w.Conn.Close()
			}
			if err != nil {
				return "", err
			}
			if err := w.Conn.SendBytes(ctx, b); err != nil {
				return "", err
			}
		}
	case "file": // read one that comes, send back another
		f, err := w.Conn.RecvFile(ctx)
		if err != nil {
			return "", err
		}
		defer f.Close()
		if _, err := f.WriteString("child"); err != nil {
			return "", err
		}
		g, err := os.Open("/proc/self/exe")
		if err != nil {
			return "", err
		}
		defer g.Close()
		return f.Name(), w.Conn.SendFile(ctx, g)
	case "storm": // signals to the parent and to itself until the end of the input
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGUSR1)
		defer signal.Stop(c)
		stormed, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stormed)
			for {
				select {
				case <-done:
					return
				default:
					_ = syscall.Kill(os.Getpid(), syscall.SIGUSR1)
					_ = syscall.Kill(w.N, syscall.SIGUSR1)
				}
			}
		}()
		defer func() { close(done); <-stormed }()
		w.Do = "echo"
		return fnWires(ctx, w)
	case "ends": // writes to whatever comes
		for n := 0; ; n++ {
			e, err := w.Ends.Recv(ctx)
			if errors.Is(err, io.EOF) {
				return "", nil
			}
			if err == nil {
				err = errors.Join(e.Send(ctx, strings.Repeat("x", n)), e.Close())
			}
			if err != nil {
				return "", err
			}
		}
	case "die":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return "", nil
}

var wire = Register("test.wires", fnWires)

func newWires(t *testing.T, opts ...QueueOption) (here, there *ByteConn) {
	t.Helper()
	here, there, err := NewByteDuplex(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = here.Close(), there.Close() })
	return here, there
}

func sends(t *testing.T, c *ByteConn, messages ...[]byte) {
	t.Helper()
	for _, m := range messages {
		if err := c.SendBytes(ctxT(t), m); err != nil {
			t.Fatal(err)
		}
	}
}

// Objects and bytes, a buffer, a buffer that is too short, Poll that finds nothing, waits, and finds something; a message
// of 16 MiB.
func TestN01_Connection(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	type object struct {
		Seq  []float64
		Name string
		M    map[string]int
	}
	r, s, err := NewPipe[object]()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), s.Close() }()
	want := object{[]float64{1, 2.25}, "ok", map[string]int{"a": 1}}
	if err := s.Send(ctx, want); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Recv(ctx); err != nil || !reflect.DeepEqual(got, want) {
		t.Error(got, err)
	}

	here, there := newWires(t, QueueBytes(20<<20))
	p := runs(t, wire, wires{Conn: there, Do: "echo"})
	long := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	msg := []byte("hello world")
	if here.Poll(expired(t)) {
		t.Error("there is something")
	}
	sends(t, here, msg, msg, msg, long, msg)
	if !here.Poll(ctx) {
		t.Error("there is nothing")
	}
	if b, err := here.RecvBytes(ctx); string(b) != string(msg) || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	buf := make([]byte, 20)
	if n, err := here.RecvInto(ctx, buf[3:]); err != nil || string(buf[3:3+n]) != string(msg) || buf[0] != 0 || buf[3+n] != 0 {
		t.Errorf("%q, %v", buf, err)
	}
	var short *ShortBufferError
	if _, err := here.RecvInto(ctx, buf[:10:10]); !errors.As(err, &short) || string(short.Data) != string(msg) {
		t.Error(err)
	}
	if b, err := here.RecvBytes(ctx); !bytes.Equal(b, long) || err != nil {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if _, err := here.RecvInto(ctx, buf[:10]); !errors.As(err, &short) || string(short.Data) != string(msg) {
		t.Error("capacity taken for length", err)
	}
	_ = here.out.Close()
	resultOf[string](t, p)
}

// After the peer has closed, what was sent is there, and then the end of the file, in every form.
func TestN02_EndOfFile(t *testing.T) {
	ctx := ctxT(t)
	here, there := newWires(t)
	sends(t, there, []byte("last"))
	if err := there.Close(); err != nil {
		t.Error(err)
	}
	if b, err := here.RecvBytes(ctx); string(b) != "last" || err != nil {
		t.Error(err)
	}
	_, err1 := here.RecvBytes(ctx)
	_, err2 := here.RecvInto(ctx, nil)
	_, err3 := here.RecvFile(ctx)
	for _, err := range []error{err1, err2, err3} {
		if !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	}
	if err := here.SendBytes(ctx, nil); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// The direction of a one-way pipe is in its types: a Receiver has no Send.
func TestN03_Directions(t *testing.T) {
	r, s := newP(t)
	if _, ok := any(r).(interface {
		Send(context.Context, string) error
	}); ok {
		t.Error("a receiver sends")
	}
	if _, ok := any(s).(interface {
		Recv(context.Context) (string, error)
	}); ok {
		t.Error("a sender receives")
	}
}

// The parent closes what it has passed right after the start; the child works on.
func TestN04_CloseAfterStart(t *testing.T) {
	needProcesses(t)
	here, there := newWires(t)
	p := runs(t, wire, wires{Conn: there, Do: "echo"})
	if err := there.Close(); err != nil {
		t.Error(err)
	}
	sends(t, here, []byte("still there"))
	if b, err := here.RecvBytes(ctxT(t)); string(b) != "still there" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	_ = here.Close()
	resultOf[string](t, p)
}

// Any slice can be sent, an empty one too; a message that is too large is an error, and the pipe goes on.
func TestN05_SendBytes(t *testing.T) {
	ctx := ctxT(t)
	here, there := newWires(t, QueueBytes(1<<16))
	all := []byte("abcdefghijklmnopqrstuvwxyz")
	messages := [][]byte{all, all[5:], all[7:10], all[26:], all[0:0], nil}
	sends(t, here, messages...)
	if err := here.SendBytes(ctx, make([]byte, 1<<17)); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	sends(t, here, all)
	for _, m := range append(messages, all) {
		if b, err := there.RecvBytes(ctx); !bytes.Equal(b, m) || err != nil {
			t.Errorf("%q instead of %q, %v", b, m, err)
		}
	}
}

// An open file is passed and usable, with its position, whatever its number; another comes back. A socket is passed too.
func TestN06_FileTransfer(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	path := t.TempDir() + "/file"
	low, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer low.Close()
	for _, number := range []int{0, 300} {
		f := low
		if number > 0 {
			if err := syscall.Dup3(int(low.Fd()), number, syscall.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
			f = os.NewFile(uintptr(number), path)
			defer f.Close()
		}
		if _, err := f.WriteString("parent "); err != nil {
			t.Fatal(err)
		}
		here, there := newWires(t)
		p := runs(t, wire, wires{Conn: there, Do: "file"})
		if err := here.SendFile(ctx, f); err != nil {
			t.Fatal(err)
		}
		g, err := here.RecvFile(ctx)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4)
		if _, err := io.ReadFull(g, b); err != nil || string(b) != "\x7fELF" {
			t.Errorf("%q, %v", b, err)
		}
		if _, err := g.WriteString("x"); err == nil {
			t.Error("it was opened for reading")
		}
		_ = g.Close()
		if name := resultOf[string](t, p); name != path {
			t.Error(name)
		}
	}
	if b, err := os.ReadFile(path); string(b) != "parent childparent child" || err != nil {
		t.Errorf("%q, %v", b, err)
	}

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	here, there := newWires(t)
	sent := make(chan error, 1)
	go func() { sent <- here.SendFile(ctx, f) }()
	g, err := there.RecvFile(ctx)
	if err = errors.Join(err, <-sent); err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	same, err := net.FileListener(g)
	if err != nil {
		t.Fatal(err)
	}
	defer same.Close()
	if same.Addr().String() != ln.Addr().String() {
		t.Error(same.Addr())
	}
}

// Data without a file is an error for who wants a file, a file for who wants data; neither is lost. A file whose sender has
// given up is an error, and a receiver that dies ends the wait.
func TestN07_MissingFile(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	here, there := newWires(t)
	sends(t, here, []byte("data"))
	if _, err := there.RecvFile(ctx); !errors.Is(err, ErrFileMessage) {
		t.Error(err)
	}
	if b, err := there.RecvBytes(ctx); string(b) != "data" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	self, err := os.Open("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	brief, cancel := context.WithCancel(ctx)
	sent := make(chan error, 1)
	go func() { sent <- here.SendFile(brief, self) }()
	if !there.Poll(ctx) {
		t.Fatal("no message")
	}
	if _, err := there.RecvBytes(ctx); !errors.Is(err, ErrFileMessage) {
		t.Error(err)
	}
	cancel()
	if err := <-sent; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	var gone *shm.GoneError
	if _, err := there.RecvFile(ctx); !errors.As(err, &gone) {
		t.Error(err)
	}
	closed, err := os.Open("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	if err := here.SendFile(ctx, closed); err == nil {
		t.Error("a closed file was sent")
	}
	alone, other := newWires(t)
	runs(t, wire, wires{Conn: other, Do: "die"})
	if err := alone.SendFile(ctx, self); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// A closed end is an error in every form; closing twice is none.
func TestN08_ClosedEnd(t *testing.T) {
	ctx := ctxT(t)
	here, _ := newWires(t)
	if err := errors.Join(here.Close(), here.Close()); err != nil {
		t.Error(err)
	}
	_, err1 := here.RecvBytes(ctx)
	_, err2 := here.RecvInto(ctx, nil)
	_, err3 := here.RecvFile(ctx)
	for i, err := range []error{here.SendBytes(ctx, nil), here.SendFile(ctx, os.Stdin), err1, err2, err3} {
		if !errors.Is(err, ErrClosed) {
			t.Error(i, err)
		}
	}
	if here.Poll(ctx) {
		t.Error("Poll")
	}
}

// An empty message can be received, and is kept until it is; Poll says so as often as it is asked.
func TestN09_PollEmptyMessage(t *testing.T) {
	ctx := ctxT(t)
	here, there := newWires(t)
	if there.Poll(expired(t)) {
		t.Error("there is nothing")
	}
	for _, m := range []string{"", "hello", ""} {
		sends(t, here, []byte(m))
		for range 3 {
			if !there.Poll(ctx) {
				t.Error("there is something")
			}
		}
		if b, err := there.RecvBytes(ctx); string(b) != m || err != nil {
			t.Errorf("%q, %v", b, err)
		}
		if there.Poll(expired(t)) {
			t.Error("there is nothing more")
		}
	}
}

// Messages are never split and never merged, whatever their sizes.
func TestN10_Boundaries(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	here, there := newWires(t)
	p := runs(t, wire, wires{Conn: there, Do: "echo"})
	for _, sizes := range [][]int{{3, 5}, {47, 48, 49, 0, 1}, {1 << 20, 1, 1 << 20, 0}, {63, 64, 65, 4095, 4096, 4097}} {
		for i, n := range sizes {
			sends(t, here, bytes.Repeat([]byte{byte(i)}, n))
		}
		for i, n := range sizes {
			here.Poll(ctx)
			if b, err := here.RecvBytes(ctx); !bytes.Equal(b, bytes.Repeat([]byte{byte(i)}, n)) || err != nil {
				t.Errorf("message %d of %v: %d bytes, %v", i, sizes, len(b), err)
			}
		}
	}
	_ = here.Close()
	resultOf[string](t, p)
}

func TestS003_5_MessagesHaveBoundaries(t *testing.T) { TestN10_Boundaries(t) }

// An end of a pipe can be sent through another.
func TestN11_EndThroughPipe(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	r, s, err := NewPipe[*Sender[string]]()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), s.Close() }()
	p := runs(t, wire, wires{Ends: r, Do: "ends"})
	for n := range 4 {
		in, out := newP(t)
		if err := s.Send(ctx, out); err != nil {
			t.Fatal(err)
		}
		if err := out.Send(ctx, ""); !errors.Is(err, ErrMoved) {
			t.Error(err)
		}
		if m, err := in.Recv(ctx); len(m) != n || err != nil {
			t.Errorf("%q, %v", m, err)
		}
		if _, err := in.Recv(ctx); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	}
	_ = s.Close()
	resultOf[string](t, p)
}

// A select waits for several: receivers, processes, futures. Nothing is consumed by waiting.
func TestN12_WaitForSeveral(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	here, there := newWires(t)
	quiet, _ := newWires(t)
	p := runs(t, wire, wires{Conn: there, Do: "echo"})
	sends(t, here, []byte("x"))
	brief, cancel := context.WithCancel(ctx)
	defer cancel()
	select {
	case <-here.Ready(brief):
	case <-quiet.Ready(brief):
		t.Error("nothing was sent there")
	case <-p.Done():
		t.Error("the process has not ended")
	case <-ctx.Done():
		t.Fatal("nothing happened")
	}
	if b, err := here.RecvBytes(ctx); string(b) != "x" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	_ = here.out.Close()
	select {
	case <-quiet.Ready(brief):
		t.Error("nothing was sent there")
	case <-p.Done():
	case <-ctx.Done():
		t.Fatal("the process did not end")
	}
	select {
	case <-here.Ready(brief): // the end of the file counts
	case <-ctx.Done():
		t.Fatal("no end")
	}
}

// Signals in the middle of large messages do not break them.
func TestN13_Signals(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	defer signal.Stop(c)
	here, there := newWires(t)
	p := runs(t, wire, wires{Conn: there, Do: "storm", N: os.Getpid()})
	for i := range 20 {
		m := bytes.Repeat([]byte{byte(i)}, 1<<20)
		sends(t, here, m)
		if b, err := here.RecvBytes(ctx); !bytes.Equal(b, m) || err != nil {
			t.Errorf("%d bytes, %v", len(b), err)
		}
	}
	_ = here.out.Close()
	resultOf[string](t, p)
}

// A handle that is none, or damaged, is an error.
func TestN16_BadHandle(t *testing.T) {
	var de *DecodeError
	var r *ByteReceiver
	for _, b := range [][]byte{nil, {1}, {1, 2, 3}, append([]byte{1, 1, 200}, make([]byte, 30)...), bytes.Repeat([]byte{1}, 40)} {
		if _, err := codecOf[*ByteReceiver]().decode(b, &r); !errors.As(err, &de) || r != nil {
			t.Errorf("%v: %v", b, err)
		}
	}
	var ee *EncodeError
	if _, err := codecOf[*ByteReceiver]().append(nil, new(*ByteReceiver)); err != nil {
		t.Error("nil can cross:", err)
	}
	zero := new(ByteReceiver)
	if _, err := codecOf[*ByteReceiver]().append(nil, &zero); !errors.As(err, &ee) {
		t.Error(err)
	}
}

// Separate types for the two directions; see N03 too.
func TestS002_13_OneWay(t *testing.T) {
	ctx := ctxT(t)
	var (
		r *Receiver[string]
		s *Sender[string]
	)
	r, s = newP(t)
	if err := s.Send(ctx, "x"); err != nil {
		t.Error(err)
	}
	if m, err := r.Recv(ctx); m != "x" || err != nil {
		t.Error(m, err)
	}
}

// Recv waits while there is nothing, and for no longer than its context.
func TestS002_14_RecvBlocks(t *testing.T) {
	ctx := ctxT(t)
	r, s := newP(t)
	if _, err := r.Recv(expired(t)); !errors.Is(err, ErrEmpty) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	type outcome struct {
		m   string
		err error
	}
	got := make(chan outcome, 1)
	go func() {
		m, err := r.Recv(ctx)
		got <- outcome{m, err}
	}()
	select {
	case o := <-got:
		t.Error("nothing was sent", o)
	case <-r.Ready(expired(t)):
		t.Error("ready for nothing")
	default:
	}
	if err := s.Send(ctx, "x"); err != nil {
		t.Error(err)
	}
	if o := <-got; o.m != "x" || o.err != nil {
		t.Error(o)
	}
}
