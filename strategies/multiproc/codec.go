package multiproc

import (
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"sync"
	"unsafe"
)

// The wire form of a value. Both ends are the same executable on the same machine, so memory layout is a contract that
// holds: a type without pointers is copied as it lies in memory, and a slice of such a type with one copy. Types that
// append their own binary form use it; strings, slices, maps, arrays, structs (unexported fields included) and pointers
// are walked by a plan that is made once for each type. Interfaces, channels, functions, unsafe pointers and everything
// that contains a lock cannot cross.

// codec encodes and decodes one type.
type codec[T any] struct {
	p     *plan
	plain bool
	size  int
}

var codecs sync.Map // reflect.Type -> *plan, of top-level types

func codecOf[T any]() codec[T] {
	p := planOf(reflect.TypeFor[T]())
	return codec[T]{p, p.plain && p.err == nil, int(p.size)}
}

func planOf(t reflect.Type) *plan {
	p, ok := codecs.Load(t)
	if !ok {
		b := &planner{seen: make(map[reflect.Type]*plan)}
		top := b.plan(t)
		top.foreign, top.handles = b.foreign, b.handles
		p, _ = codecs.LoadOrStore(t, top)
	}
	return p.(*plan)
}

// append appends the wire form of *v. On error b is returned as it was.
func (c codec[T]) append(b []byte, v *T) ([]byte, error) {
	if c.plain {
		return append(b, unsafe.Slice((*byte)(unsafe.Pointer(v)), c.size)...), nil
	}
	if c.p.err != nil {
		return b, &EncodeError{Type: c.p.typ.String(), Err: c.p.err}
	}
	out, err := c.p.append(b, unsafe.Pointer(v), 0)
	if err != nil {
		return b, &EncodeError{Type: c.p.typ.String(), Err: err}
	}
	return out, nil
}

// decode fills *v from the start of b and returns the rest.
func (c codec[T]) decode(b []byte, v *T) ([]byte, error) {
	if c.plain {
		if len(b) < c.size {
			return nil, &DecodeError{c.p.typ.String(), errShort}
		}
		copy(unsafe.Slice((*byte)(unsafe.Pointer(v)), c.size), b)
		return b[c.size:], nil
	}
	if c.p.err != nil {
		return nil, &DecodeError{c.p.typ.String(), c.p.err}
	}
	rest, err := c.p.decode(b, unsafe.Pointer(v))
	if err != nil {
		return nil, &DecodeError{c.p.typ.String(), err}
	}
	return rest, nil
}

// appendAll appends the values one after another; plain ones with a single copy.
func (c codec[T]) appendAll(b []byte, v []T) ([]byte, error) {
	if c.plain {
		if len(v) == 0 || c.size == 0 {
			return b, nil
		}
		return appendBulk(b, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), c.size*len(v))), nil
	}
	for i := range v {
		var err error
		if b, err = c.append(b, &v[i]); err != nil {
			var ee *EncodeError
			if errors.As(err, &ee) {
				err = ee.at(i)
			}
			return b, err
		}
	}
	return b, nil
}

// decodeAll fills v and returns the rest.
func (c codec[T]) decodeAll(b []byte, v []T) ([]byte, error) {
	if c.plain {
		n := c.size * len(v)
		if len(b) < n {
			return nil, &DecodeError{c.p.typ.String(), errShort}
		}
		if n > 0 {
			copyBulk(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), n), b[:n])
		}
		return b[n:], nil
	}
	for i := range v {
		var err error
		if b, err = c.decode(b, &v[i]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

var (
	errShort = errors.New("message too short")
	errDepth = errors.New("value is cyclic or nested deeper than 10000 pointers")
)

const maxDepth = 10_000

// plan is how one type crosses. A plan with err cannot.
type plan struct {
	typ   reflect.Type
	size  uintptr
	plain bool // no pointers anywhere: memory is the wire form
	// foreign says that encoding or decoding runs somebody's methods; known of top-level types only.
	foreign bool
	handles bool // of top-level types: there is a Passable in it
	err     error
	// flat, if set, says that the wire form is a number and so many bytes, which lie where they are.
	flat   func(p unsafe.Pointer) (n uint64, body []byte)
	append func(b []byte, p unsafe.Pointer, depth int) ([]byte, error)
	decode func(b []byte, p unsafe.Pointer) ([]byte, error)
}

type planner struct {
	seen    map[reflect.Type]*plan
	foreign bool // met a type with methods of its own
	handles bool
}

type binaryAppender interface {
	AppendBinary([]byte) ([]byte, error)
}
type binaryMarshaler interface{ MarshalBinary() ([]byte, error) }
type binaryUnmarshaler interface{ UnmarshalBinary([]byte) error }
type locker interface {
	Lock()
	Unlock()
}

var (
	appenderType    = reflect.TypeFor[binaryAppender]()
	marshalerType   = reflect.TypeFor[binaryMarshaler]()
	unmarshalerType = reflect.TypeFor[binaryUnmarshaler]()
	lockerType      = reflect.TypeFor[locker]()
)

func (b *planner) plan(t reflect.Type) *plan {
	if p := b.seen[t]; p != nil {
		return p
	}
	p := &plan{typ: t, size: t.Size()}
	b.seen[t] = p // before the walk: a recursive type meets itself
	b.fill(p, t)
	if p.plain && p.err == nil {
		n := int(p.size)
		p.append = func(b []byte, v unsafe.Pointer, _ int) ([]byte, error) {
			return append(b, unsafe.Slice((*byte)(v), n)...), nil
		}
		p.decode = func(b []byte, v unsafe.Pointer) ([]byte, error) {
			if len(b) < n {
				return nil, errShort
			}
			copy(unsafe.Slice((*byte)(v), n), b)
			return b[n:], nil
		}
	}
	return p
}

func (b *planner) fill(p *plan, t reflect.Type) {
	ptr := reflect.PointerTo(t)
	switch {
	case t.Kind() == reflect.Pointer && t.Implements(passableType):
		b.foreign = b.foreign || !strings.HasPrefix(t.Elem().PkgPath(), reflect.TypeFor[plan]().PkgPath())
		b.handles = true
		planPassable(p, t)
		return
	case t.Kind() != reflect.Interface && ptr.Implements(passableType):
		p.err = &unsupported{t, "a handle crosses as a pointer"}
		return
	case t.Kind() != reflect.Interface && t.Kind() != reflect.Pointer &&
		(ptr.Implements(appenderType) || ptr.Implements(marshalerType)) && ptr.Implements(unmarshalerType):
		b.foreign = true
		planMarshaler(p, t)
		return
	case ptr.Implements(lockerType):
		p.err = &unsupported{t, "it is or contains a lock"}
		return
	}
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		p.plain = true
	case reflect.String:
		p.flat = func(v unsafe.Pointer) (uint64, []byte) {
			s := *(*string)(v)
			return uint64(len(s)), unsafe.Slice(unsafe.StringData(s), len(s))
		}
		p.append = func(b []byte, v unsafe.Pointer, _ int) ([]byte, error) {
			s := *(*string)(v)
			return append(binary.AppendUvarint(b, uint64(len(s))), s...), nil
		}
		p.decode = func(b []byte, v unsafe.Pointer) ([]byte, error) {
			n, b, err := length(b, 1)
			if err != nil {
				return nil, err
			}
			*(*string)(v) = string(b[:n])
			return b[n:], nil
		}
	case reflect.Array:
		b.planArray(p, t)
	case reflect.Struct:
		b.planStruct(p, t)
	case reflect.Slice:
		b.planSlice(p, t)
	case reflect.Pointer:
		b.planPointer(p, t)
	case reflect.Map:
		b.planMap(p, t)
	case reflect.Interface:
		p.err = &unsupported{t, "the other process cannot know what is in an interface; use a concrete type"}
	default:
		why := "a " + t.Kind().String() + " means nothing in another process"
		if t.Kind() == reflect.Chan {
			why += "; use a Queue or a pipe"
		}
		p.err = &unsupported{t, why}
	}
}

// length reads a count and checks that so many elements of at least unit bytes can follow, so that a damaged message
// cannot make the reader allocate.
func length(b []byte, unit int) (int, []byte, error) {
	n, k := binary.Uvarint(b)
	if k <= 0 || unit > 0 && n > uint64(len(b)-k)/uint64(unit) {
		return 0, nil, errShort
	}
	return int(n), b[k:], nil
}

func planMarshaler(p *plan, t reflect.Type) {
	p.append = func(b []byte, v unsafe.Pointer, _ int) ([]byte, error) {
		at := len(b)
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
		var err error
		switch x := reflect.NewAt(t, v).Interface().(type) {
		case binaryAppender:
			b, err = x.AppendBinary(b)
		case binaryMarshaler:
			var m []byte
			m, err = x.MarshalBinary()
			b = append(b, m...)
		}
		if err != nil {
			return nil, err
		}
		binary.LittleEndian.PutUint64(b[at:], uint64(len(b)-at-8))
		return b, nil
	}
	p.decode = func(b []byte, v unsafe.Pointer) ([]byte, error) {
		if len(b) < 8 {
			return nil, errShort
		}
		n := binary.LittleEndian.Uint64(b)
		if b = b[8:]; n > uint64(len(b)) {
			return nil, errShort
		}
		// The buffer is reused, and UnmarshalBinary must copy what it keeps (encoding.BinaryUnmarshaler).
		return b[n:], reflect.NewAt(t, v).Interface().(binaryUnmarshaler).UnmarshalBinary(b[:n:n])
	}
}

func (b *planner) planArray(p *plan, t reflect.Type) {
	e := b.plan(t.Elem())
	if p.err = e.err; p.err != nil {
		return
	}
	n, size := t.Len(), e.size
	if e.plain || n == 0 {
		p.plain = true
		return
	}
	p.append = func(b []byte, v unsafe.Pointer, depth int) (_ []byte, err error) {
		for i := range n {
			if b, err = e.append(b, unsafe.Add(v, uintptr(i)*size), depth); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	p.decode = func(b []byte, v unsafe.Pointer) (_ []byte, err error) {
		for i := range n {
			if b, err = e.decode(b, unsafe.Add(v, uintptr(i)*size)); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
}

func (b *planner) planStruct(p *plan, t reflect.Type) {
	type field struct {
		off uintptr
		p   *plan
	}
	fields := make([]field, 0, t.NumField())
	p.plain = true
	for i := range t.NumField() {
		f := t.Field(i)
		fp := b.plan(f.Type)
		if fp.err != nil {
			p.err = &unsupported{t, "field " + f.Name + ": " + fp.err.Error()}
			return
		}
		p.plain = p.plain && fp.plain
		fields = append(fields, field{f.Offset, fp})
	}
	if p.plain {
		return
	}
	p.append = func(b []byte, v unsafe.Pointer, depth int) (_ []byte, err error) {
		for _, f := range fields {
			if b, err = f.p.append(b, unsafe.Add(v, f.off), depth); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	p.decode = func(b []byte, v unsafe.Pointer) (_ []byte, err error) {
		for _, f := range fields {
			if b, err = f.p.decode(b, unsafe.Add(v, f.off)); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
}

// strides of this size stay below what the runtime copies past the caches, from where the next reader, the other process,
// would have to fetch it again.
const stride = 256 << 10

// copyBulk copies src to dst, which is as long.
func copyBulk(dst, src []byte) {
	for len(src) > stride {
		copy(dst[:stride], src)
		dst, src = dst[stride:], src[stride:]
	}
	copy(dst, src)
}

// appendBulk is append for what may be large.
func appendBulk(b, src []byte) []byte {
	if len(src) <= stride {
		return append(b, src...)
	}
	at := len(b)
	if cap(b)-at < len(src) {
		return append(b, src...) // slices.Grow would clear it first
	}
	b = b[:at+len(src)]
	copyBulk(b[at:], src)
	return b
}

// cloneBulk copies to fresh memory. strings.Builder is the way to get that without having it cleared first.
func cloneBulk(src []byte) []byte {
	var b strings.Builder
	b.Grow(len(src))
	for len(src) > stride {
		b.Write(src[:stride])
		src = src[stride:]
	}
	b.Write(src)
	s := b.String()
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

// A slice is its length plus one, then its elements; 0 is nil.
func (b *planner) planSlice(p *plan, t reflect.Type) {
	e := b.plan(t.Elem())
	if p.err = e.err; p.err != nil {
		return
	}
	size := e.size
	if e.plain {
		p.flat = func(v unsafe.Pointer) (uint64, []byte) {
			s := *(*[]byte)(v) // the header; its length counts elements of any type
			if s == nil {
				return 0, nil
			}
			return uint64(len(s)) + 1, unsafe.Slice(unsafe.SliceData(s), uintptr(len(s))*size)
		}
	}
	p.append = func(b []byte, v unsafe.Pointer, depth int) (_ []byte, err error) {
		s := *(*[]byte)(v) // the header; its length counts elements of any type
		if s == nil {
			return append(b, 0), nil
		}
		if depth > maxDepth {
			return nil, errDepth
		}
		b = binary.AppendUvarint(b, uint64(len(s))+1)
		data := unsafe.Pointer(unsafe.SliceData(s))
		if e.plain {
			return appendBulk(b, unsafe.Slice((*byte)(data), uintptr(len(s))*size)), nil
		}
		for i := range len(s) {
			if b, err = e.append(b, unsafe.Add(data, uintptr(i)*size), depth+1); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	p.decode = func(b []byte, v unsafe.Pointer) ([]byte, error) {
		n, k := binary.Uvarint(b)
		if k <= 0 {
			return nil, errShort
		}
		b = b[k:]
		if n == 0 {
			*(*[]byte)(v) = nil
			return b, nil
		}
		n--
		if e.plain && size > 0 && n > uint64(len(b))/uint64(size) || !e.plain && n > uint64(len(b)) || n > 1<<40 {
			return nil, errShort
		}
		if bytes := int(n) * int(size); e.plain && bytes >= 16 {
			// Memory without pointers that need not be cleared first; from this size on it is aligned for any type.
			*(*[]byte)(v) = unsafe.Slice(unsafe.SliceData(cloneBulk(b[:bytes])), n) // the header; its length counts elements of any type
			return b[bytes:], nil
		}
		s := reflect.MakeSlice(t, int(n), int(n))
		reflect.NewAt(t, v).Elem().Set(s)
		data := s.UnsafePointer()
		if e.plain {
			bytes := int(n) * int(size)
			copy(unsafe.Slice((*byte)(data), bytes), b)
			return b[bytes:], nil
		}
		var err error
		for i := range int(n) {
			if b, err = e.decode(b, unsafe.Add(data, uintptr(i)*size)); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
}

func (b *planner) planPointer(p *plan, t reflect.Type) {
	elem := t.Elem()
	e := b.plan(elem)
	if p.err = e.err; p.err != nil {
		return
	}
	p.append = func(b []byte, v unsafe.Pointer, depth int) ([]byte, error) {
		q := *(*unsafe.Pointer)(v)
		if q == nil {
			return append(b, 0), nil
		}
		if depth > maxDepth {
			return nil, errDepth
		}
		return e.append(append(b, 1), q, depth+1)
	}
	p.decode = func(b []byte, v unsafe.Pointer) ([]byte, error) {
		if len(b) == 0 {
			return nil, errShort
		}
		if b[0] == 0 {
			*(*unsafe.Pointer)(v) = nil
			return b[1:], nil
		}
		q := reflect.New(elem).UnsafePointer()
		*(*unsafe.Pointer)(v) = q
		return e.decode(b[1:], q)
	}
}

func (b *planner) planMap(p *plan, t reflect.Type) {
	k, e := b.plan(t.Key()), b.plan(t.Elem())
	if p.err = errors.Join(k.err, e.err); p.err != nil {
		return
	}
	p.append = func(b []byte, v unsafe.Pointer, depth int) (_ []byte, err error) {
		m := reflect.NewAt(t, v).Elem()
		if m.IsNil() {
			return append(b, 0), nil
		}
		if depth > maxDepth {
			return nil, errDepth
		}
		b = binary.AppendUvarint(b, uint64(m.Len())+1)
		key, val := reflect.New(t.Key()), reflect.New(t.Elem())
		for it := m.MapRange(); it.Next(); {
			key.Elem().SetIterKey(it)
			val.Elem().SetIterValue(it)
			if b, err = k.append(b, key.UnsafePointer(), depth+1); err != nil {
				return nil, err
			}
			if b, err = e.append(b, val.UnsafePointer(), depth+1); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	p.decode = func(b []byte, v unsafe.Pointer) (_ []byte, err error) {
		m := reflect.NewAt(t, v).Elem()
		n, w := binary.Uvarint(b)
		if w <= 0 {
			return nil, errShort
		}
		b = b[w:]
		if n == 0 {
			m.SetZero()
			return b, nil
		}
		if n--; n > 1 && n > uint64(len(b)) { // only a map of struct{} can have an entry without a byte, and only one
			return nil, errShort
		}
		m.Set(reflect.MakeMapWithSize(t, int(min(n, uint64(len(b))))))
		for range n {
			key, val := reflect.New(t.Key()), reflect.New(t.Elem())
			if b, err = k.decode(b, key.UnsafePointer()); err != nil {
				return nil, err
			}
			if b, err = e.decode(b, val.UnsafePointer()); err != nil {
				return nil, err
			}
			m.SetMapIndex(key.Elem(), val.Elem())
		}
		return b, nil
	}
}

type unsupported struct {
	t   reflect.Type
	why string
}

func (e *unsupported) Error() string { return e.t.String() + ": " + e.why }
