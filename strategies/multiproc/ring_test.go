package multiproc

import (
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

func TestRingLayout(t *testing.T) {
	if s := unsafe.Sizeof(slot{}); s != slotSize {
		t.Errorf("a slot has %d bytes", s)
	}
	if o := unsafe.Offsetof(slot{}.stamp); o != slotSize-8 {
		t.Errorf("the stamp is at %d", o)
	}
	var c control
	words := []uintptr{unsafe.Offsetof(c.asleep), unsafe.Offsetof(c.ring), unsafe.Offsetof(c.release), unsafe.Sizeof(c)}
	for i, o := range words {
		if i > 0 && o-words[i-1] < cacheLine {
			t.Errorf("word %d shares a cache line with the one before", i)
		}
	}
	if reqOffset < unsafe.Sizeof(c) || areaSize&(areaSize-1) != 0 || areaOffset%4096 != 0 {
		t.Error("the parts of a ring overlap or are not aligned")
	}
}

// Whatever the sender puts into an area and in whatever order the receiver frees it, messages are in one piece, inside,
// and never on top of one another.
func TestAreaProperties(t *testing.T) {
	type message struct {
		off, n int
		end    uint64
	}
	rapid.Check(t, func(t *rapid.T) {
		const size = 4 << 10
		a := area{buf: make([]byte, size), have: size}
		var sent []message
		put := func(off, n int, end uint64) {
			if off < 0 || off+n > size {
				t.Fatalf("%d bytes at %d", n, off)
			}
			for _, m := range sent {
				if n > 0 && m.n > 0 && off < m.off+m.n && m.off < off+n {
					t.Fatalf("%d bytes at %d lie on %d bytes at %d", n, off, m.n, m.off)
				}
			}
			if end-a.tail > size || end != a.head {
				t.Fatalf("head %d, end %d, tail %d", a.head, end, a.tail)
			}
			sent = append(sent, message{off, n, end})
		}
		t.Repeat(map[string]func(*rapid.T){
			"alloc": func(t *rapid.T) {
				n := rapid.IntRange(1, size).Draw(t, "n")
				off, end, ok := a.alloc(n)
				if ok {
					put(off, n, end)
				} else if len(sent) == 0 {
					t.Fatalf("%d bytes do not fit into an empty area", n)
				}
			},
			"in place": func(t *rapid.T) {
				n := rapid.IntRange(1, size).Draw(t, "n")
				buf := a.reserve(n)
				if buf == nil {
					if len(sent) == 0 {
						t.Fatalf("no %d bytes in an empty area", n)
					}
					return
				}
				if len(buf) < n {
					t.Fatalf("%d bytes instead of %d", len(buf), n)
				}
				used := rapid.IntRange(0, len(buf)).Draw(t, "used")
				if used == 0 {
					return // given back
				}
				off, end := a.commit(used)
				if &a.buf[off] != &buf[0] {
					t.Fatal("commit takes other bytes than reserve gave")
				}
				put(off, used, end)
			},
			"free": func(*rapid.T) {
				if len(sent) > 0 {
					a.tail = sent[0].end
					sent = sent[1:]
				}
			},
		})
	})
}

// Bytes that are given back leave no trace: once the messages before them are gone, the area is empty.
func TestAreaGivenBack(t *testing.T) {
	const size = 4 << 10
	a := area{buf: make([]byte, size), have: size}
	_, end, _ := a.alloc(size - 2*cacheLine)
	a.tail = end - 2*cacheLine
	if buf := a.reserve(size / 2); len(buf) < size/2 || &buf[0] != &a.buf[0] {
		t.Fatalf("%d bytes", len(buf))
	}
	a.tail = end
	if _, _, ok := a.alloc(size); !ok {
		t.Error("nothing is under way, and the area is not free")
	}
}

// A slot that lies about its payload gives none.
func TestSlotBounds(t *testing.T) {
	a := area{buf: make([]byte, 1<<10)}
	for _, c := range []struct {
		s  *slot
		ok bool
	}{
		{&slot{kind: slotInline, size: inlineSize}, true},
		{&slot{kind: slotInline, size: inlineSize + 1}, false},
		{&slot{kind: slotArea, at: 0, size: 1 << 10}, true},
		{&slot{kind: slotArea, at: 1, size: 1 << 10}, false},
		{&slot{kind: slotArea, at: 1<<32 - 1, size: 1<<32 - 1}, false},
	} {
		if b, ok := c.s.payload(&a); ok != c.ok || ok && len(b) != int(c.s.size) {
			t.Errorf("kind %d, %d bytes at %d: %v", c.s.kind, c.s.size, c.s.at, ok)
		}
	}
}
