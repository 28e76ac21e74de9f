package manager

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A link is one end of a connection between a client and a server: a socket, and two rings in shared memory where these
// can be had. Messages take the ring if they fit and there is room, else the socket, as frames of a length (4 bytes,
// little endian) and the message. A length of 0 is a bell: look into the ring. There is no order between the two ways,
// nor is one needed: answers are told apart by their numbers.
type link struct {
	sock *os.File
	raw  syscall.RawConn
	in   *ring // nil where there is no shared memory
	out  *ring
	free func() // lets the shared memory go

	mu       sync.Mutex // guards out, pend, flushing, broken
	pend     []byte     // frames that the socket has not taken
	spare    []byte
	flushing bool
	broken   bool
	drained  *sync.Cond  // pend has become shorter
	full     atomic.Bool // too much is pending

	rx     sync.Mutex // guards in, who drains it
	rxBuf  []byte
	closed atomic.Bool
}

const (
	// maxMessage is the largest message: more is an error of the call, and from the other side the end of the connection.
	maxMessage = 1 << 30
	// backlog is how much may wait for a peer that does not read before nothing more is done for it.
	backlog = 4 << 20
	// spinTime bounds how long somebody polls in vain: about as long as it takes to be woken.
	spinTime  = 50 * time.Microsecond
	spinPolls = 256
)

// spinning says that the other side may be on another CPU; else polling keeps it from answering.
var spinning = sync.OnceValue(func() bool { return runtime.NumCPU() > 1 })

var bell = []byte{0, 0, 0, 0}

func newLink(sock *os.File) (*link, error) {
	raw, err := sock.SyscallConn()
	if err != nil {
		return nil, err
	}
	l := &link{sock: sock, raw: raw}
	l.drained = sync.NewCond(&l.mu)
	return l, nil
}

// send sends a message without ever waiting for the other side. viaSocket keeps it in order with another one that took
// the socket. It reports whether this one did.
func (l *link) send(msg []byte, viaSocket bool) (tookSocket bool) {
	l.mu.Lock()
	if l.broken {
		l.mu.Unlock()
		return viaSocket
	}
	switch {
	case l.out != nil && !viaSocket && l.out.put(msg):
		// Nobody polls, and nobody has rung yet: ring.
		if w := l.out.watch; w.Load() != asleep || !w.CompareAndSwap(asleep, belled) {
			l.mu.Unlock()
			return false
		}
		l.pend = append(l.pend, bell...)
	default:
		tookSocket = true
		l.pend = append(binary.LittleEndian.AppendUint32(l.pend, uint32(len(msg))), msg...)
	}
	if len(l.pend) > backlog {
		l.full.Store(true)
	}
	l.flush()
	return tookSocket
}

// flush sends what is pending, unless somebody is at it already. Where the socket is full a goroutine goes on. Called
// with mu held, which it gives up.
func (l *link) flush() {
	if l.flushing {
		l.mu.Unlock()
		return
	}
	l.flushing = true
	for len(l.pend) > 0 && !l.broken {
		b := l.pend
		l.pend, l.spare = l.spare[:0], nil
		l.mu.Unlock()
		n, err := tryWrite(l.raw, b)
		if err == nil && n < len(b) {
			go l.finish(b, n)
			return
		}
		l.mu.Lock()
		l.written(b, err)
	}
	l.flushing = false
	l.mu.Unlock()
}

// finish writes the rest of b, waiting for the socket, and goes on flushing.
func (l *link) finish(b []byte, n int) {
	_, err := l.sock.Write(b[n:])
	l.mu.Lock()
	l.written(b, err)
	l.flushing = false
	l.flush()
}

// written is called with mu held.
func (l *link) written(b []byte, err error) {
	if cap(b) <= backlog {
		l.spare = b[:0]
	}
	if err != nil {
		l.broken = true // the reader notices as well
	}
	l.drained.Broadcast()
}

// room waits while the other side leaves too much unread.
func (l *link) room() {
	l.mu.Lock()
	for len(l.pend) > backlog && !l.broken {
		l.drained.Wait()
	}
	l.full.Store(false)
	l.mu.Unlock()
}

// drain hands every message in the ring to handle, which must not keep it, and reports whether there was one. Called
// with rx held.
func (l *link) drain(handle func(msg []byte)) (bool, error) {
	some := false
	for {
		msg, ok, err := l.in.take(l.rxBuf[:0])
		if err != nil || !ok {
			return some, err
		}
		l.rxBuf, some = msg, true
		handle(msg)
	}
}

// rest ends the polling of the ring; afterwards a message comes with a bell. It reports whether one has come before.
// Called with rx held.
func (l *link) rest() (more bool) {
	l.in.watch.Store(asleep)
	return l.in.some()
}

var errTooLong = errors.New("the other process has sent a message over 1 GiB")

// read reads the socket until its end. Frames go to handle, which must not keep them, bells to ring.
func (l *link) read(handle func(msg []byte), ring func()) error {
	var buf []byte
	r, w := 0, 0
	for {
		for w-r >= 4 {
			n := int(binary.LittleEndian.Uint32(buf[r:]))
			if n > maxMessage {
				return errTooLong
			}
			if n == 0 {
				r += 4
				ring()
				continue
			}
			if w-r-4 < n {
				break
			}
			handle(buf[r+4 : r+4+n : r+4+n])
			r += 4 + n
		}
		size := 0
		if w-r >= 4 {
			size = 4 + int(binary.LittleEndian.Uint32(buf[r:]))
		}
		if need := bufferFor(size, w-r, len(buf)); need != len(buf) {
			buf = append(make([]byte, 0, need), buf[r:w]...)[:need]
			r, w = 0, w-r
		} else if r > 0 {
			r, w = 0, copy(buf, buf[r:w])
		}
		n, err := l.sock.Read(buf[w:])
		if w += n; n == 0 || err != nil {
			if err == nil {
				err = io.EOF
			}
			return err
		}
	}
}

// bufferFor returns how large a buffer should be, which is so large now, when that many bytes have come of a frame of size.
// It lets one go that only a huge frame needed.
func bufferFor(size, have, now int) int {
	const trusted = 4 << 20 // beyond it memory grows with what has come, whatever the length says
	need := max(4<<10, min(size, max(trusted, 2*have)), have+512)
	if need > now && now >= trusted && have+512 <= now {
		return now // more when this is full: with every read, all that has come would be copied every time
	}
	if need > now || now > trusted && need < now/4 {
		return need
	}
	return now
}

// close ends the connection. Whoever reads or polls it notices.
func (l *link) close() {
	if l.closed.Swap(true) {
		return
	}
	l.mu.Lock()
	l.broken = true
	l.drained.Broadcast()
	l.mu.Unlock()
	_ = l.sock.Close()
	if l.free != nil {
		l.free() // what still polls then sees memory that is zero
	}
}

// readFull reads len(b) bytes.
func readFull(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	return err
}
