package multiproc

import (
	"reflect"
	"unsafe"
)

// mover is a handle that leaves this process with the value that it is in: the end of a pipe. From hold on nobody else here
// can use or pass it.
type mover interface {
	// hold begins to pass the handle, or says why it cannot be passed.
	hold() error
	// giveBack makes a handle that was held, and perhaps encoded since, this process's again: it was not handed over.
	giveBack()
}

// passage are the handles that move with one value.
type passage []mover

// depart holds what moves with *v, all of it or, with an error, nothing.
func (c codec[T]) depart(v *T) (passage, error) {
	if c.p == nil || !c.p.handles {
		return nil, nil
	}
	var all passage
	err := eachMover(reflect.NewAt(c.p.typ, unsafe.Pointer(v)).Elem(), 0, func(m mover) error {
		err := m.hold()
		if err == nil {
			all = append(all, m)
		}
		return err
	})
	if err != nil {
		all.giveBack()
		return nil, &EncodeError{Type: c.p.typ.String(), Err: err}
	}
	return all, nil
}

// giveBack undoes the passage.
func (p passage) giveBack() {
	for _, m := range p {
		m.giveBack()
	}
}

// handed ends the passage when it is deferred: what moved comes back unless *ok, which a panic on the way leaves false.
func (p passage) handed(ok *bool) {
	if !*ok {
		p.giveBack()
	}
}

// eachMover visits what moves in a value, where encoding will find it.
func eachMover(v reflect.Value, depth int, visit func(mover) error) error {
	if depth > maxDepth || !planOf(v.Type()).handles {
		return nil // what is too deep is refused when it is encoded
	}
	switch v.Kind() {
	case reflect.Pointer:
		switch {
		case v.IsNil():
		case v.Type().Implements(passableType):
			if m, ok := v.Interface().(mover); ok {
				return visit(m)
			}
		default:
			return eachMover(v.Elem(), depth+1, visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			f = reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem() // unexported ones too
			if err := eachMover(f, depth, visit); err != nil {
				return err
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := eachMover(v.Index(i), depth+1, visit); err != nil {
				return err
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			key, val := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			key.SetIterKey(it)
			val.SetIterValue(it)
			if err := eachMover(key, depth+1, visit); err != nil {
				return err
			}
			if err := eachMover(val, depth+1, visit); err != nil {
				return err
			}
		}
	}
	return nil
}
