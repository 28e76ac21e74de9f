package multiproc

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"reflect"
	"strconv"
	"sync"
)

// errorKind is a registered error: a type, whose values travel, or a sentinel, whose name does.
type errorKind struct {
	name   string
	value  error // the sentinel
	encode func(error) ([]byte, error)
	decode func([]byte) (error, error)
}

// known holds the registered errors. It is global for the reason the registry is.
var known struct {
	sync.RWMutex
	types     map[reflect.Type]*errorKind
	names     map[string]*errorKind
	sentinels []*errorKind
}

// Both sides know these without being told.
func init() {
	for _, s := range []struct {
		name string
		err  error
	}{
		{"context.Canceled", context.Canceled},
		{"context.DeadlineExceeded", context.DeadlineExceeded},
		{"io.EOF", io.EOF},
		{"io.ErrUnexpectedEOF", io.ErrUnexpectedEOF},
		{"io.ErrClosedPipe", io.ErrClosedPipe},
		{"fs.ErrNotExist", fs.ErrNotExist},
		{"fs.ErrExist", fs.ErrExist},
		{"fs.ErrPermission", fs.ErrPermission},
		{"fs.ErrInvalid", fs.ErrInvalid},
		{"fs.ErrClosed", fs.ErrClosed},
		{"ErrClosed", ErrClosed},
		{"ErrRunning", ErrRunning},
		{"ErrFull", ErrFull},
		{"ErrTerminated", ErrTerminated},
		{"ErrCancelled", ErrCancelled},
		{"ErrBroken", ErrBroken},
		{"ErrStarted", ErrStarted},
		{"ErrNotStarted", ErrNotStarted},
		{"ErrAlive", ErrAlive},
		{"ErrInit", ErrInit},
		{"ErrInvalid", ErrInvalid},
		{"ErrTimeout", ErrTimeout},
		{"ErrUnregistered", ErrUnregistered},
		{"ErrNested", ErrNested},
		{"ErrStopped", ErrStopped},
		{"ErrEmpty", ErrEmpty},
		{"ErrTooManyDone", ErrTooManyDone},
		{"ErrTooLarge", ErrTooLarge},
	} {
		RegisterSentinel("multiproc/"+s.name, s.err)
	}
}

// RegisterError lets errors of type E cross to another process, wherever they stand in a chain of wrapped errors, so
// that errors.As finds them in the TaskError there. The rules are those of Register: a package variable or an init
// function, and a name used once among errors; E must be able to travel, as an argument must.
func RegisterError[E error](name string) struct{} {
	c := codecOf[E]()
	if c.p.err != nil {
		panic("multiproc: RegisterError " + strconv.Quote(name) + ": " + (&EncodeError{Type: c.p.typ.String(), Err: c.p.err}).Error())
	}
	k := &errorKind{name: name,
		encode: func(err error) ([]byte, error) {
			e := err.(E) //nolint:errorlint // its type has been looked up
			return c.append(nil, &e)
		},
		decode: func(b []byte) (error, error) {
			var e [1]E
			_, err := c.decode(b, &e[0])
			if v := reflect.ValueOf(e[0]); err == nil && v.Kind() == reflect.Pointer && v.IsNil() {
				err = errShort // nobody sends one: its Error method would have panicked
			}
			return e[0], err
		},
	}
	known.Lock()
	defer known.Unlock()
	addKind(k)
	if known.types == nil {
		known.types = make(map[reflect.Type]*errorKind)
	}
	t := reflect.TypeFor[E]()
	if known.types[t] != nil {
		panic("multiproc: RegisterError: " + t.String() + " registered twice")
	}
	known.types[t] = k
	return struct{}{}
}

// RegisterSentinel lets errors.Is find err in the error of a task that returned it, wrapped or not, in another process.
// Those of context, io and io/fs and this package's own are known. The rules are those of RegisterError.
func RegisterSentinel(name string, err error) struct{} {
	if err == nil {
		panic("multiproc: RegisterSentinel " + strconv.Quote(name) + ": no error")
	}
	k := &errorKind{name: name, value: err}
	known.Lock()
	defer known.Unlock()
	addKind(k)
	known.sentinels = append(known.sentinels, k)
	return struct{}{}
}

func addKind(k *errorKind) {
	if k.name == "" {
		panic("multiproc: a registered error needs a name")
	}
	if known.names == nil {
		known.names = make(map[string]*errorKind)
	}
	if known.names[k.name] != nil {
		panic("multiproc: error " + strconv.Quote(k.name) + " registered twice")
	}
	known.names[k.name] = k
}

// appendCauses appends what is known of err: pairs of a name and a value.
func appendCauses(b []byte, err error) []byte {
	if err == nil {
		return b
	}
	known.RLock()
	defer known.RUnlock()
	if len(known.types) > 0 {
		walk(err, 0, func(e error) {
			k := known.types[reflect.TypeOf(e)]
			if k == nil {
				return
			}
			// A value that cannot travel, a nil map key's cycle for one, still arrives as text.
			if v, failed := k.encode(e); failed == nil {
				b = appendString(appendString(b, k.name), string(v))
			}
		})
	}
	for _, k := range known.sentinels {
		if errors.Is(err, k.value) {
			b = appendString(appendString(b, k.name), "")
		}
	}
	return b
}

// walk visits a tree of wrapped errors as errors.As does. The depth is bounded because Unwrap is somebody else's code.
func walk(err error, depth int, visit func(error)) {
	if err == nil || depth > 100 {
		return
	}
	visit(err)
	switch x := err.(type) { //nolint:errorlint // this is the walk
	case interface{ Unwrap() error }:
		walk(x.Unwrap(), depth+1, visit)
	case interface{ Unwrap() []error }:
		for _, e := range x.Unwrap() {
			walk(e, depth+1, visit)
		}
	}
}

// takeCauses is the reverse of appendCauses; what this side does not know is left out.
func takeCauses(b []byte) error {
	var found causes
	for len(b) > 0 {
		name, rest, ok := takeString(b)
		if !ok {
			break
		}
		value, rest, ok := takeString(rest)
		if !ok {
			break
		}
		b = rest
		known.RLock()
		k := known.names[name]
		known.RUnlock()
		switch {
		case k == nil:
		case k.value != nil:
			found = append(found, k.value)
		default:
			if e, err := k.decode([]byte(value)); err == nil {
				found = append(found, e)
			}
		}
	}
	switch len(found) {
	case 0:
		return nil
	case 1:
		return found[0]
	}
	return found
}

// causes are several that one error had.
type causes []error

func (c causes) Error() string {
	s := c[0].Error()
	for _, e := range c[1:] {
		s += "; " + e.Error()
	}
	return s
}

// Unwrap returns them.
func (c causes) Unwrap() []error { return c }

// appendBytes appends a length and the bytes.
func appendBytes(b, v []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}
