//go:build linux && (amd64 || arm64)

package multiproc

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/parbench/parbench/strategies/multiproc/shm"
)

// What cannot cross, as an argument of every verb.
type (
	withChan  struct{ C chan int }
	withFunc  struct{ F func() }
	withMutex struct{ Mu sync.Mutex }
	withAny   struct{ V any }
)

func anything[T any](context.Context, T) (int, error) { return 0, nil }

var (
	takesChan  = Register("test.bad.chan", anything[withChan])
	takesFunc  = Register("test.bad.func", anything[withFunc])
	takesMutex = Register("test.bad.mutex", anything[*withMutex])
	takesAny   = Register("test.bad.any", anything[withAny])
	initChan   = RegisterInit("test.bad.init", func(context.Context, withChan) error { return nil })
)

// badVerbs returns the error of every verb for a value whose type cannot cross.
func badVerbs[T any](t *testing.T, fn Func[T, int], v T) map[string]error {
	ctx := ctxT(t)
	p := newPool(t, fn, Workers(1))
	one := slices.Values([]T{v})
	first := func(seq iter.Seq2[int, error]) (err error) {
		for _, err = range seq {
			break
		}
		return err
	}
	errs := make(map[string]error)
	_, errs["Apply"] = p.Apply(ctx, v)
	_, errs["ApplyAsync"] = p.ApplyAsync(ctx, v)
	_, errs["TryApplyAsync"] = p.TryApplyAsync(v)
	_, errs["Map"] = p.Map(ctx, []T{v})
	_, errs["MapAsync"] = p.MapAsync(ctx, []T{v}).Get(ctx)
	errs["Imap"] = first(p.Imap(ctx, one))
	errs["ImapSource"] = first(p.ImapSource(ctx, func(yield func(T, error) bool) { yield(v, nil) }))
	for _, err := range p.ImapUnordered(ctx, one) {
		errs["ImapUnordered"] = err
	}
	errs["Process"] = NewProcess(fn, v).Start(ctx)
	_, errs["Call"] = Call(ctx, fn, v)
	_, errs["NewQueue"] = NewQueue[T](1)
	_, _, errs["NewPipe"] = NewPipe[T]()
	if s := p.Stats(); s.Queued+s.Running != 0 || s.Crashes != 0 {
		t.Errorf("%+v", s)
	}
	return errs
}

// Channels, functions, locks and interfaces: an error of the call, which names the type; nothing is sent and nothing lost.
func TestWhatCannotCross(t *testing.T) {
	needProcesses(t)
	for typ, errs := range map[string]map[string]error{
		"multiproc.withChan":  badVerbs(t, takesChan, withChan{make(chan int)}),
		"multiproc.withFunc":  badVerbs(t, takesFunc, withFunc{func() {}}),
		"multiproc.withMutex": badVerbs(t, takesMutex, &withMutex{}),
		"multiproc.withAny":   badVerbs(t, takesAny, withAny{1}),
	} {
		if len(errs) != 12 {
			t.Errorf("%s: %d verbs", typ, len(errs))
		}
		for verb, err := range errs {
			var ee *EncodeError
			if !errors.As(err, &ee) || !strings.Contains(err.Error(), typ) {
				t.Errorf("%s of a %s: %v", verb, typ, err)
			}
		}
	}
	var ee *EncodeError
	if _, err := NewPool(ctxT(t), square, Init(initChan, withChan{make(chan int)})); !errors.As(err, &ee) {
		t.Error(err)
	}
}

// One value among others that cannot cross: the error has its index. What was before it has run and is there; in a loop it is
// the last outcome, and the source is read no further; the pool goes on.
func TestOneItemCannotCross(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	p := newPool(t, lists, Workers(2))
	in := make([]*list, 9)
	for i := range in {
		in[i] = &list{}
	}
	in[5].Next = in[5] // a cycle
	var ee *EncodeError
	n := 0
	for v, err := range p.Imap(ctx, slices.Values(in)) {
		switch {
		case n == 5 && errors.As(err, &ee) && ee.Index == 5 && strings.Contains(err.Error(), "item 5"):
		case n != 5 && err == nil && v == 1:
		default:
			t.Errorf("item %d: %d, %v", n, v, err)
		}
		n++
	}
	if n != 6 {
		t.Errorf("%d items", n)
	}
	seen := make(map[int]bool)
	for r, err := range p.ImapUnordered(ctx, slices.Values(in)) {
		if seen[r.Index] = true; (err != nil) != (r.Index == 5) {
			t.Errorf("item %d: %v", r.Index, err)
		}
	}
	if len(seen) != 6 {
		t.Errorf("%v", seen)
	}
	if _, err := p.Map(ctx, in, Chunk(2)); !errors.As(err, &ee) || ee.Index != 5 {
		t.Error(err)
	}
	if out, err := p.Map(ctx, in[:5]); len(out) != 5 || err != nil {
		t.Error(out, err)
	}
}

// Use after the end, twice, or too early: the documented error at once.
func TestWrongOrder(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	q := newQ[int](t, 1)
	if err := errors.Join(q.Close(), q.Close(), q.Detach(), q.Detach()); err != nil {
		t.Error(err)
	}
	_, err := q.Get(ctx)
	for i, err := range []error{err, q.Put(ctx, 1), q.TryPut(1), q.Close()} {
		if !errors.Is(err, ErrClosed) {
			t.Error(i, err)
		}
	}
	w, err := NewWorkers(ctx, Workers(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Join(ctx); !errors.Is(err, ErrRunning) {
		t.Error(err)
	}
	if err := errors.Join(w.Terminate(), w.Terminate(), w.Close(), w.Join(ctx), w.Shutdown(ctx)); err != nil {
		t.Error(err)
	}
	if _, err := Bind(w, square).Apply(ctx, 1); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	for _, n := range []int{0, -3} {
		if _, err := NewWorkers(ctx, Workers(n)); !errors.Is(err, ErrInvalid) {
			t.Error(err)
		}
	}
	if _, err := NewPool(ctx, Func[int, int]{}); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	p := NewProcess(square, 2)
	if _, err := p.Join(ctx); !errors.Is(err, ErrNotStarted) {
		t.Error(err)
	}
}

// Where there is no room for shared memory, making what needs it is an error, and a pool does without it.
func TestNoRoomForSharedMemory(t *testing.T) {
	needProcesses(t)
	if s := play(t, "no room", ""); s != "" {
		t.Error(s)
	}
}

func noRoom(ctx context.Context, _ string) (string, error) {
	limit := syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return "", err
	}
	var wrong []string
	if _, err := shm.NewArena(16 << 20); err == nil {
		wrong = append(wrong, "an arena of 16 MiB in a file of 1 MiB")
	}
	if _, err := NewQueue[string](4); err == nil {
		wrong = append(wrong, "a queue of 4 MiB")
	}
	if _, _, err := NewPipe[string](); err == nil {
		wrong = append(wrong, "a pipe of 4 MiB")
	}
	q, err := NewQueue[string](4, QueueBytes(10_000))
	if err == nil {
		err = errors.Join(q.Put(ctx, strings.Repeat("x", 9000)), q.Detach())
	}
	if err != nil {
		wrong = append(wrong, "a small queue: "+err.Error())
	}
	p, err := NewPool(ctx, square, Workers(2))
	if err != nil {
		return "", err
	}
	out, err := p.Map(ctx, []int{1, 2, 3})
	if err != nil || len(out) != 3 || out[2] != 9 {
		wrong = append(wrong, "a pool without shared memory")
	}
	return strings.Join(wrong, "; "), p.Shutdown(ctx)
}

func init() { familyScenes["no room"] = noRoom } // before scenes takes them over
