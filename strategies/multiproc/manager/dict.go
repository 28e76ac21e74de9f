package manager

import (
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"reflect"

	"github.com/parbench/parbench/strategies/multiproc"
)

// Dict is a map in a manager. Keys keep the order in which they came. It is a small value that names the map: copies, in
// whatever process, and in other objects of the manager, mean the same one. Keys are compared by their value: pointers,
// also inside of structs, are ErrKey. Every method is atomic and safe for concurrent use.
type Dict[K comparable, V any] struct{ handle }

// NewDict makes an empty dict. Types that cannot cross are a *multiproc.EncodeError.
func NewDict[K comparable, V any](ctx context.Context, m *Manager) (Dict[K, V], error) {
	return DictOf(ctx, m, map[K]V(nil))
}

// DictOf makes a dict with the content of a map.
func DictOf[K comparable, V any](ctx context.Context, m *Manager, content map[K]V) (Dict[K, V], error) {
	if err := errors.Join(keyFormOf[K]().err, multiproc.Encodable[V]()); err != nil {
		return Dict[K, V]{}, err
	}
	h, err := create(ctx, m, kindDict, func(b []byte) ([]byte, error) { return appendPairs(b, content) })
	return Dict[K, V]{h}, err
}

func appendPairs[K comparable, V any](b []byte, content map[K]V) ([]byte, error) {
	b = appendNum(b, uint64(len(content)))
	for k, v := range content {
		var err error
		if b, err = sized(b, func(b []byte) ([]byte, error) { return appendKey(b, &k) }); err != nil {
			return b, err
		}
		if b, err = sized(b, func(b []byte) ([]byte, error) { return multiproc.AppendValue(b, &v) }); err != nil {
			return b, err
		}
	}
	return b, nil
}

// sized appends what f appends after its length.
func sized(b []byte, f func(b []byte) ([]byte, error)) ([]byte, error) {
	at := len(b)
	b = append(b, 0) // room for a short length, which most are
	b, err := f(b)
	if err != nil {
		return b[:at], err
	}
	n := len(b) - at - 1
	if n < 0x80 {
		b[at] = byte(n)
		return b, nil
	}
	var head [binary.MaxVarintLen64]byte
	k := binary.PutUvarint(head[:], uint64(n))
	b = append(b, head[1:k]...) // anything of that size
	copy(b[at+k:], b[at+1:at+1+n])
	copy(b[at:], head[:k])
	return b, nil
}

func appendSized[T any](b []byte, v *T) ([]byte, error) {
	return sized(b, func(b []byte) ([]byte, error) { return multiproc.AppendValue(b, v) })
}

// on begins a call that concerns a key.
func (d Dict[K, V]) on(op byte, key *K) (*call, error) {
	c := d.call(op)
	b, err := sized(c.buf, func(b []byte) ([]byte, error) { return appendKey(b, key) })
	c.buf = b
	return c, err
}

// put makes a call that concerns a key and a value.
func (d Dict[K, V]) put(ctx context.Context, op byte, key *K, v *V) (*call, error) {
	c, err := d.on(op, key)
	if err == nil {
		c.buf, err = multiproc.AppendValue(c.buf, v)
	}
	if err == nil {
		err = d.do(ctx, c)
	}
	return c, err
}

// get makes a call that concerns a key and decodes what comes.
func (d Dict[K, V]) get(ctx context.Context, op byte, key *K) (v V, err error) {
	c, err := d.on(op, key)
	defer c.end()
	if err == nil {
		err = d.do(ctx, c)
	}
	if err == nil {
		_, err = multiproc.DecodeValue(c.rep, &v)
	}
	return v, err
}

// Get returns the value of a key; ErrNoKey where there is none.
func (d Dict[K, V]) Get(ctx context.Context, key K) (V, error) { return d.get(ctx, dictGet, &key) }

// Set sets the value of a key.
func (d Dict[K, V]) Set(ctx context.Context, key K, v V) error {
	c, err := d.put(ctx, dictSet, &key, &v)
	c.end()
	return err
}

// SetAll sets the values of several keys at once.
func (d Dict[K, V]) SetAll(ctx context.Context, content map[K]V) error {
	c := d.call(dictSetAll)
	defer c.end()
	var err error
	if c.buf, err = appendPairs(c.buf, content); err != nil {
		return err
	}
	return d.do(ctx, c)
}

// SetDefault sets the value of a key that has none, and returns the one it has then. loaded tells whether it had one.
func (d Dict[K, V]) SetDefault(ctx context.Context, key K, v V) (actual V, loaded bool, err error) {
	return d.exchange(ctx, dictSetDefault, key, v)
}

// Swap sets the value of a key and returns the one before; loaded tells whether there was one.
func (d Dict[K, V]) Swap(ctx context.Context, key K, v V) (before V, loaded bool, err error) {
	return d.exchange(ctx, dictSwap, key, v)
}

func (d Dict[K, V]) exchange(ctx context.Context, op byte, key K, v V) (res V, loaded bool, err error) {
	c, err := d.put(ctx, op, &key, &v)
	defer c.end()
	if err != nil {
		return res, false, err
	}
	r := c.result()
	if loaded = r.byte() != 0; loaded || op == dictSetDefault {
		_, err = multiproc.DecodeValue(r.b, &res)
	}
	return res, loaded, err
}

// Delete removes a key; ErrNoKey where there is none.
func (d Dict[K, V]) Delete(ctx context.Context, key K) error {
	c, err := d.on(dictDelete, &key)
	defer c.end()
	if err != nil {
		return err
	}
	return d.do(ctx, c)
}

// Pop removes a key and returns its value; ErrNoKey where there is none.
func (d Dict[K, V]) Pop(ctx context.Context, key K) (V, error) { return d.get(ctx, dictPop, &key) }

// PopLast removes the key that came last and returns it with its value; ErrNoKey where there is none.
func (d Dict[K, V]) PopLast(ctx context.Context) (key K, v V, err error) {
	c := d.call(dictPopLast)
	defer c.end()
	if err = d.do(ctx, c); err != nil {
		return key, v, err
	}
	r := c.result()
	if _, err = multiproc.DecodeValue(r.bytes(), &key); err == nil {
		_, err = multiproc.DecodeValue(r.b, &v)
	}
	return key, v, err
}

// Has tells whether the dict has a key.
func (d Dict[K, V]) Has(ctx context.Context, key K) (bool, error) {
	_, there, _, err := d.version(ctx, &key)
	return there, err
}

// Len returns how many keys there are.
func (d Dict[K, V]) Len(ctx context.Context) (int, error) { return d.number(ctx, dictLen) }

// number makes a call that returns a number.
func (h handle) number(ctx context.Context, op byte) (int, error) {
	c := h.call(op)
	defer c.end()
	if err := h.do(ctx, c); err != nil {
		return 0, err
	}
	r := c.result()
	return int(r.num()), nil
}

// Clear removes all keys.
func (d Dict[K, V]) Clear(ctx context.Context) error { return d.simple(ctx, dictClear) }

// Keys returns the keys in the order in which they came.
func (d Dict[K, V]) Keys(ctx context.Context) ([]K, error) {
	var keys []K
	err := d.each(ctx, dictKeys, func(r *cursor) (bool, error) {
		var k K
		_, err := multiproc.DecodeValue(r.bytes(), &k)
		keys = append(keys, k)
		return true, err
	})
	return keys, err
}

// each asks for a sequence and hands each of its parts to f, until that returns false.
func (h handle) each(ctx context.Context, op byte, f func(r *cursor) (bool, error)) error {
	c := h.call(op)
	defer c.end()
	if err := h.do(ctx, c); err != nil {
		return err
	}
	return c.each(f)
}

func (c *call) each(f func(r *cursor) (bool, error)) error {
	r := c.result()
	for range r.num() {
		more, err := f(&r)
		if r.bad {
			err = errBad
		}
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// Copy returns the content at this moment.
func (d Dict[K, V]) Copy(ctx context.Context) (map[K]V, error) {
	m := make(map[K]V)
	err := d.items(ctx, func(it Item[K, V]) bool { m[it.Key] = it.Value; return true })
	return m, err
}

// Item is a key with its value.
type Item[K, V any] struct {
	Key   K
	Value V
}

func (d Dict[K, V]) items(ctx context.Context, f func(Item[K, V]) bool) error {
	return d.each(ctx, dictItems, func(r *cursor) (bool, error) {
		var it Item[K, V]
		_, err := multiproc.DecodeValue(r.bytes(), &it.Key)
		if err == nil {
			_, err = multiproc.DecodeValue(r.bytes(), &it.Value)
		}
		return err == nil && f(it), err
	})
}

// All returns the content at the moment at which the loop begins, in the order in which the keys came; what changes
// meanwhile is not seen. An error ends the loop, after it has been yielded.
func (d Dict[K, V]) All(ctx context.Context) iter.Seq2[Item[K, V], error] {
	return func(yield func(Item[K, V], error) bool) {
		more := true
		err := d.items(ctx, func(it Item[K, V]) bool { more = yield(it, nil); return more })
		if err != nil && more {
			yield(Item[K, V]{}, err)
		}
	}
}

// version returns the value of a key with its version, 0 where there is none.
func (d Dict[K, V]) version(ctx context.Context, key *K) (v V, there bool, version uint64, err error) {
	c, err := d.on(dictGetVersion, key)
	defer c.end()
	if err == nil {
		err = d.do(ctx, c)
	}
	if err != nil {
		return v, false, 0, err
	}
	r := c.result()
	if version = r.num(); version != 0 {
		_, err = multiproc.DecodeValue(r.b, &v)
	}
	return v, version != 0, version, err
}

// setIf sets the value of a key if it still has the version.
func (d Dict[K, V]) setIf(ctx context.Context, key *K, version uint64, v *V) (bool, error) {
	c, err := d.on(dictSetIf, key)
	defer c.end()
	if err == nil {
		c.buf, err = multiproc.AppendValue(appendNum(c.buf, version), v)
	}
	if err == nil {
		err = d.do(ctx, c)
	}
	if err != nil && c.was(statusChanged) {
		return false, nil
	}
	return err == nil, err
}

// Update replaces the value of a key by what f makes of it, and returns that: no change by another is lost or comes in
// between. f is called in this process with the value, or the zero one and false where there is none, again when another
// has changed the value meanwhile; its error leaves the dict alone. Where many want to change the same key, Add and Apply
// do it without trying again.
func (d Dict[K, V]) Update(ctx context.Context, key K, f func(v V, there bool) (V, error)) (V, error) {
	for {
		old, there, version, err := d.version(ctx, &key)
		if err != nil {
			return old, err
		}
		v, err := f(old, there)
		if err != nil {
			return old, err
		}
		if done, err := d.setIf(ctx, &key, version, &v); done || err != nil {
			return v, err
		}
	}
}

// CompareAndSwap sets the value of a key to v if it is old, and tells whether it did.
func CompareAndSwap[K, V comparable](ctx context.Context, d Dict[K, V], key K, old, v V) (bool, error) {
	for {
		now, there, version, err := d.version(ctx, &key)
		if err != nil || !there || now != old {
			return false, err
		}
		if done, err := d.setIf(ctx, &key, version, &v); done || err != nil {
			return done, err
		}
	}
}

// Add adds to the number that a key has, in the manager, and returns the sum. A key that is not there counts as 0.
// Numbers wrap around.
func Add[K comparable, N Number](ctx context.Context, d Dict[K, N], key K, delta N) (N, error) {
	return addTo(ctx, d, key, delta)
}

func addTo[K comparable, N Number](ctx context.Context, d Dict[K, N], key K, delta N) (sum N, err error) {
	c, err := d.on(dictAdd, &key)
	defer c.end()
	if err == nil {
		c.buf, err = multiproc.AppendValue(append(c.buf, numberKind[N]()), &delta)
	}
	if err == nil {
		err = d.do(ctx, c)
	}
	if err == nil {
		_, err = multiproc.DecodeValue(c.rep, &sum)
	}
	if errors.Is(err, errKind) {
		err = ErrNumber
	}
	return sum, err
}

// Updater names a function that changes values in the manager's process.
type Updater[V, A any] struct{ name string }

// RegisterUpdate makes fn usable with Apply and ApplyTo, under the rules of multiproc.Register: in a package variable,
// each name once. It is called with the value, or the zero one and false where there is none, while nobody else can use
// the dict: it must be short and must not use the manager.
func RegisterUpdate[V, A any](name string, fn func(v V, there bool, arg A) (V, error)) Updater[V, A] {
	if err := checked[V, A](); err != nil {
		panic("manager: RegisterUpdate " + name + ": " + err.Error())
	}
	run := func(out, old []byte, there bool, arg []byte) (res []byte, failed bool) {
		at := len(out)
		defer func() {
			if v := recover(); v != nil {
				res, failed = multiproc.AppendPanic(out[:at], v), true
			}
		}()
		var v V
		var a A
		_, err := multiproc.DecodeValue(arg, &a)
		if err == nil && there {
			_, err = multiproc.DecodeValue(old, &v)
		}
		if err == nil {
			v, err = fn(v, there, a)
		}
		if err == nil {
			out, err = multiproc.AppendValue(out, &v)
		}
		if err != nil {
			return multiproc.AppendFailure(out[:at], err), true
		}
		return out, false
	}
	registry.Lock()
	defer registry.Unlock()
	enter(&registry.updates, "update", name, updateFunc(run))
	return Updater[V, A]{name}
}

// Apply replaces the value of a key by what a registered function makes of it and of arg, and returns that. The function
// runs in the manager's process, once. Its error is a *multiproc.TaskError and leaves the dict alone.
func Apply[K comparable, V, A any](ctx context.Context, d Dict[K, V], key K, u Updater[V, A], arg A) (v V, err error) {
	c, err := d.on(dictApply, &key)
	defer c.end()
	if err == nil {
		c.buf, err = multiproc.AppendValue(appendBytes(c.buf, u.name), &arg)
	}
	if err == nil {
		err = named(d.do(ctx, c), u.name)
	}
	if err == nil {
		_, err = multiproc.DecodeValue(c.rep, &v)
	}
	return v, err
}

// named adds the name of what was called to its error.
func named(err error, name string) error {
	if te, ok := err.(*multiproc.TaskError); ok { //nolint:errorlint // it is what err has just returned
		te.Func = name
	} else if errors.Is(err, ErrUnregistered) {
		err = &detailError{ErrUnregistered, name}
	}
	return err
}

func dictType[K, V any]() uint64 { return fingerprint(reflect.TypeFor[K](), reflect.TypeFor[V]()) }

// AppendBinary implements encoding.BinaryAppender: a Dict may be, or be inside of, whatever crosses to another process.
func (d Dict[K, V]) AppendBinary(b []byte) ([]byte, error) {
	return d.append(b, kindDict, dictType[K, V]())
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (d *Dict[K, V]) UnmarshalBinary(b []byte) error { return d.take(b, kindDict, dictType[K, V]()) }
