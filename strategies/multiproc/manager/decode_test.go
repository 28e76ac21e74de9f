package manager

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"unsafe"
)

// fill sets the bytes between and behind a value's fields, without the fields.
func fill(p *padded, v byte) {
	mem := unsafe.Slice((*byte)(unsafe.Pointer(p)), unsafe.Sizeof(*p))
	for i := range mem {
		if i > 0 && i < 8 || i >= 24 {
			mem[i] = v
		}
	}
}

// newTestRings are two ends of one ring.
func newTestRings() (put, take *ring) {
	words := make([]uint64, ringSize/8)
	mem := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), ringSize)
	return newRing(mem), newRing(mem)
}

func TestRing(t *testing.T) {
	put, take := newTestRings()
	rng := rand.New(rand.NewPCG(1, 2))
	var sent [][]byte
	n := 0
	for n < 20_000 {
		msg := make([]byte, rng.IntN(200))
		if rng.IntN(20) == 0 {
			msg = make([]byte, rng.IntN(ringMost+2))
		}
		for i := range msg {
			msg[i] = byte(n + i)
		}
		if rng.IntN(3) > 0 {
			if put.put(msg) {
				sent = append(sent, msg)
				n++
			} else if len(msg) <= ringMost && len(sent) == 0 {
				t.Fatalf("no room for %d bytes in an empty ring", len(msg))
			}
			continue
		}
		got, there, err := take.take(nil)
		if err != nil || there != (len(sent) > 0) {
			t.Fatalf("took %v %v with %d there", there, err, len(sent))
		}
		if there {
			if !bytes.Equal(got, sent[0]) {
				t.Fatalf("message of %d bytes came as %d", len(sent[0]), len(got))
			}
			sent = sent[1:]
		}
	}
}

// Two goroutines, as two processes.
func TestRingConcurrently(t *testing.T) {
	put, take := newTestRings()
	const n = 50_000
	go func() {
		for i := range uint64(n) {
			for msg := binary.LittleEndian.AppendUint64(nil, i); !put.put(msg); {
				osYield()
			}
		}
	}()
	for i := uint64(0); i < n; {
		msg, there, err := take.take(nil)
		if ok(t, err); !there {
			osYield()
			continue
		}
		if binary.LittleEndian.Uint64(msg) != i {
			t.Fatalf("message %d is %x", i, msg)
		}
		i++
	}
}

// FuzzRing takes from memory that another process has written anything to.
func FuzzRing(f *testing.F) {
	f.Add(uint64(16), []byte{4, 0, 0, 0, 1, 2, 3, 4})
	f.Add(uint64(1<<40), []byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, tail uint64, data []byte) {
		_, take := newTestRings()
		copy(take.buf, data)
		take.tail.Store(tail)
		for range 100 {
			msg, there, err := take.take(nil)
			if len(msg) > ringMost || there && err != nil {
				t.Fatalf("%d bytes, %v", len(msg), err)
			}
			if !there {
				break
			}
		}
	})
}

// FuzzSession sends a server anything. It must answer each message at most once, keep its promises about what waits, and
// end.
func FuzzSession(f *testing.F) {
	maxRepeat, maxArray = 1<<16, 1<<16 // so that no input takes long
	f.Cleanup(func() { maxRepeat, maxArray = 1<<30, 1<<30 })
	request := func(op byte, obj uint64, body ...byte) []byte {
		c := newCall(op, obj)
		return append(bytes.Clone(c.buf), body...)
	}
	for kind := byte(1); kind < kinds; kind++ {
		f.Add(request(opCreate, 0, kind, 2, 3, 4), request(opObjectBase, 1, 1, 1, 1), request(opObjectBase+1, 1, 0))
		for op := opObjectBase; op < opObjectBase+16; op++ {
			f.Add(request(opCreate, 0, kind, 4, 1, 0), request(op, 1, 1, 0, 1), request(op, 1, 0, 0, 2, 7))
		}
	}
	f.Add(request(opPublish, 0, 1, 'a', 9), request(opLookup, 0, 1, 'a'), request(opStats, 0))
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		srv := newServer(ctx, 1)
		answers := 0
		s := srv.open(func(answer []byte) {
			if answers++; len(answer) < answerHeader {
				t.Errorf("answer %x", answer)
			}
		})
		var scratch serverRequest
		for i, msg := range [][]byte{a, b, c, a, b, c} {
			if len(msg) > 4 && (msg[4] == opCreate && bytes.IndexByte(msg, kindService) >= 0 || len(msg) > 64) {
				return // factories run on goroutines of their own; long messages add nothing
			}
			msg = bytes.Clone(msg)
			if len(msg) >= 4 {
				binary.LittleEndian.PutUint32(msg, uint32(i))
			}
			s.handle(&scratch, msg)
		}
		for i := range uint32(6) {
			s.cancel(i)
		}
		if answers > 6 {
			t.Errorf("%d answers to 6 messages", answers)
		}
		s.end()
		stop()
		srv.close()
	})
}

// serverRequest is a request, whose name is taken in FuzzSession.
type serverRequest = request

// FuzzFrames reads a stream of anything.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{3, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 1, 0, 0, 0, 9})
	f.Add([]byte{0xff, 0xff, 0xff, 0x3f, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, w, err := os.Pipe()
		ok(t, err)
		l, err := newLink(r)
		ok(t, err)
		go func() {
			_, _ = w.Write(data)
			_ = w.Close()
		}()
		total := 0
		err = l.read(func(msg []byte) { total += 4 + len(msg) }, func() { total += 4 })
		if err == nil || total > len(data) {
			t.Errorf("%d of %d bytes, %v", total, len(data), err)
		}
		l.close()
		_, _ = io.Copy(io.Discard, r)
	})
}

// What comes of a huge frame is copied a few times at most, however small the reads are.
func TestBufferGrows(t *testing.T) {
	grown, size := 0, 0
	for have := 4; have < 512<<20; have += 64 << 10 {
		n := bufferFor(maxMessage, have, size)
		if n < have+512 || n > max(4<<20, 2*have) {
			t.Fatalf("%d bytes of memory for %d that have come", n, have)
		}
		if n != size {
			size = n
			grown++
		}
	}
	if grown > 10 {
		t.Errorf("the memory has grown %d times", grown)
	}
	if n := bufferFor(10, 10, size); n != 4<<10 {
		t.Errorf("a small frame has %d bytes", n)
	}
}
