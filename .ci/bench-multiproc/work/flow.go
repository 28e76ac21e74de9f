package work

import (
	"bytes"
	"context"
	"time"

	"github.com/parbench/parbench/strategies/multiproc"
)

// Flow names the queue or the pipe that Fill and Drain move messages through; the others are nil.
type Flow struct {
	Ints  *multiproc.Queue[int]
	Data  *multiproc.Queue[[]byte]
	Sends *multiproc.Sender[int]
	Recvs *multiproc.Receiver[int]
	Out   *multiproc.ByteSender
	In    *multiproc.ByteReceiver
	Size  int  // bytes of a message in Data and Out
	Into  bool // receive from In into a buffer

	Ready *multiproc.Queue[int] // Drain puts something here when it is about to begin
	Time  time.Duration         // how long Drain measures
}

// Fill sends messages until it is killed.
var Fill = multiproc.Register("bench.fill", func(ctx context.Context, f Flow) (int, error) {
	switch data := Data(f.Size); {
	case f.Ints != nil:
		return fill(ctx, f.Ints.Put, 7)
	case f.Data != nil:
		return fill(ctx, f.Data.Put, data)
	case f.Sends != nil:
		return fill(ctx, f.Sends.Send, 7)
	default:
		return fill(ctx, f.Out.SendBytes, data)
	}
})

// Data is size bytes, none of them zero: memory that was never written to is one page, which stays in the cache.
func Data(size int) []byte { return bytes.Repeat([]byte("x"), size) }

// Drain receives messages and returns how many come in a second.
var Drain = multiproc.Register("bench.drain", func(ctx context.Context, f Flow) (float64, error) {
	if err := f.Ready.Put(ctx, 1); err != nil {
		return 0, err
	}
	switch {
	case f.Ints != nil:
		return drain(ctx, f.Ints.Get, f.Time)
	case f.Data != nil:
		return drain(ctx, f.Data.Get, f.Time)
	case f.Recvs != nil:
		return drain(ctx, f.Recvs.Recv, f.Time)
	case f.Into:
		buf := make([]byte, f.Size)
		return drain(ctx, func(ctx context.Context) (int, error) { return f.In.RecvInto(ctx, buf) }, f.Time)
	default:
		return drain(ctx, f.In.RecvBytes, f.Time)
	}
})

func fill[T any](ctx context.Context, put func(context.Context, T) error, v T) (int, error) {
	for {
		if err := put(ctx, v); err != nil {
			return 0, err
		}
	}
}

// drain lets a fifth of the time pass first, in which the other side fills what there is to fill.
func drain[T any](ctx context.Context, get func(context.Context) (T, error), d time.Duration) (float64, error) {
	if _, err := get(ctx); err != nil {
		return 0, err
	}
	if _, err := drainFor(ctx, get, d/5); err != nil {
		return 0, err
	}
	return drainFor(ctx, get, d)
}

// drainFor looks at the clock after every 16 messages: one MiB takes a fifth of a millisecond, an int 40 ns.
func drainFor[T any](ctx context.Context, get func(context.Context) (T, error), d time.Duration) (float64, error) {
	for n, start := 0, time.Now(); ; {
		for range 16 {
			if _, err := get(ctx); err != nil {
				return 0, err
			}
		}
		n += 16
		if took := time.Since(start); took >= d {
			return float64(n) / took.Seconds(), nil
		}
	}
}

// Echo sends back what comes, from queue to queue, until it is killed.
var Echo = multiproc.Register("bench.echo", func(ctx context.Context, q [2]*multiproc.Queue[int]) (int, error) {
	for {
		v, err := q[0].Get(ctx)
		if err == nil {
			err = q[1].Put(ctx, v)
		}
		if err != nil {
			return 0, err
		}
	}
})
