package multiproc

import (
	"reflect"
)

// What packages on top of this one need to carry values and errors the way it does.

// AppendValue appends the wire form of *v to b: what arguments and results are sent as. Where T cannot cross, or this
// value cannot, b comes back as it was with an *EncodeError.
func AppendValue[T any](b []byte, v *T) ([]byte, error) { return codecOf[T]().append(b, v) }

// DecodeValue fills *v from the wire form at the start of b and returns what follows it, or a *DecodeError. The bytes
// may come from anywhere: what is damaged is an error, and cannot make it allocate more than the message is long.
func DecodeValue[T any](b []byte, v *T) (rest []byte, err error) { return codecOf[T]().decode(b, v) }

// AppendField is AppendValue for a value whose type is known at run time only. It must be addressable, a variable or an
// exported field of one.
func AppendField(b []byte, v reflect.Value) ([]byte, error) {
	p := planOf(v.Type())
	if p.err == nil {
		out, err := p.append(b, v.Addr().UnsafePointer(), 0)
		if err == nil {
			return out, nil
		}
		return b, &EncodeError{Type: p.typ.String(), Err: err}
	}
	return b, &EncodeError{Type: p.typ.String(), Err: p.err}
}

// DecodeField is DecodeValue for such a value.
func DecodeField(b []byte, v reflect.Value) (rest []byte, err error) {
	p := planOf(v.Type())
	if p.err == nil {
		rest, err := p.decode(b, v.Addr().UnsafePointer())
		if err == nil {
			return rest, nil
		}
		return nil, &DecodeError{p.typ.String(), err}
	}
	return nil, &DecodeError{p.typ.String(), p.err}
}

// Encodable returns why values of a type cannot cross, an *EncodeError, or nil.
func Encodable[T any]() error {
	if p := codecOf[T]().p; p.err != nil {
		return &EncodeError{Type: p.typ.String(), Err: p.err}
	}
	return nil
}

// AppendFailure appends the wire form of an error that a function returned: its type, its text and what is registered
// of it (RegisterError, RegisterSentinel).
func AppendFailure(b []byte, err error) []byte {
	return appendFailure(b, failError, typeName(err), err.Error(), "", appendCauses(nil, err))
}

// AppendPanic appends the wire form of the panic whose value v is, with the stack of the caller. It must be called where
// recover was.
func AppendPanic(b []byte, v any) []byte {
	return appendFailure(b, failPanic, "panic", panicText(v), stack(), nil)
}

// DecodeFailure is the reverse of both: a *TaskError of the function fn, or a *DecodeError.
func DecodeFailure(b []byte, fn string) error {
	if e, _, ok := takeFailure(b, fn, 0); ok {
		return e
	}
	return &DecodeError{"error", errShort}
}
