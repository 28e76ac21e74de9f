package manager

import (
	"context"
	"errors"
	"reflect"

	"github.com/parbench/parbench/strategies/multiproc"
)

// Value is one variable in a manager: a handle, as Dict is.
type Value[T any] struct{ handle }

// NewValue makes a variable that is v.
func NewValue[T any](ctx context.Context, m *Manager, v T) (Value[T], error) {
	h, err := create(ctx, m, kindValue, func(b []byte) ([]byte, error) { return appendPairs(b, map[struct{}]T{{}: v}) })
	return Value[T]{h}, err
}

// dict is the variable as the dict that it is, with one key.
func (v Value[T]) dict() Dict[struct{}, T] { return Dict[struct{}, T](v) }

// Get returns the value.
func (v Value[T]) Get(ctx context.Context) (T, error) { return v.dict().Get(ctx, struct{}{}) }

// Set sets the value.
func (v Value[T]) Set(ctx context.Context, x T) error { return v.dict().Set(ctx, struct{}{}, x) }

// Swap sets the value and returns the one before.
func (v Value[T]) Swap(ctx context.Context, x T) (T, error) {
	before, _, err := v.dict().Swap(ctx, struct{}{}, x)
	return before, err
}

// Update replaces the value by what f makes of it: see Dict.Update.
func (v Value[T]) Update(ctx context.Context, f func(T) (T, error)) (T, error) {
	return v.dict().Update(ctx, struct{}{}, func(x T, _ bool) (T, error) { return f(x) })
}

// CompareAndSwapIn sets a variable to x if it is old, and tells whether it did.
func CompareAndSwapIn[T comparable](ctx context.Context, v Value[T], old, x T) (bool, error) {
	return CompareAndSwap(ctx, v.dict(), struct{}{}, old, x)
}

// AddTo adds to a variable, in the manager, and returns the sum: see Add.
func AddTo[N Number](ctx context.Context, v Value[N], delta N) (N, error) {
	return addTo(ctx, v.dict(), struct{}{}, delta)
}

// ApplyTo replaces a variable by what a registered function makes of it: see Apply.
func ApplyTo[T, A any](ctx context.Context, v Value[T], u Updater[T, A], arg A) (T, error) {
	return Apply(ctx, v.dict(), struct{}{}, u, arg)
}

// AppendBinary implements encoding.BinaryAppender: see Dict.
func (v Value[T]) AppendBinary(b []byte) ([]byte, error) { return v.append(b, kindValue, typeOf[T]()) }

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (v *Value[T]) UnmarshalBinary(b []byte) error { return v.take(b, kindValue, typeOf[T]()) }

// Namespace is a struct in a manager whose exported fields can be used one by one: a handle, as Dict is. Fields that are
// not exported stay behind.
type Namespace[S any] struct{ handle }

// NewNamespace makes a namespace with the exported fields of s, which is a struct.
func NewNamespace[S any](ctx context.Context, m *Manager, s S) (Namespace[S], error) {
	if t := reflect.TypeFor[S](); t.Kind() != reflect.Struct {
		return Namespace[S]{}, invalid("NewNamespace: " + t.String() + " is not a struct")
	}
	h, err := create(ctx, m, kindNamespace, func(b []byte) ([]byte, error) { return appendFields(b, &s) })
	return Namespace[S]{h}, err
}

// appendFields appends the exported fields as keys and values of a dict.
func appendFields[S any](b []byte, s *S) ([]byte, error) {
	v := reflect.ValueOf(s).Elem()
	n := uint64(0)
	for i := range v.NumField() {
		if v.Type().Field(i).IsExported() {
			n++
		}
	}
	b = appendNum(b, n)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		var err error
		if b, err = appendSized(b, &f.Name); err != nil {
			return b, err
		}
		if b, err = sized(b, func(b []byte) ([]byte, error) { return multiproc.AppendField(b, v.Field(i)) }); err != nil {
			return b, &detailError{err, "field " + f.Name}
		}
	}
	return b, nil
}

// Load returns all exported fields as they are at one moment; the others are zero.
func (n Namespace[S]) Load(ctx context.Context) (S, error) {
	var s S
	v := reflect.ValueOf(&s).Elem()
	err := n.each(ctx, dictItems, func(r *cursor) (bool, error) {
		var name string
		_, err := multiproc.DecodeValue(r.bytes(), &name)
		if f := v.FieldByName(name); err == nil && f.IsValid() {
			_, err = multiproc.DecodeField(r.bytes(), f)
		}
		return true, err
	})
	return s, err
}

// Store sets all exported fields at once.
func (n Namespace[S]) Store(ctx context.Context, s S) error {
	c := n.call(dictSetAll)
	defer c.end()
	var err error
	if c.buf, err = appendFields(c.buf, &s); err != nil {
		return err
	}
	return n.do(ctx, c)
}

// AppendBinary implements encoding.BinaryAppender: see Dict.
func (n Namespace[S]) AppendBinary(b []byte) ([]byte, error) {
	return n.append(b, kindNamespace, typeOf[S]())
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (n *Namespace[S]) UnmarshalBinary(b []byte) error { return n.take(b, kindNamespace, typeOf[S]()) }

// Field names an exported field of type F of the structs S.
type Field[S, F any] struct{ name string }

// FieldOf returns the field of that name. It panics where S has no exported field of that name and type: use it in a
// package variable.
func FieldOf[S, F any](name string) Field[S, F] {
	t := reflect.TypeFor[S]()
	if t.Kind() != reflect.Struct {
		panic("manager: FieldOf: " + t.String() + " is not a struct")
	}
	f, ok := t.FieldByName(name)
	switch {
	case !ok || len(f.Index) > 1:
		panic("manager: FieldOf: " + t.String() + " has no field " + name)
	case !f.IsExported():
		panic("manager: FieldOf: " + name + " of " + t.String() + " is not exported")
	case f.Type != reflect.TypeFor[F]():
		panic("manager: FieldOf: " + name + " of " + t.String() + " is a " + f.Type.String() + ", not a " + typeName[F]())
	}
	return Field[S, F]{name}
}

var errField = errors.New("manager: the field was not made by FieldOf")

func (f Field[S, F]) of(n Namespace[S]) (Dict[string, F], error) {
	if f.name == "" {
		return Dict[string, F]{}, errField
	}
	return Dict[string, F](n), nil
}

// Get returns the field's value.
func (f Field[S, F]) Get(ctx context.Context, n Namespace[S]) (F, error) {
	d, err := f.of(n)
	if err != nil {
		var zero F
		return zero, err
	}
	return d.Get(ctx, f.name)
}

// Set sets the field.
func (f Field[S, F]) Set(ctx context.Context, n Namespace[S], v F) error {
	d, err := f.of(n)
	if err != nil {
		return err
	}
	return d.Set(ctx, f.name, v)
}

// Update replaces the field's value by what fn makes of it: see Dict.Update.
func (f Field[S, F]) Update(ctx context.Context, n Namespace[S], fn func(F) (F, error)) (F, error) {
	d, err := f.of(n)
	if err != nil {
		var zero F
		return zero, err
	}
	return d.Update(ctx, f.name, func(v F, _ bool) (F, error) { return fn(v) })
}
