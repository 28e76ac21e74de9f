package multiproc

import (
	"context"
	"encoding/binary"
	"errors"
	"reflect"
	"runtime"
	"slices"
	"sync/atomic"
	"unsafe"
)

// A frame is a header of 16 bytes, little endian (payload length, 8; kind, 4; count, 4), and its payload.
const headerSize = 16

// Kinds of frames. The parent sends init, call and quit; the worker ready, failed and result, one result for each call
// in the order of the calls.
const (
	frameInit   = 1 + iota // payload: name of the initialiser, its state
	frameCall              // count inputs
	frameQuit              // leave when all calls before are answered
	frameReady             // the worker waits for calls
	frameFailed            // initialising failed; payload: a failure
	frameResult            // count outcomes: see runner
	frameBell              // an answer has come into shared memory
)

type header struct {
	size  uint64
	kind  uint32
	count uint32
}

func appendHeader(b []byte, kind, count int) []byte {
	b = binary.LittleEndian.AppendUint64(b, 0) // patched by sealFrame
	b = binary.LittleEndian.AppendUint32(b, uint32(kind))
	return binary.LittleEndian.AppendUint32(b, uint32(count))
}

// sealFrame writes the payload length of the frame that starts at b[at] and ends with b.
func sealFrame(b []byte, at int) {
	binary.LittleEndian.PutUint64(b[at:], uint64(len(b)-at-headerSize))
}

func parseHeader(b []byte) header {
	return header{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])}
}

// frameBuffer collects bytes from a stream and cuts them into frames.
type frameBuffer struct {
	buf  []byte
	r, w int // unread bytes are buf[r:w]
}

const (
	smallBuffer = 64 << 10
	// trusted is up to which size a frame gets its memory when its header is there. Beyond it memory follows what really
	// comes, so that a damaged header cannot take all of the machine's.
	trusted = 64 << 20
	// maxFrame is more than any machine's memory.
	maxFrame = 1 << 46
)

var errFrame = errors.New("an impossible message")

// bad returns an error if the frame that has begun cannot be one.
func (f *frameBuffer) bad() error {
	if f.w-f.r >= headerSize && parseHeader(f.buf[f.r:]).size > maxFrame {
		return &DecodeError{"frame", errFrame}
	}
	return nil
}

// next returns the next frame if it is complete. The payload stays valid until space is called.
func (f *frameBuffer) next() (h header, payload []byte, ok bool) {
	if f.w-f.r < headerSize {
		return h, nil, false
	}
	h = parseHeader(f.buf[f.r:])
	if uint64(f.w-f.r-headerSize) < h.size {
		return h, nil, false
	}
	lo := f.r + headerSize
	f.r = lo + int(h.size)
	return h, f.buf[lo:f.r:f.r], true
}

// space returns where to read more to; n of it were filled: call filled(n). It makes room for the whole frame that
// has begun, and lets a buffer go that only a huge frame needed.
func (f *frameBuffer) space() []byte {
	have := f.w - f.r
	need := smallBuffer
	if have >= headerSize {
		size := min(parseHeader(f.buf[f.r:]).size, maxFrame)
		need = max(need, headerSize+int(min(size, max(trusted, 2*uint64(have)))))
		if n := len(f.buf); need > n && n > trusted && have < n {
			need = n // more when this is full: with every read, all that has come would be copied every time
		}
	}
	if need > len(f.buf) || len(f.buf) > 4<<20 && need < len(f.buf)/4 {
		nb := make([]byte, need)
		copy(nb, f.buf[f.r:f.w])
		f.buf, f.r, f.w = nb, 0, have
	} else if f.r > 0 {
		copy(f.buf, f.buf[f.r:f.w])
		f.r, f.w = 0, have
	}
	return f.buf[f.w:]
}

func (f *frameBuffer) filled(n int) { f.w += n }

// An outcome list is a sequence of segments: a count (4 bytes) and so many results, followed by a failure unless all
// items are accounted for. A list without failures is thus one count and the results as they are.
const (
	failError = 1
	failPanic = 2
)

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func takeString(b []byte) (string, []byte, bool) {
	n, b, err := length(b, 1)
	if err != nil {
		return "", nil, false
	}
	return string(b[:n]), b[n:], true
}

func appendFailure(b []byte, kind byte, typ, msg, stack string, causes []byte) []byte {
	b = append(b, kind)
	b = appendString(b, typ)
	b = appendString(b, msg)
	b = appendString(b, stack)
	return appendBytes(b, causes)
}

func takeFailure(b []byte, fn string, index int) (*TaskError, []byte, bool) {
	if len(b) < 1 {
		return nil, nil, false
	}
	kind := b[0]
	e := &TaskError{Func: fn, Index: index}
	ok := true
	b = b[1:]
	var causes string
	for _, p := range []*string{&e.Type, &e.Msg, &e.Stack, &causes} {
		if ok {
			*p, b, ok = takeString(b)
		}
	}
	switch {
	case kind == failPanic:
		e.Err = &PanicError{e.Msg, e.Stack}
		e.Msg = e.Err.Error()
	case causes != "":
		e.Err = takeCauses([]byte(causes))
	}
	return e, b, ok
}

// initFailure is what a worker says about its initialiser.
func initFailure(payload []byte) error {
	te, _, ok := takeFailure(payload, "", 0)
	if !ok {
		return &DecodeError{"failure", errShort}
	}
	return &initError{te.Msg, te.Err}
}

// segment is a run of items in progress.
type segment[In, Out any] struct {
	fn      func(context.Context, In) (Out, error)
	ic      codec[In]
	oc      codec[Out]
	i, n    int
	req     []byte
	out     []byte
	at      int // where the count of the open segment stands
	count   uint32
	written int // out up to here is complete
	// The item at hand lives here because its address escapes: one allocation for each chunk instead of two for each item.
	arg In
	res Out
}

func (s *segment[In, Out]) open() {
	s.at = len(s.out)
	s.out = binary.LittleEndian.AppendUint32(s.out, 0)
	s.count = 0
	s.written = len(s.out)
}

func (s *segment[In, Out]) seal() { binary.LittleEndian.PutUint32(s.out[s.at:], s.count) }

// fail closes the segment with a failure of item i and opens the next one if items are left.
func (s *segment[In, Out]) fail(kind byte, typ, msg, stack string, causes []byte) {
	s.out = s.out[:s.written]
	s.seal()
	s.out = appendFailure(s.out, kind, typ, msg, stack, causes)
	if s.i++; s.i < s.n {
		s.open()
	}
}

// run runs items until the end or a panic. One deferred call serves a whole chunk.
func (s *segment[In, Out]) run(ctx context.Context) {
	normal := false
	defer func() {
		if normal {
			return
		}
		if v := recover(); v != nil {
			s.fail(failPanic, "panic", panicText(v), stack(), nil)
		}
	}()
	if s.ic.plain && s.oc.plain && unaligned {
		s.runPlain(ctx)
	}
	for s.i < s.n {
		var zero In
		s.arg = zero
		rest, err := s.ic.decode(s.req, &s.arg)
		if err != nil {
			// What follows cannot be found any more.
			for s.i < s.n {
				s.fail(failError, typeName(err), err.Error(), "", nil)
			}
			break
		}
		s.req = rest
		s.res, err = s.fn(ctx, s.arg)
		if err != nil {
			s.fail(failError, typeName(err), err.Error(), "", appendCauses(nil, err))
			continue
		}
		if s.out, err = s.oc.append(s.out, &s.res); err != nil {
			s.fail(failError, typeName(err), err.Error(), "", nil)
			continue
		}
		s.success()
	}
	normal = true
}

func (s *segment[In, Out]) success() {
	s.count++
	s.written = len(s.out)
	if s.i++; s.i == s.n {
		s.seal()
	}
}

// unaligned says that this processor loads and stores values at any address.
const unaligned = runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64"

// runPlain is the loop for types without pointers: a load, the call and a store for each item. It leaves what it
// cannot do, a message that is too short, to run.
func (s *segment[In, Out]) runPlain(ctx context.Context) {
	in, out := int(unsafe.Sizeof(s.arg)), int(unsafe.Sizeof(s.res))
	s.out = slices.Grow(s.out, (s.n-s.i)*out+1)
	for s.i < s.n && len(s.req) > 0 && len(s.req) >= in {
		arg := *(*In)(unsafe.Pointer(unsafe.SliceData(s.req)))
		s.req = s.req[in:]
		v, err := s.fn(ctx, arg)
		if err != nil {
			s.fail(failError, typeName(err), err.Error(), "", appendCauses(nil, err))
			s.out = slices.Grow(s.out, (s.n-s.i)*out+1)
			continue
		}
		at := len(s.out)
		s.out = s.out[:at+out]
		*(*Out)(unsafe.Pointer(unsafe.SliceData(s.out[at : at+out]))) = v
		s.success()
	}
}

// runner is the untyped form of a function that the registry keeps.
type runner[In, Out any] struct {
	fn func(context.Context, In) (Out, error)
	// The last segment is used again: a short task should not cost an allocation and two look-ups.
	idle atomic.Pointer[segment[In, Out]]
	// clocked is fn as timed calls it, made once: it is not for what is timed to pay for.
	clocked func(context.Context, In) (Out, error)
}

// run is a runFunc.
func (x *runner[In, Out]) run(ctx context.Context, n int, req, out []byte) []byte {
	s := x.take()
	out = s.all(ctx, n, req, out)
	x.idle.Store(s)
	return out
}

// timed is run that says when the functions ran. Only the one loop of a worker calls it, always with the same t.
func (x *runner[In, Out]) timed(ctx context.Context, n int, req, out []byte, t *callTimes) []byte {
	if x.clocked == nil {
		x.clocked = timedFunc(x.fn, t)
	}
	s := x.take()
	s.fn, t.left = x.clocked, n
	out = s.all(ctx, n, req, out)
	s.fn = x.fn
	x.idle.Store(s)
	return out
}

func (x *runner[In, Out]) take() *segment[In, Out] {
	if s := x.idle.Swap(nil); s != nil {
		return s
	}
	return &segment[In, Out]{fn: x.fn, ic: codecOf[In](), oc: codecOf[Out]()}
}

// all runs n items from req and returns out with their outcomes.
func (s *segment[In, Out]) all(ctx context.Context, n int, req, out []byte) []byte {
	s.i, s.n, s.req, s.out = 0, n, req, out
	if n > 0 {
		s.out = slices.Grow(s.out, n*s.oc.size+4)
		s.open()
	}
	for s.i < s.n {
		s.run(ctx)
	}
	out = s.out
	var in In
	var res Out
	s.arg, s.res, s.req, s.out = in, res, nil, nil // what was worked on must not be kept alive
	return out
}

// decodeOutcomes fills out from an outcome list and returns the errors, nil if there are none.
func decodeOutcomes[Out any](c codec[Out], fn string, base int, payload []byte, out []Out) (errs []error, err error) {
	if len(payload) >= 4 && int(binary.LittleEndian.Uint32(payload)) == len(out) {
		_, err = c.decodeAll(payload[4:], out)
		return nil, err
	}
	bad := &DecodeError{reflect.TypeFor[Out]().String(), errShort}
	for i := 0; i < len(out); {
		if len(payload) < 4 {
			return nil, bad
		}
		n := int(binary.LittleEndian.Uint32(payload))
		if payload = payload[4:]; n > len(out)-i {
			return nil, bad
		}
		if payload, err = c.decodeAll(payload, out[i:i+n]); err != nil {
			return nil, err
		}
		if i += n; i == len(out) {
			break
		}
		var te *TaskError
		var ok bool
		if te, payload, ok = takeFailure(payload, fn, base+i); !ok {
			return nil, bad
		}
		if errs == nil {
			errs = make([]error, len(out))
		}
		errs[i] = te
		i++
	}
	return errs, nil
}
