// Package capture takes in what a process writes, however much that is, and keeps the end of it.
package capture

import (
	"hash"
	"os"
	"strings"
	"sync"
	"time"
)

// Tail is the end of a stream. Make it with Read. Safe for concurrent use; it must not be copied. Besides a few pages of
// memory it costs a goroutine, until the stream's end or Close.
type Tail struct {
	f    *os.File
	most int
	sum  hash.Hash64
	done chan struct{}
	mu   sync.Mutex
	buf  []byte
	lost bool
}

// Read begins to take in f, the reading end of a pipe, which it owns from now on, and keeps its last most bytes. All that
// it reads goes through sum as well, unless that is nil.
func Read(f *os.File, most int, sum hash.Hash64) *Tail {
	t := &Tail{f: f, most: most, sum: sum, done: make(chan struct{})}
	go t.read()
	return t
}

func (t *Tail) read() {
	defer close(t.done)
	chunk := make([]byte, 4096)
	for {
		n, err := t.f.Read(chunk)
		if t.sum != nil {
			_, _ = t.sum.Write(chunk[:n]) // a hash takes everything
		}
		t.mu.Lock()
		t.buf = append(t.buf, chunk[:n]...)
		if len(t.buf) > 4*t.most {
			t.buf = append(t.buf[:0], t.buf[len(t.buf)-t.most:]...)
			t.lost = true
		}
		t.mu.Unlock()
		if err != nil {
			return
		}
		if n == len(chunk) && n < 64<<10 {
			chunk = make([]byte, 64<<10) // somebody has a lot to say
		}
	}
}

// straggle is how long Close waits for the end of the stream.
const straggle = 50 * time.Millisecond

// Close ends the reading. Call it when the processes that write are reaped: what they wrote has arrived by then, and the
// stream is at its end unless something that nobody waits for has inherited it.
func (t *Tail) Close() {
	_ = t.f.SetReadDeadline(time.Now().Add(straggle))
	<-t.done
	t.f.Close()
}

// Sum returns the hash of everything that was read. Call it after Close.
func (t *Tail) Sum() uint64 { return t.sum.Sum64() }

// String returns the end of the stream as valid UTF-8, with an ellipsis before it where that is not all.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, lost := t.buf, t.lost
	if len(b) > t.most {
		b, lost = b[len(b)-t.most:], true
	}
	text := strings.ToValidUTF8(string(b), "�")
	if lost {
		return "…" + text
	}
	return text
}
