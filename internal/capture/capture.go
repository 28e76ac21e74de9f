// Package capture takes in what a process writes, however much that is: it keeps the end of it, and hands on what comes.
package capture

import (
	"errors"
	"hash"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Tail is the end of a stream. Make it with Read. Safe for concurrent use; it must not be copied. Besides a few pages of
// memory it costs a goroutine, until the stream's end or Close.
type Tail struct {
	f    *os.File
	most int
	sum  hash.Hash64
	also io.WriteCloser
	done chan struct{}

	chunk []byte // what is read goes through it; the reader's until done
	ended bool   // the stream is; the reader's until done

	mu   sync.Mutex
	buf  []byte
	size int64
	lost bool

	came   int64  // bytes so far
	limit  int64  // onMore is called when more than that have come
	onMore func() // nil: nobody asked, or it was called
}

// Read begins to take in f, the reading end of a pipe, which it owns from now on, and keeps its last most bytes. All that
// it reads goes through sum as well, unless that is nil, and to also, which Close closes, unless it is nil.
func Read(f *os.File, most int, sum hash.Hash64, also io.WriteCloser) *Tail {
	t := &Tail{f: f, most: most, sum: sum, also: also, done: make(chan struct{})}
	go t.read()
	return t
}

func (t *Tail) read() {
	defer close(t.done)
	t.chunk = make([]byte, 4096)
	come := 0
	for {
		n, err := t.f.Read(t.chunk)
		t.take(t.chunk[:n])
		if err != nil {
			t.ended = errors.Is(err, io.EOF)
			return
		}
		if n == len(t.chunk) && n < 64<<10 {
			t.chunk = make([]byte, 64<<10) // somebody has a lot to say
		}
		if come <= floodFrom && come+n > floodFrom {
			widen(t.f)
		}
		come += n
	}
}

// floodFrom is after how many bytes there is likely to be so much more that a larger pipe pays.
const floodFrom = 128 << 10

func (t *Tail) take(b []byte) {
	if t.sum != nil {
		_, _ = t.sum.Write(b) // a hash takes everything
	}
	if t.also != nil && len(b) > 0 {
		_, _ = t.also.Write(b) // who only looks on does not keep the stream from being read
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.came += int64(len(b)); t.onMore != nil && t.came > t.limit {
		go t.onMore() // whatever it does, the stream goes on being read
		t.onMore = nil
	}
	t.buf = append(t.buf, b...)
	t.size += int64(len(b))
	if len(t.buf) > 4*t.most {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-t.most:]...)
		t.lost = true
	}
}

// OnMore has f called once, on a goroutine of its own, when more than limit bytes have come: at once where they have already.
// A second call replaces the first one, and a nil f takes it back.
func (t *Tail) OnMore(limit int64, f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f != nil && t.came > limit {
		go f()
		f = nil
	}
	t.limit, t.onMore = limit, f
}

// Close ends the reading. Call it when the processes that write are reaped: what they wrote is in the stream by then, and
// is read. It does not wait for the end of the stream, which something that nobody waits for may have inherited and keep
// open.
func (t *Tail) Close() {
	_ = t.f.SetReadDeadline(time.Unix(1, 0)) // long ago: it ends a Read that waits
	<-t.done
	if !t.ended {
		t.drain()
	}
	if t.also != nil {
		_ = t.also.Close()
	}
	t.f.Close()
}

// drain takes in what is in the stream and waits for nothing.
func (t *Tail) drain() {
	// Whoever else holds the stream may go on writing. What was written before Close fits into the pipe.
	for left := PipeSize; left > 0; {
		n, err := ReadNow(t.f, t.chunk)
		if err != nil {
			return
		}
		t.take(t.chunk[:n])
		left -= n
	}
}

// ReadNow reads what is in a pipe, whose descriptor is non-blocking, and waits for nothing: where nothing is in it, it returns
// io.EOF. Unlike Read it has no deadline.
func ReadNow(f *os.File, b []byte) (n int, err error) {
	rc, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	control := rc.Control(func(fd uintptr) {
		for n, err = syscall.Read(int(fd), b); errors.Is(err, syscall.EINTR); {
			n, err = syscall.Read(int(fd), b)
		}
	})
	switch {
	case control != nil:
		return 0, control
	case n > 0:
		return n, nil
	case err == nil, errors.Is(err, syscall.EAGAIN):
		return 0, io.EOF
	}
	return 0, err
}

// PipeSize is the most that a pipe holds: Linux gives one 64 KiB, and an unprivileged process, be it this one or who has
// inherited the other end, may make it as large as this (pipe(7), /proc/sys/fs/pipe-max-size).
const PipeSize = 1 << 20

// Sum returns the hash of everything that was read. Call it after Close.
func (t *Tail) Sum() uint64 { return t.sum.Sum64() }

// Size returns how many bytes were read so far.
func (t *Tail) Size() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.size
}

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
