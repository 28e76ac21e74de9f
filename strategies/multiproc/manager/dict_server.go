package manager

import (
	"encoding/binary"
	"math"
	"sync"
)

// dict maps keys to values, both in their wire form, and remembers in which order the keys came. A value that is alone,
// and the fields of a namespace, are dicts as well.
type dict struct {
	is byte

	mu      sync.Mutex
	index   map[string]int // into entries
	entries []dictEntry
	dead    int // entries without a value
	version uint64
}

type dictEntry struct {
	key     string
	val     []byte
	version uint64 // of this value: no other one in the dict had it; 0 where the entry is dead
}

// newDict makes a dict of the request's items.
func newDict(r *request, kind byte) (object, byte) {
	d := &dict{is: kind, index: make(map[string]int)}
	d.setAll(r)
	return d, statusOK
}

func (d *dict) kind() byte { return d.is }
func (d *dict) free()      {}

func (d *dict) find(key []byte) *dictEntry {
	if i, ok := d.index[string(key)]; ok {
		return &d.entries[i]
	}
	return nil
}

// set stores a copy of val.
func (d *dict) set(e *dictEntry, key, val []byte) {
	d.version++
	if e != nil {
		if cap(e.val) > 4*len(val)+64 {
			e.val = nil
		}
		e.val, e.version = append(e.val[:0], val...), d.version
		return
	}
	k := string(key)
	d.index[k] = len(d.entries)
	d.entries = append(d.entries, dictEntry{k, append(make([]byte, 0, len(val)), val...), d.version})
}

func (d *dict) remove(e *dictEntry) {
	delete(d.index, e.key)
	*e = dictEntry{}
	if d.dead++; d.dead <= 16 || d.dead <= len(d.entries)/2 {
		return
	}
	live := d.entries[:0]
	for _, e := range d.entries {
		if e.version != 0 {
			d.index[e.key] = len(live)
			live = append(live, e)
		}
	}
	clear(d.entries[len(live):])
	d.entries, d.dead = live, 0
}

// clear forgets everything but the versions.
func (d *dict) clear() {
	clear(d.index)
	d.entries, d.dead = nil, 0
}

func (d *dict) setAll(r *request) {
	for n := r.count(); n > 0 && !r.bad; n-- {
		key, val := r.bytes(), r.bytes()
		if !r.bad {
			d.set(d.find(key), key, val)
		}
	}
}

func (d *dict) serve(r *request) byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch r.op {
	case dictLen:
		r.out = appendNum(r.out, uint64(len(d.index)))
		return statusOK
	case dictClear:
		d.clear()
		return statusOK
	case dictKeys, dictItems:
		d.list(r)
		return statusOK
	case dictSetAll:
		d.setAll(r)
		return statusOK
	case dictPopLast:
		for i := len(d.entries) - 1; i >= 0; i-- {
			if e := &d.entries[i]; e.version != 0 {
				r.out = append(appendBytes(r.out, e.key), e.val...)
				d.remove(e)
				return statusOK
			}
		}
		return statusNoKey
	}
	key := r.bytes()
	if r.bad {
		return statusBad
	}
	return d.serveKey(r, key, d.find(key))
}

// serveKey does what concerns one key; e is its entry, or nil.
func (d *dict) serveKey(r *request, key []byte, e *dictEntry) byte {
	if e == nil {
		switch r.op {
		case dictGet, dictDelete, dictPop:
			return statusNoKey
		}
	}
	switch r.op {
	case dictGet:
		r.out = append(r.out, e.val...)
	case dictGetVersion:
		if e == nil {
			r.out = append(r.out, 0)
			break
		}
		r.out = append(appendNum(r.out, e.version), e.val...)
	case dictSet:
		d.set(e, key, r.b)
	case dictSetIf:
		now := uint64(0)
		if e != nil {
			now = e.version
		}
		if v := r.num(); r.bad || v != now {
			return statusChanged
		}
		d.set(e, key, r.b)
	case dictSetDefault:
		r.out = appendBool(r.out, e != nil)
		if e == nil {
			d.set(nil, key, r.b)
			r.out = append(r.out, r.b...)
			break
		}
		r.out = append(r.out, e.val...)
	case dictSwap:
		r.out = appendBool(r.out, e != nil)
		if e != nil {
			r.out = append(r.out, e.val...)
		}
		d.set(e, key, r.b)
	case dictDelete:
		d.remove(e)
	case dictPop:
		r.out = append(r.out, e.val...)
		d.remove(e)
	case dictAdd:
		return d.add(r, key, e)
	case dictApply:
		return d.apply(r, key, e)
	default:
		return statusBad
	}
	return statusOK
}

func (d *dict) list(r *request) {
	r.out = appendNum(r.out, uint64(len(d.index)))
	for i := range d.entries {
		e := &d.entries[i]
		if e.version == 0 {
			continue
		}
		r.out = appendBytes(r.out, e.key)
		if r.op == dictItems {
			r.out = appendBytes(r.out, e.val)
		}
	}
}

// add adds a number to a value; a key that is not there counts as 0.
func (d *dict) add(r *request, key []byte, e *dictEntry) byte {
	kind, delta := r.byte(), r.b
	var sum [8]byte
	if len(delta) > len(sum) {
		return statusKind
	}
	if e != nil && copy(sum[:], e.val) != len(delta) || e != nil && len(e.val) != len(delta) {
		return statusKind
	}
	if !addNumber(kind, sum[:len(delta)], delta) {
		return statusKind
	}
	d.set(e, key, sum[:len(delta)])
	r.out = append(r.out, sum[:len(delta)]...)
	return statusOK
}

// apply runs a registered function on a value, with the dict locked.
func (d *dict) apply(r *request, key []byte, e *dictEntry) byte {
	update := findUpdate(r.string())
	if r.bad {
		return statusBad
	}
	if update == nil {
		return statusUnregistered
	}
	var old []byte
	if e != nil {
		old = e.val
	}
	val, err := update(r.out, old, e != nil, r.b)
	r.out = val
	if err {
		return statusFailure
	}
	d.set(e, key, val[answerHeader:])
	return statusOK
}

// Number kinds, as they travel.
const (
	numInt8 byte = 1 + iota
	numInt16
	numInt32
	numInt64
	numUint8
	numUint16
	numUint32
	numUint64
	numFloat32
	numFloat64
)

// addNumber adds b to a, wrapping around. False where they are not numbers of that kind.
func addNumber(kind byte, a, b []byte) bool {
	size := [...]int{numInt8: 1, 2, 4, 8, 1, 2, 4, 8, 4, 8}
	if int(kind) >= len(size) || kind == 0 || len(a) != size[kind] || len(b) != size[kind] {
		return false
	}
	le := binary.LittleEndian
	switch kind {
	case numInt8, numUint8:
		a[0] += b[0]
	case numInt16, numUint16:
		le.PutUint16(a, le.Uint16(a)+le.Uint16(b))
	case numInt32, numUint32:
		le.PutUint32(a, le.Uint32(a)+le.Uint32(b))
	case numInt64, numUint64:
		le.PutUint64(a, le.Uint64(a)+le.Uint64(b))
	case numFloat32:
		le.PutUint32(a, math.Float32bits(math.Float32frombits(le.Uint32(a))+math.Float32frombits(le.Uint32(b))))
	case numFloat64:
		le.PutUint64(a, math.Float64bits(math.Float64frombits(le.Uint64(a))+math.Float64frombits(le.Uint64(b))))
	}
	return true
}
