package multiproc

import (
	"context"
	"errors"
	"os"
	"strconv"
	"time"

	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// orphanGrace is how long a running task has to notice that the parent is gone before its process ends.
const orphanGrace = 200 * time.Millisecond

// worker is the child's side of the protocol.
type worker struct {
	ctx context.Context
	in  frameBuffer
	out []byte
}

// serve runs in the child until it is told to leave or the parent is gone. It never returns.
func serve() {
	if role.version != cookieVersion {
		childFatal("protocol version " + strconv.Quote(role.version) + ", this program speaks " + cookieVersion)
	}
	ctx, cancel := context.WithCancel(context.Background())
	self.cancel.Store(&cancel)
	reserveHeap()
	// A task that calls runtime.Goexit would leave a process that answers nothing.
	defer childFatal("the function called runtime.Goexit")
	w := &worker{ctx: ctx}
	e := lookup(role.fn)
	if e == nil {
		unregistered()
	}
	switch role.kind {
	case rolePool:
		w.pool(e)
	case roleRing:
		w.ringPool(e)
	case roleProcess:
		w.process(e)
	default:
		childFatal("unknown role " + strconv.Quote(role.kind))
	}
}

// receive returns the next frame; the parent's end of file ends the process.
func (w *worker) receive() (header, []byte) {
	for {
		if h, payload, ok := w.in.next(); ok {
			return h, payload
		}
		n, err := rawRead(spawn.FDIn, w.in.space())
		if err != nil || n == 0 {
			exitOrphaned()
		}
		w.in.filled(n)
	}
}

// send writes the frames in w.out.
func (w *worker) send() {
	w.write(w.out)
	w.out = w.out[:0]
	if cap(w.out) > 4<<20 {
		w.out = nil // only a huge result needed it
	}
}

func (w *worker) write(b []byte) {
	for len(b) > 0 {
		n, err := rawWrite(spawn.FDOut, b)
		if err != nil {
			exitOrphaned()
		}
		b = b[n:]
	}
}

func (w *worker) pool(e *entry) {
	for {
		h, payload := w.receive()
		switch h.kind {
		case frameInit:
			w.initialise(payload)
			w.out = appendHeader(w.out, frameReady, 0)
		case frameCall:
			w.call(e, int(h.count), payload)
		case frameQuit:
			leave(0)
		default:
			childFatal("unknown frame " + strconv.Itoa(int(h.kind)))
		}
		w.send()
	}
}

func (w *worker) call(e *entry, count int, payload []byte) {
	at := len(w.out)
	w.out = appendHeader(w.out, frameResult, count)
	w.out = e.run(w.ctx, count, payload, w.out)
	sealFrame(w.out, at)
}

// initialise runs the initialiser; its failure is reported and ends the process.
func (w *worker) initialise(payload []byte) {
	name, state, ok := takeString(payload)
	e := lookup(name)
	if !ok || name != "" && e == nil {
		w.failInit(&unregisteredError{name: name})
	}
	if name == "" {
		return
	}
	res := e.run(w.ctx, 1, state, nil)
	errs, err := decodeOutcomes(codecOf[struct{}](), name, 0, res, make([]struct{}, 1))
	if err == nil && errs != nil {
		err = errs[0]
	}
	if err != nil {
		w.failInit(err)
	}
}

// failInit reports the failure as that of a task is: what is known of the error crosses as what it is.
func (w *worker) failInit(err error) {
	kind, te := byte(failError), &TaskError{Type: typeName(err), Msg: err.Error(), Err: err}
	_ = errors.As(err, &te)
	msg := te.Msg
	var pe *PanicError
	if errors.As(te.Err, &pe) {
		kind, msg = failPanic, pe.Value
	}
	w.out = appendFailure(appendHeader(w.out[:0], frameFailed, 0), kind, te.Type, msg, te.Stack, appendCauses(nil, te.Err))
	sealFrame(w.out, 0)
	w.send()
	os.Exit(exitTask)
}
