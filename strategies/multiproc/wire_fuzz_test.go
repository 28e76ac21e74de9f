package multiproc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// Whatever bytes come from a worker, in whatever pieces: frames are cut as their headers say, nothing panics, and memory
// follows what has come.
func FuzzFrames(f *testing.F) {
	frame := func(kind, count int, payload string) []byte {
		b := append(appendHeader(nil, kind, count), payload...)
		sealFrame(b, 0)
		return b
	}
	ok := frame(frameResult, 1, "\x01\x00\x00\x00\x08hi")
	f.Add(append(frame(frameReady, 0, ""), ok...), uint8(7))
	f.Add(frame(frameFailed, 0, string(appendFailure(nil, failPanic, "panic", "message", "stack", nil))), uint8(1))
	f.Add(append(bytes.Repeat([]byte{0xff}, headerSize), ok...), uint8(16))
	f.Add(ok[:len(ok)-2], uint8(255))
	f.Fuzz(func(t *testing.T, data []byte, piece uint8) {
		var b frameBuffer
		fed, cut := 0, 0
		for rest := data; ; {
			for {
				h, payload, ok := b.next()
				if !ok {
					break
				}
				if uint64(len(payload)) != h.size || !bytes.Equal(payload, data[cut+headerSize:][:len(payload)]) {
					t.Fatalf("frame at %d: %d bytes, header says %d", cut, len(payload), h.size)
				}
				cut += headerSize + len(payload)
				var text [3]string
				errs, err := decodeOutcomes(codecOf[string](), "f", 0, payload, text[:min(len(text), int(h.count))])
				var de *DecodeError
				if err != nil && (!errors.As(err, &de) || errs != nil) {
					t.Fatal(err, errs)
				}
				var plain [2]uint32
				_, _ = decodeOutcomes(codecOf[uint32](), "f", 0, payload, plain[:])
				if initFailure(payload) == nil {
					t.Fatal("a failure that is none")
				}
			}
			if b.bad() != nil || len(rest) == 0 {
				break
			}
			if have := b.w - b.r; have >= headerSize {
				if size := parseHeader(b.buf[b.r:]).size; size > 1<<20 && size <= trusted {
					return // it gets its memory at once, which takes long here
				}
			}
			n := copy(b.space(), rest[:min(len(rest), 1+int(piece))])
			b.filled(n)
			fed += n
			rest = rest[n:]
			if len(b.buf) > trusted+headerSize+2*fed {
				t.Fatalf("%d bytes of memory for %d that came", len(b.buf), fed)
			}
		}
		if b.bad() == nil && fed != len(data) {
			t.Fatalf("%d of %d bytes were taken", fed, len(data))
		}
	})
}

// A slot's payload is within the area of its direction, whatever the other process writes into the slot.
func FuzzSlot(f *testing.F) {
	f.Add(uint32(slotArea), uint32(0), uint32(100))
	f.Add(uint32(slotArea), uint32(1000), uint32(25))
	f.Add(uint32(slotInline), uint32(0), uint32(inlineSize+1))
	f.Add(uint32(slotArea), ^uint32(0), ^uint32(0))
	buf := make([]byte, 1<<10)
	f.Fuzz(func(t *testing.T, kind, at, size uint32) {
		s := slot{kind: kind, at: at, size: size}
		p, ok := s.payload(&area{buf: buf})
		if !ok {
			if kind == slotInline && size <= inlineSize || kind != slotInline && uint64(at)+uint64(size) <= uint64(len(buf)) {
				t.Fatal("refused")
			}
			return
		}
		if uint32(len(p)) != size || cap(p) > len(buf) {
			t.Fatalf("%d bytes instead of %d", len(p), size)
		}
	})
}

// What comes of a huge frame is copied a few times at most, however small the reads are.
func TestFrameBufferGrows(t *testing.T) {
	f := frameBuffer{buf: binary.LittleEndian.AppendUint64(nil, 1<<40)}
	f.buf = append(f.buf, make([]byte, headerSize-8)...)
	f.w = headerSize
	grown := 0
	for size := 0; f.w < 3*trusted && grown < 10; {
		f.filled(min(len(f.space()), 256<<10))
		if len(f.buf) != size {
			size = len(f.buf)
			grown++
		}
		if size > headerSize+max(trusted, 2*f.w) {
			t.Fatalf("%d bytes of memory for %d that have come", size, f.w)
		}
	}
	if grown > 3 {
		t.Errorf("the memory has grown %d times by %d bytes", grown, f.w)
	}
}
