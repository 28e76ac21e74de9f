package manager

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parbench/parbench/strategies/multiproc/shm"
)

// A connection begins with a greeting. The client sends greeting, its token's length (1 byte) and the token. The server
// answers with greeting, a verdict (1 byte), the manager's number (8 bytes), and the place of two rings in shared memory
// (8 bytes; 0: none), whose file comes along. The client answers 1 where it could open that, else 0.

const (
	greeting      = "pbmgr\x00\x00\x01" // the last byte is the version
	greetingTime  = 5 * time.Second
	maxToken      = 255
	replySize     = len(greeting) + 17
	maxGreetings  = 64 // connections that have not shown their token yet
	verdictOK     = 0
	verdictToken  = 1
	verdictClosed = 2
)

// host serves the clients of one address.
type host struct {
	srv      *server
	token    string
	socket   bool // no shared memory
	ln       *listener
	greeting chan struct{}
	polling  atomic.Int32 // connections whose rings are being polled

	mu     sync.Mutex
	conns  map[*conn]struct{}
	closed bool
	wg     sync.WaitGroup
}

func newHost(srv *server, ln *listener, token string) *host {
	return &host{srv: srv, token: token, ln: ln, greeting: make(chan struct{}, maxGreetings), conns: make(map[*conn]struct{})}
}

// run accepts connections until close.
func (h *host) run() {
	for {
		h.greeting <- struct{}{}
		f, err := h.ln.accept()
		if err != nil {
			<-h.greeting
			if errors.Is(err, os.ErrClosed) {
				return
			}
			time.Sleep(10 * time.Millisecond) // no descriptors; some may be closed meanwhile
			continue
		}
		h.wg.Go(func() {
			c := h.greet(f)
			<-h.greeting
			if c == nil {
				_ = f.Close()
				return
			}
			c.run()
			h.mu.Lock()
			delete(h.conns, c)
			h.mu.Unlock()
		})
	}
}

// close ends all connections and waits for them.
func (h *host) close() {
	h.ln.close()
	h.mu.Lock()
	h.closed = true
	for c := range h.conns {
		c.link.close()
	}
	h.mu.Unlock()
	h.wg.Wait()
}

// sameToken compares in a time that does not depend on where the tokens differ.
func sameToken(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	var diff byte
	for i := range len(a) {
		diff |= a[i] ^ b[i]
	}
	return diff == 0
}

// greet finds out whether the other side may be a client; nil if not.
func (h *host) greet(f *os.File) *conn {
	if _, err := sameUser(f); err != nil || f.SetDeadline(time.Now().Add(greetingTime)) != nil {
		return nil
	}
	head := make([]byte, len(greeting)+1)
	if readFull(f, head) != nil || string(head[:len(greeting)]) != greeting {
		return nil
	}
	token := make([]byte, head[len(greeting)])
	if readFull(f, token) != nil {
		return nil
	}
	reply := append([]byte(greeting), verdictOK)
	reply = binary.LittleEndian.AppendUint64(reply, h.srv.nonce)
	if !sameToken(string(token), h.token) {
		reply[len(greeting)] = verdictToken
		clear(reply[len(greeting)+1:])
		_, _ = f.Write(binary.LittleEndian.AppendUint64(reply, 0))
		return nil
	}
	l, err := newLink(f)
	if err != nil {
		return nil
	}
	arena, ref, mem := newRings(h.socket)
	var file *os.File
	if arena != nil {
		file = arena.File()
	}
	err = sendWith(f, binary.LittleEndian.AppendUint64(reply, uint64(ref)), file)
	answer := make([]byte, 1)
	if err == nil {
		err = readFull(f, answer)
	}
	if err == nil && answer[0] == 1 && arena != nil {
		l.in, l.out, l.free = newRing(mem[:ringSize]), newRing(mem[ringSize:]), func() { _ = arena.Close() }
	} else if arena != nil {
		_ = arena.Close()
	}
	if err != nil || f.SetDeadline(time.Time{}) != nil {
		if l.free != nil {
			l.free()
		}
		return nil
	}
	c := &conn{link: l, host: h, wake: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		l.close()
		return nil
	}
	h.conns[c] = struct{}{}
	c.sess = h.srv.open(func(answer []byte) { l.send(answer, false) })
	return c
}

// newRings makes memory for a ring from the client and one to it. Where it cannot be had the socket does the work alone.
func newRings(none bool) (*shm.Arena, shm.Ref, []byte) {
	if none {
		return nil, 0, nil
	}
	arena, err := shm.NewArena(2*ringSize + 64<<10)
	if err != nil {
		return nil, 0, nil
	}
	ref, err := arena.Alloc(2*ringSize, ringLine)
	if err == nil {
		var mem []byte
		if mem, err = arena.Bytes(ref); err == nil {
			return arena, ref, mem
		}
	}
	_ = arena.Close()
	return nil, 0, nil
}

// conn is the server's side of a connection.
type conn struct {
	sess *session
	link *link
	host *host
	wake chan struct{} // the ring has something, or the connection has ended
}

// run serves the client until the connection ends.
func (c *conn) run() {
	var polling sync.WaitGroup
	if c.link.in != nil {
		polling.Go(c.poll)
	}
	var r request
	_ = c.link.read(func(msg []byte) { c.handle(&r, msg) }, c.rouse)
	c.link.close()
	c.rouse()
	polling.Wait()
	c.sess.end()
}

func (c *conn) rouse() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *conn) handle(r *request, msg []byte) {
	if c.link.full.Load() {
		c.link.room()
	}
	if !c.sess.handle(r, msg) {
		c.link.close()
	}
}

// poll serves what comes through the ring. It looks for a while before it sleeps, as long as being woken would take.
func (c *conn) poll() {
	l := c.link
	var r request
	handle := func(msg []byte) { c.handle(&r, msg) }
	spin, procs := spinning(), int32(runtime.GOMAXPROCS(0))
	for !l.closed.Load() {
		l.in.watch.Store(watching)
		c.host.polling.Add(1)
		var since time.Time
		for yields, rounds := 0, 0; ; rounds++ {
			some, err := l.drain(handle) // nobody else does
			if err != nil {
				l.close()
				break
			}
			if some {
				since, yields = time.Time{}, 0
			}
			for i := 0; spin && i < spinPolls && !l.in.some(); i++ {
			}
			crowded := c.host.polling.Load() >= procs
			if l.in.some() && (!crowded || rounds%64 > 0) {
				continue
			}
			if crowded {
				runtime.Gosched() // else it would wake another P for nothing
			}
			osYield()
			if !spin {
				if yields++; yields > soleYields {
					break
				}
				continue
			}
			if now := time.Now(); since.IsZero() {
				since = now
			} else if now.Sub(since) > spinTime || l.closed.Load() {
				break
			}
		}
		c.host.polling.Add(-1)
		if !l.rest() && !l.closed.Load() {
			<-c.wake
		}
	}
}
