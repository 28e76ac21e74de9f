package manager

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/parbench/parbench/strategies/multiproc"
	"github.com/parbench/parbench/strategies/multiproc/shm"
)

// core is what a process knows of one manager. All its handles on objects of that manager share it, wherever they came
// from, and so its goroutines are one client to the manager.
type core struct {
	nonce       uint64
	addr, token string

	by   atomic.Pointer[caller] // nil while there is no connection
	done chan struct{}          // closed when there will be none any more

	mu      sync.Mutex
	dialing chan struct{} // closed when the attempt is over
	client  *client
	local   *local
	owners  int   // Managers of it
	err     error // there will be no connection any more
	fate    error // nil, or what err is going to be, because the end was asked for here
}

// cores are those that are not gone, by their numbers.
var cores struct {
	sync.Mutex
	m map[uint64]*core
}

// coreOf returns the one core with the number.
func coreOf(nonce uint64, addr, token string) *core {
	cores.Lock()
	defer cores.Unlock()
	c := cores.m[nonce]
	if c == nil {
		c = &core{nonce: nonce, addr: addr, token: token, done: make(chan struct{})}
		if cores.m == nil {
			cores.m = make(map[uint64]*core)
		}
		cores.m[nonce] = c
	}
	return c
}

// drop ends the core's use: calls return err.
func (c *core) drop(err error) {
	cores.Lock()
	if cores.m[c.nonce] == c {
		delete(cores.m, c.nonce)
	}
	cores.Unlock()
	c.mu.Lock()
	if c.err == nil {
		if c.err = c.fate; c.err == nil {
			c.err = err
		}
		defer close(c.done)
	}
	cl, l := c.client, c.local
	c.client, c.local = nil, nil
	c.by.Store(nil)
	c.mu.Unlock()
	if cl != nil {
		cl.close(err)
	}
	if l != nil {
		l.close(err)
	}
}

// expect says what calls are to return when the connection has ended, which may happen any time now.
func (c *core) expect(err error) {
	c.mu.Lock()
	c.fate = err
	c.mu.Unlock()
}

// caller returns the connection, and makes it where there is none.
func (c *core) caller(ctx context.Context) (caller, error) {
	if by := c.by.Load(); by != nil {
		return *by, nil
	}
	for {
		c.mu.Lock()
		switch {
		case c.err != nil:
			defer c.mu.Unlock()
			return nil, c.err
		case c.client != nil:
			defer c.mu.Unlock()
			return c.client, nil
		case c.dialing == nil:
			c.dialing = make(chan struct{})
			c.mu.Unlock()
			cl, nonce, err := connect(ctx, c.addr, c.token)
			return c.connected(cl, nonce, err)
		}
		dialing := c.dialing
		c.mu.Unlock()
		select {
		case <-dialing:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// connected ends an attempt to connect.
func (c *core) connected(cl *client, nonce uint64, err error) (caller, error) {
	if err == nil && nonce != c.nonce {
		cl.close(ErrManagerGone)
		err = gone(errors.New("another manager has its address"))
	}
	c.mu.Lock()
	close(c.dialing)
	c.dialing = nil
	if err == nil {
		c.adopt(cl)
	}
	c.mu.Unlock()
	if err != nil {
		if errors.Is(err, ErrManagerGone) {
			c.drop(err)
		}
		return nil, err
	}
	return cl, nil
}

// adopt makes a connection the core's. Called with mu held.
func (c *core) adopt(cl *client) {
	c.client = cl
	var by caller = cl
	c.by.Store(&by)
	go func() {
		<-cl.done
		cl.slots.mu.Lock()
		err := cl.slots.err
		cl.slots.mu.Unlock()
		c.drop(err)
	}()
}

// connect makes a connection and returns the manager's number.
func connect(ctx context.Context, addr, token string) (*client, uint64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	f, err := dial(ctx, addr)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) {
			err = gone(err)
		}
		return nil, 0, err
	}
	limit := time.Now().Add(greetingTime)
	_ = f.SetDeadline(limit)
	stop := context.AfterFunc(ctx, func() { _ = f.SetDeadline(time.Unix(1, 0)) })
	cl, nonce, err := greet(f, token)
	if !stop() && err == nil {
		cl.close(ErrManagerGone)
		return nil, 0, ctx.Err()
	}
	if err == nil {
		return cl, nonce, nil
	}
	_ = f.Close()
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errTooSlow
	case errors.Is(err, ErrToken), errors.Is(err, errOtherUser):
	default: // it has hung up
		err = gone(err)
	}
	return nil, 0, err
}

// greet is the client's part of a greeting.
func greet(f *os.File, token string) (*client, uint64, error) {
	if _, err := sameUser(f); err != nil {
		return nil, 0, err
	}
	if len(token) > maxToken {
		return nil, 0, ErrToken
	}
	if _, err := f.Write(append(append([]byte(greeting), byte(len(token))), token...)); err != nil {
		return nil, 0, err
	}
	reply := make([]byte, replySize)
	file, err := recvWith(f, reply)
	if file != nil {
		defer file.Close()
	}
	if err != nil {
		return nil, 0, err
	}
	if string(reply[:len(greeting)]) != greeting {
		return nil, 0, errBad
	}
	if reply[len(greeting)] != verdictOK {
		return nil, 0, ErrToken
	}
	nonce := binary.LittleEndian.Uint64(reply[len(greeting)+1:])
	ref := shm.Ref(binary.LittleEndian.Uint64(reply[len(greeting)+9:]))
	l, err := newLink(f)
	if err != nil {
		return nil, 0, err
	}
	ok := byte(0)
	if file != nil && ref != 0 && openRings(l, file, ref) {
		ok = 1
	}
	if _, err = f.Write([]byte{ok}); err == nil {
		err = f.SetDeadline(time.Time{})
	}
	if err != nil {
		if l.free != nil {
			l.free()
		}
		return nil, 0, err
	}
	return newClient(l), nonce, nil
}

// openRings opens the rings of the server; where it cannot, the socket does the work alone.
func openRings(l *link, file *os.File, ref shm.Ref) bool {
	arena, err := shm.Open(file)
	if err != nil {
		return false
	}
	mem, err := arena.Bytes(ref)
	if err != nil || len(mem) < 2*ringSize {
		_ = arena.Close()
		return false
	}
	l.out, l.in, l.free = newRing(mem[:ringSize]), newRing(mem[ringSize:]), func() { _ = arena.Close() }
	return true
}

// local is a server in this process.
type local struct {
	slots
	srv  *server
	sess *session
	stop context.CancelFunc
	once sync.Once
}

var requests = sync.Pool{New: func() any { return new(request) }}

func newLocal(nonce uint64) *local {
	ctx, stop := context.WithCancel(context.Background())
	l := &local{srv: newServer(ctx, nonce), stop: stop}
	l.sess = l.srv.open(func(answer []byte) {
		if c, _ := l.finish(answer); c != nil {
			go c.takeBack(l)
		}
	})
	return l
}

func (l *local) do(ctx context.Context, c *call) {
	if ok, err := l.add(c); !ok {
		if err == nil {
			err = l.await(ctx, c)
		}
		if err != nil {
			c.refuse(ctx)
			return
		}
	}
	id := binary.LittleEndian.Uint32(c.buf)
	r := requests.Get().(*request)
	l.sess.handle(r, c.buf)
	r.cursor = cursor{}
	requests.Put(r)
	if c.state.CompareAndSwap(callPending, callParked) {
		c.park(ctx, nil, func() { l.sess.cancel(id) })
	}
}

func (l *local) close(err error) {
	l.once.Do(func() {
		l.stop()
		l.slots.fail(err)
		l.sess.end()
		l.srv.close()
	})
}

// handle names an object of a manager. Proxies are made of one.
type handle struct {
	c  *core
	id uint64
}

// append appends what names the object in other processes: the manager's address and token are part of it. A
// handle of a local manager means something in its own process only.
func (h handle) append(b []byte, kind byte, typ uint64) ([]byte, error) {
	if h.c == nil {
		return append(b, 0), nil
	}
	b = append(b, kind)
	b = binary.LittleEndian.AppendUint64(b, typ)
	b = binary.LittleEndian.AppendUint64(b, h.c.nonce)
	b = appendNum(b, h.id)
	return appendBytes(appendBytes(b, h.c.addr), h.c.token), nil
}

// take is the reverse.
func (h *handle) take(b []byte, kind byte, typ uint64) error {
	if len(b) == 1 && b[0] == 0 {
		*h = handle{}
		return nil
	}
	if len(b) < 17 {
		return errBad
	}
	k, t, nonce := b[0], binary.LittleEndian.Uint64(b[1:]), binary.LittleEndian.Uint64(b[9:])
	r := cursor{b: b[17:]}
	id, addr, token := r.num(), r.string(), r.string()
	switch {
	case r.bad:
		return errBad
	case k != kind || t != typ:
		return errKind
	case addr == "":
		cores.Lock()
		c := cores.m[nonce]
		cores.Unlock()
		if c == nil {
			return ErrLocal
		}
		*h = handle{c, id}
		return nil
	}
	*h = handle{coreOf(nonce, addr, token), id}
	return nil
}

var errZero = invalid("the zero handle names nothing; make one with New...")

// do makes a call and returns the error of its answer.
func (h handle) do(ctx context.Context, c *call) error {
	if h.c == nil {
		return errZero
	}
	if err := ctx.Err(); err != nil && c.giveIn == giveInCancel {
		return err
	}
	if len(c.buf) > maxMessage {
		return ErrTooLarge
	}
	by, err := h.c.caller(ctx)
	if err != nil {
		return err
	}
	by.do(ctx, c)
	switch {
	case c.lost || c.status == statusCancelled:
		if err := ctx.Err(); err != nil {
			return err
		}
		return context.Canceled
	case c.status == statusGone:
		h.c.mu.Lock()
		defer h.c.mu.Unlock()
		if h.c.err != nil {
			return h.c.err
		}
		return ErrManagerGone
	case c.status == statusOK:
		return nil
	}
	return c.err("")
}

// call begins a call of the object.
func (h handle) call(op byte) *call { return newCall(op, h.id) }

// Manager returns the manager that the object is in.
func (h handle) Manager() (*Manager, error) {
	if h.c == nil {
		return nil, errZero
	}
	return managerOf(h.c), nil
}

// simple makes a call that needs nothing and returns nothing.
func (h handle) simple(ctx context.Context, op byte) error {
	c := h.call(op)
	defer c.end()
	return h.do(ctx, c)
}

// Free ends the object: its memory is given back, who waits at it gets ErrFreed, and so does every later use. Nothing
// else ends an object but the end of its manager.
func (h handle) Free(ctx context.Context) error { return h.simple(ctx, opFree) }

// wait says whether the call waits: not when ctx has ended.
func (c *call) wait(ctx context.Context, undo byte) {
	if c.undo = undo; ctx.Err() != nil {
		c.try()
		return
	}
	c.buf = append(c.buf, 1)
}

// try says that the call does not wait.
func (c *call) try() {
	c.giveIn = giveInTry
	c.buf = append(c.buf, 0)
}

// fingerprint tells types apart (FNV-1a over their names).
func fingerprint(types ...reflect.Type) uint64 {
	h := uint64(14695981039346656037)
	for _, t := range types {
		for _, s := range [...]string{t.PkgPath(), "\x00", t.String(), "\x00"} {
			for i := range len(s) {
				h = (h ^ uint64(s[i])) * 1099511628211
			}
		}
	}
	return h
}

func typeOf[T any]() uint64 { return fingerprint(reflect.TypeFor[T]()) }

// create makes an object of a kind; more appends its parameters.
func create(ctx context.Context, m *Manager, kind byte, more func(b []byte) ([]byte, error)) (handle, error) {
	if m == nil {
		return handle{}, invalid("no manager")
	}
	h := handle{c: m.core}
	c := newCall(opCreate, 0)
	defer c.end()
	c.buf = append(c.buf, kind)
	if more != nil {
		b, err := more(c.buf)
		if err != nil {
			return h, err
		}
		c.buf = b
	}
	if err := h.do(ctx, c); err != nil {
		return handle{}, err
	}
	r := c.result()
	h.id = r.num()
	return h, nil
}

// checked returns why types cannot cross, or nil.
func checked[A, B any]() error {
	return errors.Join(multiproc.Encodable[A](), multiproc.Encodable[B]())
}
