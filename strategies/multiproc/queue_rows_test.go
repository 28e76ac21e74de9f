//go:build linux && (amd64 || arm64)

package multiproc

import (
	"context"
	"errors"
	"io"
	"math/bits"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/parbench/parbench/internal/testenv"
)

// A volume is the items of one producer, or what one consumer does: an item is its producer in the upper half and its
// number in the lower.
type volume struct {
	Q        *Queue[uint64]
	Producer int
	N, Total int
}

func fnFill(ctx context.Context, v volume) (int, error) {
	for i := range v.N {
		if err := v.Q.Put(ctx, uint64(v.Producer)<<32|uint64(i)); err != nil {
			return i, err
		}
	}
	return v.N, nil
}

// fnEmpty returns a bit for each item that it got.
func fnEmpty(ctx context.Context, v volume) ([]uint64, error) {
	seen := make([]uint64, (v.Total+63)/64)
	last := make(map[uint64]uint64)
	for item, err := range v.Q.All(ctx) {
		if err != nil {
			return nil, err
		}
		p, i := item>>32, item&(1<<32-1)
		if before, ok := last[p]; ok && before >= i {
			return nil, errors.New("not in order")
		}
		last[p] = i
		at := p*uint64(v.N) + i
		if at >= uint64(v.Total) || seen[at/64]&(1<<(at%64)) != 0 {
			return nil, errors.New("an item that nobody put, or twice")
		}
		seen[at/64] |= 1 << (at % 64)
	}
	return seen, nil
}

var (
	filler  = Register("test.queue.fill", fnFill)
	emptier = Register("test.queue.empty", fnEmpty)
)

// A million items from four processes to four others: none lost, none doubled, each producer's in order.
// PARBENCH_VOLUME says how many, if it should be more.
func TestQ12_Volume(t *testing.T) {
	needProcesses(t)
	const sides = 4
	total := 1_000_000
	if testing.Short() || testenv.Race {
		total = 100_000
	}
	n := envInt(t, "PARBENCH_VOLUME", total) / sides
	q := newQ[uint64](t, 1000)
	var from, to []*Process
	for i := range sides {
		from = append(from, runs(t, filler, volume{Q: q, Producer: i, N: n}))
		to = append(to, runs(t, emptier, volume{Q: q, N: n, Total: sides * n}))
	}
	for _, p := range from {
		if _, err := Result[int](context.Background(), p); err != nil { // however long it takes
			t.Fatal(err)
		}
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	all, count := make([]uint64, (sides*n+63)/64), 0
	for _, p := range to {
		for i, w := range resultOf[[]uint64](t, p) {
			count += bits.OnesCount64(w)
			all[i] |= w
		}
	}
	different := 0
	for _, w := range all {
		different += bits.OnesCount64(w)
	}
	if different != sides*n || count != sides*n {
		t.Errorf("%d items came, %d of them different, of %d", count, different, sides*n)
	}
}

// A queue behaves as the list of its items, whatever is done to it in whatever order, through any of its handles.
func TestQueueModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(1, 9).Draw(t, "capacity")
		room := rapid.IntRange(0, 500).Draw(t, "bytes")
		q, err := NewJoinableQueue[[]byte](capacity, QueueBytes(int64(room)))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = q.Detach() }()
		b, err := codecOf[*JoinableQueue[[]byte]]().append(nil, &q)
		if err != nil {
			t.Fatal(err)
		}
		var other *JoinableQueue[[]byte]
		if _, err := codecOf[*JoinableQueue[[]byte]]().decode(b, &other); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = other.Detach() }()
		var model [][]byte
		open, closed := 0, false // items taken and not done
		handle := func() *JoinableQueue[[]byte] {
			return []*JoinableQueue[[]byte]{q, other}[rapid.IntRange(0, 1).Draw(t, "handle")]
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				v := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "item")
				err := handle().TryPut(v)
				switch {
				case err == nil && !closed && len(model) < capacity:
					model = append(model, v)
				case errors.Is(err, ErrClosed) && closed:
				case errors.Is(err, ErrTooLarge) && len(v) > queueInline-2 && len(v) >= room-66: // the area is rounded up
				case errors.Is(err, ErrFull) && (len(model) == capacity || len(v) >= queueInline-2 && len(model) > 0):
				default:
					t.Fatalf("%d bytes into %d of %d: %v", len(v), len(model), capacity, err)
				}
			},
			"get": func(t *rapid.T) {
				v, err := handle().TryGet()
				switch {
				case len(model) > 0 && err == nil && slices.Equal(v, model[0]):
					model = model[1:]
					open++
				case len(model) == 0 && closed && errors.Is(err, ErrClosed):
				case len(model) == 0 && !closed && errors.Is(err, ErrEmpty):
				default:
					t.Fatalf("%v, %v with %d items", v, err, len(model))
				}
			},
			"done": func(t *rapid.T) {
				err := handle().Done()
				if open > 0 != (err == nil) || err != nil && !errors.Is(err, ErrTooManyDone) {
					t.Fatalf("%v with %d open", err, open)
				}
				open = max(0, open-1)
			},
			"close": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "really") > 0 {
					return
				}
				closed = true
				if err := handle().Close(); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) {
				if n := handle().Len(); n != len(model) {
					t.Fatalf("%d items instead of %d", n, len(model))
				}
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				if err := handle().Drain(ctx); (err == nil) != (open+len(model) == 0) {
					t.Fatalf("%v with %d items and %d open", err, len(model), open)
				}
			},
		})
	})
}

// A pipe behaves as the list of its messages.
func TestPipeModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, s, err := NewBytePipe(QueueBytes(2000))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _, _ = r.Close(), s.Close() }()
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // nothing waits
		var model [][]byte
		closed := false
		t.Repeat(map[string]func(*rapid.T){
			"send": func(t *rapid.T) {
				v := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "message")
				switch err := s.SendBytes(ctx, v); {
				case err == nil && !closed:
					model = append(model, v)
				case errors.Is(err, ErrFull) && errors.Is(err, context.Canceled) && len(v) > queueInline && len(model) > 4:
				case closed && errors.Is(err, ErrClosed):
				default:
					t.Fatal(err)
				}
			},
			"receive": func(t *rapid.T) {
				buf := make([]byte, rapid.IntRange(0, 250).Draw(t, "buffer"))
				n, err := r.RecvInto(ctx, buf)
				got := buf[:n]
				var short *ShortBufferError
				if errors.As(err, &short) && len(short.Data) > len(buf) {
					got, err = short.Data, nil
				}
				switch {
				case len(model) > 0 && err == nil && slices.Equal(got, model[0]):
					model = model[1:]
				case len(model) == 0 && closed && errors.Is(err, io.EOF):
				case len(model) == 0 && !closed && errors.Is(err, ErrEmpty):
				default:
					t.Fatalf("%v, %v with %d messages", got, err, len(model))
				}
			},
			"poll": func(t *rapid.T) {
				if r.Poll(ctx) != (len(model) > 0 || closed) {
					t.Fatal(len(model))
				}
			},
			"close": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "really") == 0 {
					closed = true
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
				}
			},
		})
	})
}

// The size of a queue can be asked for when it is closed, and goes on following what is taken.
func TestQ09_LenOfClosed(t *testing.T) {
	q := newQ[int](t, 3)
	for i := range 2 {
		if err := q.Put(ctxT(t), i); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
	for want := 2; want >= 0; want-- {
		if n := q.Len(); n != want || q.Cap() != 3 {
			t.Errorf("%d of %d items, want %d", n, q.Cap(), want)
		}
		_, _ = q.TryGet()
	}
}

func TestS002_9_Full(t *testing.T)   { TestQ01_Put(t) }
func TestS002_10_Empty(t *testing.T) { TestQ02_Get(t); TestQ03_Timeout(t) }

// The sample's consumer never ends; here closing the queue ends it, and both processes can be joined.
func TestS003_7_ProducerConsumer(t *testing.T) {
	needProcesses(t)
	q := newQ[int](t, 4)
	consumer := runs(t, useQueue, handles{Ints: q, Do: "sum"})
	producer := runs(t, useQueue, handles{Ints: q, Do: "put", N: 20})
	joined(t, producer)
	if err := q.Close(); err != nil {
		t.Error(err)
	}
	if sum := resultOf[int](t, consumer); sum != 190 {
		t.Error(sum)
	}
	if exit := joined(t, consumer); exit.Code != 0 {
		t.Error(exit)
	}
}
