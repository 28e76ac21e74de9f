//go:build linux && (amd64 || arm64)

package multiproc

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
)

type plumbing struct {
	In   *Receiver[string]
	Out  *Sender[string]
	Both *Conn[int, string]
	Do   string
}

func fnPlumb(ctx context.Context, p plumbing) (int, error) {
	switch p.Do {
	case "upper": // until the end of the input
		for n := 0; ; n++ {
			s, err := p.In.Recv(ctx)
			if errors.Is(err, io.EOF) {
				return n, p.Out.Close()
			}
			if err == nil {
				err = p.Out.Send(ctx, strings.ToUpper(s))
			}
			if err != nil {
				return n, err
			}
		}
	case "count": // the lengths of strings
		for n := 0; ; n++ {
			s, err := p.Both.Recv(ctx)
			if errors.Is(err, io.EOF) {
				return n, nil
			}
			if err == nil {
				err = p.Both.Send(ctx, len(s))
			}
			if err != nil {
				return n, err
			}
		}
	case "one, then die":
		if err := p.Out.Send(ctx, "last"); err != nil {
			return 0, err
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "die":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return 0, nil
}

var plumb = Register("test.pipe", fnPlumb)

func newP(t *testing.T) (*Receiver[string], *Sender[string]) {
	t.Helper()
	r, s, err := NewPipe[string]()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), s.Close() })
	return r, s
}

// Through a process and back; messages keep their boundaries, the empty one too; who has passed an end cannot use it.
func TestS001_17_OneOwner(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	r1, s1 := newP(t)
	r2, s2 := newP(t)
	p := runs(t, plumb, plumbing{In: r1, Out: s2, Do: "upper"})
	if _, err := r1.Recv(ctx); !errors.Is(err, ErrMoved) {
		t.Error(err)
	}
	if err := s2.Send(ctx, ""); !errors.Is(err, ErrMoved) {
		t.Error(err)
	}
	var ee *EncodeError
	if err := NewProcess(plumb, plumbing{In: r1}).Start(ctx); !errors.As(err, &ee) || !errors.Is(err, ErrMoved) {
		t.Error(err)
	}
	if _, err := r2.Recv(expired(t)); !errors.Is(err, ErrEmpty) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if r2.Poll(expired(t)) {
		t.Error("something to receive")
	}
	messages := []string{"", "a", "", strings.Repeat("b", 1<<20), "c"}
	for _, m := range messages {
		if err := s1.Send(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s1.Close(), s1.Close()); err != nil {
		t.Error(err)
	}
	if err := s1.Send(ctx, ""); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	for _, m := range messages {
		if !r2.Poll(ctx) {
			t.Error("Poll")
		}
		if got, err := r2.Recv(ctx); got != strings.ToUpper(m) || err != nil {
			t.Errorf("%d bytes instead of %d, %v", len(got), len(m), err)
		}
	}
	for range 2 {
		if _, err := r2.Recv(ctx); !errors.Is(err, io.EOF) || !r2.Poll(ctx) {
			t.Error(err)
		}
	}
	if n := resultOf[int](t, p); n != len(messages) {
		t.Error(n)
	}
}

// Both directions, large messages at once.
func TestS002_12_Duplex(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	here, there, err := NewDuplex[string, int]()
	if err != nil {
		t.Fatal(err)
	}
	p := runs(t, plumb, plumbing{Both: there, Do: "count"})
	for _, n := range []int{0, 1, 3 << 20, 5} {
		if err := here.Send(ctx, strings.Repeat("x", n)); err != nil {
			t.Fatal(err)
		}
		if got, err := here.Recv(ctx); got != n || err != nil {
			t.Errorf("%d instead of %d, %v", got, n, err)
		}
	}
	if err := there.Send(ctx, 1); !errors.Is(err, ErrMoved) {
		t.Error(err)
	}
	if err := here.out.Close(); err != nil {
		t.Error(err)
	}
	if n := resultOf[int](t, p); n != 4 {
		t.Error(n)
	}
	if _, err := here.Recv(ctx); !errors.Is(err, io.EOF) {
		t.Errorf("the other process has ended: %v", err)
	}
	if err := here.Close(); err != nil {
		t.Error(err)
	}
}

// A sender that is killed is an end of file, after what it has sent; a receiver that is killed a closed pipe.
func TestS002_15_EndOfFile(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	r, s := newP(t)
	runs(t, plumb, plumbing{Out: s, Do: "one, then die"})
	if m, err := r.Recv(ctx); m != "last" || err != nil {
		t.Errorf("%q, %v", m, err)
	}
	if _, err := r.Recv(ctx); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	r2, s2 := newP(t)
	runs(t, plumb, plumbing{In: r2, Do: "die"})
	var err error
	for err == nil { // until the pipe is full
		err = s2.Send(ctx, "nobody receives this")
	}
	if !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// The memory of ends that have arrived elsewhere is given back.
func TestPipeLeavesNothing(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	before := -1
	for i := range 12 {
		r, s, err := NewPipe[string](QueueBytes(1000))
		if err != nil {
			t.Fatal(err)
		}
		r2, s2, err := NewPipe[string](QueueBytes(1000))
		if err != nil {
			t.Fatal(err)
		}
		p := runs(t, plumb, plumbing{In: r, Out: s2, Do: "upper"})
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := r2.Recv(ctx); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		resultOf[int](t, p)
		if err := r2.Close(); err != nil {
			t.Error(err)
		}
		moving.Lock()
		sweepMoving()
		if n := len(moving.ends); i == 0 {
			before = n
		} else if n > before {
			t.Errorf("%d ends are kept, %d before", n, before)
		}
		moving.Unlock()
	}
}

// freight is an item that is refused for what is beside the end of a pipe in it.
type freight struct {
	End, Again *Sender[int]
	Ring       *loop
	Load       []byte
}

type loop struct{ Next *loop }

// What could not be handed over has not moved: the end stays usable, and can be sent later.
func TestPipeEndOfARefusedItemStays(t *testing.T) {
	ctx := ctxT(t)
	endless := &loop{}
	endless.Next = endless
	q, err := NewQueue[freight](4, QueueBytes(64<<10))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Detach()
	pool := newPool(t, freights, Workers(1))
	closed := newPool(t, freights, Workers(1))
	if err := closed.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	r, s, err := NewPipe[int]()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for name, refused := range map[string]struct {
		try  func() error
		want error
	}{
		"too large":       {func() error { return q.Put(ctx, freight{End: s, Load: make([]byte, 128<<10)}) }, ErrTooLarge},
		"cyclic":          {func() error { return q.TryPut(freight{End: s, Ring: endless}) }, nil},
		"twice":           {func() error { return q.Put(ctx, freight{End: s, Again: s}) }, nil},
		"cyclic input":    {func() error { _, err := pool.Apply(ctx, freight{End: s, Ring: endless}); return err }, nil},
		"one of several":  {func() error { _, err := pool.Map(ctx, []freight{{End: s}, {End: s}}, Chunk(2)); return err }, nil},
		"closed pool":     {func() error { _, err := closed.ApplyAsync(ctx, freight{End: s}); return err }, ErrClosed},
		"cyclic process":  {func() error { return NewProcess(freights, freight{End: s, Ring: endless}).Start(ctx) }, nil},
		"process dropped": {func() error { return NewProcess(freights, freight{End: s}).Close() }, nil},
	} {
		err := refused.try()
		var ee *EncodeError
		if name != "process dropped" && !(errors.Is(err, refused.want) || refused.want == nil && errors.As(err, &ee)) {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Send(ctx, 1); err != nil {
			t.Fatalf("%s: the end is of no use any more: %v", name, err)
		}
		if n, err := r.Recv(ctx); n != 1 || err != nil {
			t.Fatalf("%s: %d, %v", name, n, err)
		}
	}
	// It still moves, once.
	if n, err := pool.Apply(ctx, freight{End: s}); n != 7 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := r.Recv(ctx); n != 7 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if err := s.Send(ctx, 1); !errors.Is(err, ErrMoved) {
		t.Errorf("an end that has moved: %v", err)
	}
	if err := q.Put(ctx, freight{End: s}); !errors.Is(err, ErrMoved) {
		t.Errorf("an end that has moved: %v", err)
	}
}

var freights = Register("test.freight", func(ctx context.Context, f freight) (int, error) { return 7, f.End.Send(ctx, 7) })
