package manager

import (
	"math"
	"reflect"
	"sync"

	"github.com/parbench/parbench/strategies/multiproc"
)

// The server compares keys by their wire form, which must therefore be the same for equal keys and differ for others.
// That of most types is. Structs that are copied as they lie in memory may have gaps with anything in them, floats have
// two zeros, and pointers differ from what they point to.

// keyForm says how keys of a type become comparable.
type keyForm struct {
	clean bool // they have to be copied part by part first
	err   error
}

var keyForms sync.Map // reflect.Type → keyForm

func keyFormOf[K comparable]() keyForm {
	t := reflect.TypeFor[K]()
	switch t.Kind() {
	case reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Bool,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return keyForm{} // most are
	}
	if f, ok := keyForms.Load(t); ok {
		return f.(keyForm)
	}
	f := keyForm{err: multiproc.Encodable[K]()}
	if f.err == nil {
		f.err = f.look(t)
	}
	keyForms.Store(t, f)
	return f
}

type encoder interface{ MarshalBinary() ([]byte, error) }
type appender interface{ AppendBinary([]byte) ([]byte, error) }

var encoderType, appenderType = reflect.TypeFor[encoder](), reflect.TypeFor[appender]()

func (f *keyForm) look(t reflect.Type) error {
	if p := reflect.PointerTo(t); p.Implements(encoderType) || p.Implements(appenderType) {
		return nil // its own form decides
	}
	switch t.Kind() {
	case reflect.Pointer:
		return &detailError{ErrKey, t.String() + " is a pointer"}
	case reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		f.clean = true
	case reflect.Array:
		return f.look(t.Elem())
	case reflect.Struct:
		size := uintptr(0)
		for i := range t.NumField() {
			x := t.Field(i)
			if err := f.look(x.Type); err != nil {
				return err
			}
			if size += x.Type.Size(); x.Name == "_" || !x.IsExported() {
				f.clean = true
			}
		}
		if size != t.Size() {
			f.clean = true
		}
	}
	return nil
}

// appendKey appends the comparable form of a key.
func appendKey[K comparable](b []byte, key *K) ([]byte, error) {
	f := keyFormOf[K]()
	if f.err != nil {
		return b, f.err
	}
	if !f.clean {
		return multiproc.AppendValue(b, key)
	}
	if same := *key; same != *key { // a NaN is in it
		return b, &detailError{ErrKey, "it is not equal to itself"}
	}
	var copied K
	tidy(reflect.ValueOf(&copied).Elem(), reflect.ValueOf(key).Elem())
	return multiproc.AppendValue(b, &copied)
}

// tidy copies from src to dst, which is zero, what is not a gap, and makes negative zeros positive.
func tidy(dst, src reflect.Value) {
	switch t := dst.Type(); t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			if t.Field(i).Name == "_" {
				continue
			}
			d, s := dst.Field(i), src.Field(i)
			if !t.Field(i).IsExported() {
				d = reflect.NewAt(d.Type(), d.Addr().UnsafePointer()).Elem()
				s = reflect.NewAt(s.Type(), s.Addr().UnsafePointer()).Elem()
			}
			tidy(d, s)
		}
	case reflect.Array:
		for i := range t.Len() {
			tidy(dst.Index(i), src.Index(i))
		}
	case reflect.Float32, reflect.Float64:
		if v := src.Float(); v != 0 {
			dst.SetFloat(v)
		}
	case reflect.Complex64, reflect.Complex128:
		re, im := real(src.Complex()), imag(src.Complex())
		dst.SetComplex(complex(positive(re), positive(im)))
	default:
		dst.Set(src)
	}
}

func positive(v float64) float64 {
	if v == 0 {
		return math.Abs(v)
	}
	return v
}

// Number are the types that can be added to where they are.
type Number interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// numberKind returns how a type of numbers travels.
func numberKind[N Number]() byte {
	t := reflect.TypeFor[N]()
	sized := func(k8 byte) byte {
		for size := uintptr(1); size < t.Size(); size *= 2 {
			k8++
		}
		return k8
	}
	switch k := t.Kind(); {
	case k == reflect.Float32:
		return numFloat32
	case k == reflect.Float64:
		return numFloat64
	case k >= reflect.Uint && k <= reflect.Uint64:
		return sized(numUint8)
	default:
		return sized(numInt8)
	}
}

func typeName[T any]() string { return reflect.TypeFor[T]().String() }
