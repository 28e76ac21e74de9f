package manager

import (
	"context"
	"errors"
	"iter"
	"strconv"

	"github.com/parbench/parbench/strategies/multiproc"
)

// Service is a registered kind of a user's values that live in a manager.
type Service[S any] struct{ t *serviceType }

// RegisterService makes values of type S, mostly a pointer, able to live in a manager, under the rules of
// multiproc.Register: in a package variable, each name once. factory makes one, in the manager's process; its context
// ends when the value is freed or the manager ends. What others can do with it are the methods that are registered with
// RegisterMethod and RegisterStream, and nothing else. They run at the same time, each call on a goroutine of its own. A
// value with a method Close() error is closed at its end.
func RegisterService[S any](name string, factory func(ctx context.Context) (S, error)) Service[S] {
	t := &serviceType{name: name, factory: func(ctx context.Context) (any, error) { return factory(ctx) }}
	registry.Lock()
	defer registry.Unlock()
	enter(&registry.services, "service", name, t)
	return Service[S]{t}
}

// Name returns the name the service was registered under.
func (s Service[S]) Name() string {
	if s.t == nil {
		return ""
	}
	return s.t.name
}

// New makes a value in the manager. The error of the factory is a *multiproc.TaskError.
func (s Service[S]) New(ctx context.Context, m *Manager) (Proxy[S], error) {
	if s.t == nil {
		return Proxy[S]{}, invalid("the service was not made by RegisterService")
	}
	h, err := create(ctx, m, kindService, func(b []byte) ([]byte, error) { return appendBytes(b, s.t.name), nil })
	return Proxy[S]{h}, named(err, s.t.name)
}

// Proxy names a user's value in a manager: a handle, as Dict is.
type Proxy[S any] struct{ handle }

// AppendBinary implements encoding.BinaryAppender: see Dict.
func (p Proxy[S]) AppendBinary(b []byte) ([]byte, error) {
	return p.append(b, kindService, typeOf[S]())
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (p *Proxy[S]) UnmarshalBinary(b []byte) error { return p.take(b, kindService, typeOf[S]()) }

// Method is a method of a service that can be called from other processes.
type Method[S, In, Out any] struct{ service, name string }

// RegisterMethod exposes a method of a service, mostly as a method expression:
//
//	var add = manager.RegisterMethod(counter, "Add", (*Counter).Add)
//
// Its context ends with that of the caller, and with the service. The rules are those of RegisterService.
func RegisterMethod[S, In, Out any](s Service[S], name string, fn func(S, context.Context, In) (Out, error)) Method[S, In, Out] {
	expose(s, name, checked[In, Out]())
	run := func(ctx context.Context, v any, in, out []byte) (res []byte, failed bool) {
		var arg In
		_, err := multiproc.DecodeValue(in, &arg)
		var result Out
		if err == nil {
			result, err = fn(v.(S), ctx, arg)
		}
		if err == nil {
			out, err = multiproc.AppendValue(out, &result)
		}
		if err != nil {
			return multiproc.AppendFailure(out[:0], err), true
		}
		return out, false
	}
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	enter(&s.t.methods, "method of "+s.t.name, name, method(run))
	return Method[S, In, Out]{s.t.name, name}
}

// expose panics where a method cannot be exposed.
func expose[S any](s Service[S], name string, err error) {
	if s.t == nil {
		panic("manager: method " + strconv.Quote(name) + " of a service that was not made by RegisterService")
	}
	if err != nil {
		panic("manager: method " + s.t.name + "." + name + ": " + err.Error())
	}
}

// Call calls the method of a value. What it returned as its error is a *multiproc.TaskError, in which errors.Is finds
// registered sentinels and errors.As registered types (multiproc.RegisterSentinel, RegisterError); a panic has its stack.
// When ctx ends, so does that of the method; one that pays no attention to it is not waited for.
func (m Method[S, In, Out]) Call(ctx context.Context, p Proxy[S], in In) (out Out, err error) {
	c := p.call(serviceCall)
	defer c.end()
	if c.buf, err = multiproc.AppendValue(appendBytes(c.buf, m.name), &in); err != nil {
		return out, err
	}
	if err = named(p.do(ctx, c), m.service+"."+m.name); err == nil {
		_, err = multiproc.DecodeValue(c.rep, &out)
	}
	return out, cancelled(ctx, err)
}

// cancelled prefers the error of ctx to that of a method which has ended because of it.
func cancelled(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return ctx.Err()
	}
	return err
}

// Stream is a method that yields values one after another.
type Stream[S, In, Out any] struct{ service, name string }

// RegisterStream exposes a method that yields values: it runs in the manager while the loop over them runs in another
// process, and never ahead of it.
func RegisterStream[S, In, Out any](s Service[S], name string, fn func(S, context.Context, In) iter.Seq2[Out, error]) Stream[S, In, Out] {
	expose(s, name, checked[In, Out]())
	run := func(ctx context.Context, v any, in []byte) (func([]byte) ([]byte, byte), func(), error) {
		var arg In
		if _, err := multiproc.DecodeValue(in, &arg); err != nil {
			return nil, nil, err
		}
		next, stop := iter.Pull2(fn(v.(S), ctx, arg))
		return func(out []byte) ([]byte, byte) {
			x, err, more := next()
			if !more {
				return out, statusNoKey
			}
			if err == nil {
				out, err = multiproc.AppendValue(out, &x)
			}
			if err != nil {
				return multiproc.AppendFailure(out, err), statusFailure
			}
			return out, statusOK
		}, stop, nil
	}
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	enter(&s.t.streams, "stream of "+s.t.name, name, stream(run))
	return Stream[S, In, Out]{s.t.name, name}
}

// All calls the method and returns what it yields, its errors included. An error that is not its own ends the loop, after
// it has been yielded. Breaking out of the loop ends the method: its context, and its yield, which returns false.
func (m Stream[S, In, Out]) All(ctx context.Context, p Proxy[S], in In) iter.Seq2[Out, error] {
	return func(yield func(Out, error) bool) {
		var zero Out
		it, err := m.begin(ctx, p, &in)
		if err != nil {
			yield(zero, cancelled(ctx, named(err, m.service+"."+m.name)))
			return
		}
		defer func() { _ = it.Free(context.WithoutCancel(ctx)) }()
		for {
			v, err := m.next(ctx, it)
			var te *multiproc.TaskError
			switch {
			case errors.Is(err, ErrNoKey):
				return
			case err == nil, errors.As(err, &te) && ctx.Err() == nil:
				if !yield(v, named(err, m.service+"."+m.name)) {
					return
				}
			default:
				yield(zero, cancelled(ctx, err))
				return
			}
		}
	}
}

func (m Stream[S, In, Out]) begin(ctx context.Context, p Proxy[S], in *In) (it handle, err error) {
	c := p.call(serviceIter)
	defer c.end()
	if c.buf, err = multiproc.AppendValue(appendBytes(c.buf, m.name), in); err != nil {
		return it, err
	}
	if err = p.do(ctx, c); err != nil {
		return it, err
	}
	r := c.result()
	return handle{p.c, r.num()}, nil
}

func (m Stream[S, In, Out]) next(ctx context.Context, it handle) (v Out, err error) {
	err = it.get(ctx, it.call(iteratorNext), func(b []byte) ([]byte, error) { return multiproc.DecodeValue(b, &v) })
	return v, err
}
