package multiproc

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"strconv"
	"syscall"

	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// frameStop asks a Process to end: its function's context does. It has no payload.
const frameStop = 100

// ErrStopped is the cause (context.Cause) of the end of a function's context when somebody called Stop.
var ErrStopped = errors.New("multiproc: asked to stop")

// process runs the one call of a Process, and the orderly end after it.
func (w *worker) process(e *entry) {
	h, payload := w.receive()
	if h.kind != frameCall || h.count != 1 {
		childFatal("unexpected frame " + strconv.Itoa(int(h.kind)))
	}
	ctx, cancel := context.WithCancelCause(w.ctx)
	w.ctx = ctx
	go orders(append([]byte(nil), w.in.buf[w.in.r:w.in.w]...), func() { cancel(ErrStopped) })
	w.call(e, 1, payload)
	code := 0
	if failureOf(w.out[headerSize:], role.fn) != nil {
		code = exitTask // and nothing on stderr: the error is for whoever asks for it
	}
	// A parent that is gone takes no result. The orderly end comes all the same.
	for b := w.out; len(b) > 0; {
		n, err := rawWrite(spawn.FDOut, b)
		if err != nil {
			break
		}
		b = b[n:]
	}
	leave(code)
}

// orders waits for frameStop. What has been read already comes first. It waits in the runtime's poller, not in a thread.
func orders(rest []byte, stop func()) {
	b := frameBuffer{buf: rest, w: len(rest)}
	if err := syscall.SetNonblock(spawn.FDIn, true); err != nil {
		return
	}
	f := os.NewFile(spawn.FDIn, "orders")
	for {
		if h, _, ok := b.next(); ok {
			if h.kind == frameStop {
				stop()
			}
			continue
		}
		n, err := f.Read(b.space())
		if n == 0 || err != nil {
			return // the lifeline has noticed as well
		}
		b.filled(n)
	}
}

// failureOf returns the failure in the outcome of one call, nil where it succeeded: then the first segment counts one
// result.
func failureOf(outcome []byte, fn string) *TaskError {
	if len(outcome) < 4 || binary.LittleEndian.Uint32(outcome) != 0 {
		return nil
	}
	te, _, ok := takeFailure(outcome[4:], fn, 0)
	if !ok {
		return nil // Result says that it makes no sense
	}
	return te
}

// unregistered ends a child that does not know its function. A Process says so in its result; for a worker, which has
// no call yet, the exit status says it. The parent reports it: it is not on stderr as well.
func unregistered() {
	if role.kind == roleProcess {
		w := &worker{out: appendUnknown(appendHeader(nil, frameResult, 1), 1)}
		sealFrame(w.out, 0)
		w.send()
	}
	os.Exit(exitUnregistered)
}
