package manager

import (
	"context"
	"io"
	"sync"

	"github.com/parbench/parbench/strategies/multiproc"
)

// The registries are global for the reason that of package multiproc is: only names can travel.
var registry struct {
	sync.Mutex
	services map[string]*serviceType
	updates  map[string]updateFunc
	inits    map[string]func(ctx context.Context, state []byte) error
}

// updateFunc computes a new value from the old one and an argument, and appends it to out, or a failure.
type updateFunc func(out, old []byte, there bool, arg []byte) (res []byte, failed bool)

func findUpdate(name string) updateFunc {
	registry.Lock()
	defer registry.Unlock()
	return registry.updates[name]
}

// serviceType is a registered service.
type serviceType struct {
	name    string
	factory func(ctx context.Context) (any, error)

	mu      sync.Mutex
	methods map[string]method
	streams map[string]stream
}

// method decodes an input, calls the method of v, and appends the result or the failure to out.
type method func(ctx context.Context, v any, in, out []byte) (res []byte, failed bool)

// stream begins an iteration. next appends the next value and reports whether there was one.
type stream func(ctx context.Context, v any, in []byte) (next func(out []byte) (res []byte, status byte), stop func(), err error)

func (t *serviceType) method(name string) method {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.methods[name]
}

func (t *serviceType) stream(name string) stream {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.streams[name]
}

// service is a user's value.
type service struct {
	srv   *server
	t     *serviceType
	v     any
	ctx   context.Context
	stop  context.CancelFunc
	calls sync.WaitGroup

	mu   sync.Mutex
	gone bool
}

func (s *service) kind() byte { return kindService }

// task is a request whose work runs on a goroutine of its own.
type task struct{ cancel context.CancelFunc }

func (t task) giveUp(*waiter) { t.cancel() }

// background runs f for the request and answers with what it returns: out and a status. f must not use the request.
func (s *server) background(ctx context.Context, r *request, f func(ctx context.Context, out []byte) ([]byte, byte)) byte {
	ctx, cancel := context.WithCancel(ctx)
	w := r.waiter(task{cancel})
	if w == nil {
		cancel()
		return statusTooMany
	}
	s.spawn(func() {
		defer cancel()
		answered := false
		defer func() {
			if !answered { // it has called runtime.Goexit
				w.answer(statusFailure, multiproc.AppendFailure(nil, errGoexit)...)
			}
		}()
		out, status := guarded(ctx, f)
		answered = true
		w.answer(status, out...)
	})
	return parked
}

// guarded turns a panic of f into a failure.
func guarded(ctx context.Context, f func(ctx context.Context, out []byte) ([]byte, byte)) (out []byte, status byte) {
	defer func() {
		if v := recover(); v != nil {
			out, status = multiproc.AppendPanic(nil, v), statusFailure
		}
	}()
	return f(ctx, nil)
}

type goexitError struct{}

func (goexitError) Error() string { return "the method called runtime.Goexit" }

var errGoexit error = goexitError{}

// newService runs the factory, which may take its time.
func (s *server) newService(r *request) byte {
	name := r.string()
	registry.Lock()
	t := registry.services[name]
	registry.Unlock()
	if t == nil {
		return statusUnregistered
	}
	// The value lives as long as the server, not as long as the call that makes it.
	ctx, stop := context.WithCancel(s.ctx)
	return s.background(ctx, r, func(_ context.Context, out []byte) ([]byte, byte) {
		done := false
		defer func() {
			if !done {
				stop()
			}
		}()
		v, err := t.factory(ctx)
		if err != nil {
			return multiproc.AppendFailure(out, err), statusFailure
		}
		done = true
		return appendNum(out, s.add(&service{srv: s, t: t, v: v, ctx: ctx, stop: stop})), statusOK
	})
}

// begin counts a call in; false after free.
func (s *service) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone {
		s.calls.Add(1)
	}
	return !s.gone
}

func (s *service) serve(r *request) byte {
	name := r.string()
	if r.bad {
		return statusBad
	}
	in := append([]byte(nil), r.b...)
	var f func(ctx context.Context, out []byte) ([]byte, byte)
	switch r.op {
	case serviceCall:
		m := s.t.method(name)
		if m == nil {
			return statusUnregistered
		}
		f = func(ctx context.Context, out []byte) ([]byte, byte) {
			res, failed := m(ctx, s.v, in, out)
			if failed {
				return res, statusFailure
			}
			return res, statusOK
		}
	case serviceIter:
		m := s.t.stream(name)
		if m == nil {
			return statusUnregistered
		}
		sess := r.sess
		f = func(_ context.Context, out []byte) ([]byte, byte) { return s.iterate(sess, m, in, out) }
	default:
		return statusBad
	}
	if !s.begin() {
		return statusFreed
	}
	status := s.srv.background(s.ctx, r, func(ctx context.Context, out []byte) ([]byte, byte) {
		defer s.calls.Done()
		return f(ctx, out)
	})
	if status != parked {
		s.calls.Done()
	}
	return status
}

// iterate makes an iterator, which belongs to the process that asked for it.
func (s *service) iterate(sess *session, m stream, in, out []byte) ([]byte, byte) {
	ctx, cancel := context.WithCancel(s.ctx)
	next, stop, err := m(ctx, s.v, in)
	if err != nil {
		cancel()
		return multiproc.AppendFailure(out, err), statusFailure
	}
	it := &iterator{srv: s.srv, sess: sess, ctx: ctx, cancel: cancel, next: next, stop: stop}
	it.state.Lock()
	id := s.srv.add(it)
	it.number = id
	it.state.Unlock()
	if !sess.hold(it, nil) {
		it.ownerGone(sess)
		return out, statusCancelled
	}
	return appendNum(out, id), statusOK
}

// free ends the service: the contexts of its calls end, and when they have returned it is closed, if it has a Close.
func (s *service) free() {
	s.mu.Lock()
	s.gone = true
	s.mu.Unlock()
	s.stop()
	s.srv.spawn(func() {
		s.calls.Wait()
		if c, ok := s.v.(io.Closer); ok {
			guarded(s.ctx, func(context.Context, []byte) ([]byte, byte) { _ = c.Close(); return nil, statusOK })
		}
	})
}

// iterator is a loop over what a method yields, of which the body is in another process.
type iterator struct {
	srv    *server
	sess   *session
	ctx    context.Context
	cancel context.CancelFunc
	next   func(out []byte) ([]byte, byte)
	stop   func()

	state  sync.Mutex // guards number and gone
	number uint64
	gone   bool
	busy   sync.Mutex // held while next or stop runs
}

func (it *iterator) kind() byte { return kindIterator }

func (it *iterator) serve(r *request) byte {
	if r.op != iteratorNext {
		return statusBad
	}
	return it.srv.background(it.ctx, r, func(_ context.Context, out []byte) ([]byte, byte) {
		it.busy.Lock()
		defer it.busy.Unlock()
		it.state.Lock()
		gone := it.gone
		it.state.Unlock()
		if gone {
			return out, statusFreed
		}
		return it.next(out)
	})
}

func (it *iterator) ownerGone(*session) {
	it.state.Lock()
	n := it.number
	it.state.Unlock()
	it.srv.remove(n)
	it.free()
}

// free ends the loop, when its next step has returned.
func (it *iterator) free() {
	it.state.Lock()
	was := it.gone
	it.gone = true
	it.state.Unlock()
	if was {
		return
	}
	it.sess.release(it)
	it.cancel()
	it.srv.spawn(func() {
		it.busy.Lock()
		defer it.busy.Unlock()
		guarded(it.ctx, func(context.Context, []byte) ([]byte, byte) { it.stop(); return nil, statusOK })
	})
}
