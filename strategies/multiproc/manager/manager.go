package manager

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/parbench/parbench/strategies/multiproc"
)

// Manager is a process that holds objects for others, as this process sees it. It is made by Start, Connect or NewLocal
// and is safe for concurrent use.
type Manager struct {
	core *core
	proc *multiproc.Process // of Start
	once sync.Once
}

// managerOf makes a Manager of what is known of one.
func managerOf(c *core) *Manager {
	m := &Manager{core: c}
	m.own()
	return m
}

// own counts m as a user of its core.
func (m *Manager) own() {
	m.core.mu.Lock()
	m.core.owners++
	m.core.mu.Unlock()
}

// Option configures Start and NewLocal.
type Option func(*options)

type options struct {
	addr, token string
	proc        []multiproc.ProcOption
	init        string
	state       []byte
	socket      bool
	err         error
}

// Address sets where the manager can be reached, "@name" or the path of a socket in a directory that only its user may
// enter. The default is an "@" and a random name: such an address is no file, belongs to the network namespace and goes
// with the manager, however that ends. A path that a dead manager has left is used again.
func Address(addr string) Option {
	return func(o *options) {
		if o.addr = addr; checkAddress(addr) != nil {
			o.fail(checkAddress(addr))
		}
	}
}

func checkAddress(addr string) error {
	if len(addr) < 2 || len(addr) > 107 || strings.Contains(addr, "\x00") {
		return invalid("address " + strconv.Quote(addr) + ": must be \"@name\" or the path of a socket, of 2 to 107 bytes")
	}
	return nil
}

// Token sets what those must know who Connect, at most 255 bytes. The default is 32 random ones.
func Token(token string) Option {
	return func(o *options) {
		if o.token = token; token == "" || len(token) > maxToken {
			o.fail(invalid("Token: must have 1 to 255 bytes, not " + strconv.Itoa(len(token))))
		}
	}
}

// Process passes options on to the manager's process.
func Process(opts ...multiproc.ProcOption) Option {
	return func(o *options) { o.proc = append(o.proc, opts...) }
}

// SocketOnly keeps clients from using shared memory, as where there is none. Calls are slower and nothing else changes.
func SocketOnly() Option { return func(o *options) { o.socket = true } }

// Initializer names a function that prepares a manager's process.
type Initializer[S any] struct{ name string }

// RegisterInit makes fn usable with Init, under the rules of multiproc.Register: in a package variable, each name once.
func RegisterInit[S any](name string, fn func(ctx context.Context, state S) error) Initializer[S] {
	run := func(ctx context.Context, b []byte) error {
		var state S
		if _, err := multiproc.DecodeValue(b, &state); err != nil {
			return err
		}
		return fn(ctx, state)
	}
	registry.Lock()
	defer registry.Unlock()
	enter(&registry.inits, "initialiser", name, run)
	return Initializer[S]{name}
}

// enter adds to a registry.
func enter[T any](m *map[string]T, what, name string, v T) {
	if name == "" {
		panic("manager: a registered " + what + " needs a name")
	}
	if _, there := (*m)[name]; there {
		panic("manager: " + what + " " + strconv.Quote(name) + " registered twice")
	}
	if *m == nil {
		*m = make(map[string]T)
	}
	(*m)[name] = v
}

// Init runs the initialiser with the state in the manager's process, before anybody can reach it. Its error is that of
// Start.
func Init[S any](in Initializer[S], state S) Option {
	return func(o *options) {
		if o.init = in.name; in.name == "" {
			o.fail(invalid("Init: the initialiser was not made by RegisterInit"))
			return
		}
		var err error
		if o.state, err = multiproc.AppendValue(nil, &state); err != nil {
			o.fail(err)
		}
	}
}

func (o *options) fail(err error) {
	if o.err == nil {
		o.err = err
	}
}

func collect(opts []Option) (*options, error) {
	o := &options{}
	for i, f := range opts {
		if f == nil {
			o.fail(invalid("option " + strconv.Itoa(i+1) + " is nil; leave it out"))
			continue
		}
		f(o)
	}
	return o, o.err
}

// orders are what a manager's process is told.
type orders struct {
	Addr, Token, Ready string
	Nonce              uint64
	Init               string
	State              []byte
	Socket             bool
}

var process = multiproc.Register("parbench/manager", serve)

// serve is the manager's process.
func serve(ctx context.Context, o orders) (_ struct{}, err error) {
	ready := func(err error) error {
		f, e := dial(ctx, o.Ready)
		if e != nil {
			return e
		}
		defer f.Close()
		b := []byte{verdictOK}
		if err != nil {
			b = multiproc.AppendFailure([]byte{verdictClosed}, err)
		}
		_, e = f.Write(b)
		return e
	}
	if err := initialise(ctx, o.Init, o.State); err != nil {
		return struct{}{}, ready(err)
	}
	ln, err := listen(o.Addr)
	if err != nil {
		return struct{}{}, ready(err)
	}
	srv := newServer(ctx, o.Nonce)
	h := newHost(srv, ln, o.Token)
	h.socket = o.Socket
	var accepting sync.WaitGroup
	accepting.Go(h.run)
	err = ready(nil)
	if err == nil {
		<-ctx.Done()
	}
	h.close()
	accepting.Wait()
	srv.close()
	return struct{}{}, err
}

// initialise runs an initialiser; its panic is an error.
func initialise(ctx context.Context, name string, state []byte) error {
	if name == "" {
		return nil
	}
	registry.Lock()
	f := registry.inits[name]
	registry.Unlock()
	if f == nil {
		return ErrUnregistered
	}
	out, status := guarded(ctx, func(ctx context.Context, out []byte) ([]byte, byte) {
		if err := f(ctx, state); err != nil {
			return multiproc.AppendFailure(out, err), statusFailure
		}
		return out, statusOK
	})
	if status != statusOK {
		return multiproc.DecodeFailure(out, name)
	}
	return nil
}

// random returns n random bytes.
func random(n int) ([]byte, error) {
	f, err := os.Open("/dev/urandom") // crypto/rand would delay the start of every process of the program
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, n)
	return b, readFull(f, b)
}

func hexText(b []byte) string {
	const digits = "0123456789abcdef"
	text := make([]byte, 0, 2*len(b))
	for _, v := range b {
		text = append(text, digits[v>>4], digits[v&15])
	}
	return string(text)
}

// Start starts a manager in a process of its own: this executable again, as package multiproc does it, so the program
// must call multiproc.Main. The process ends with Shutdown, with multiproc.Shutdown, and when this one ends, however that
// happens. ctx bounds the start only.
func Start(ctx context.Context, opts ...Option) (*Manager, error) {
	o, err := collect(opts)
	if err != nil {
		return nil, err
	}
	b, err := random(56)
	if err != nil {
		return nil, err
	}
	text := hexText(b)
	if o.addr == "" {
		o.addr = "@parbench-manager-" + text[:16]
	}
	if o.token == "" {
		o.token = text[16:80]
	}
	nonce := binary.LittleEndian.Uint64(b[40:])
	ready := "@parbench-ready-" + text[96:]
	ln, err := listen(ready)
	if err != nil {
		return nil, err
	}
	defer ln.close()
	p := multiproc.NewProcess(process, orders{o.addr, o.token, ready, nonce, o.init, o.state, o.socket},
		append([]multiproc.ProcOption{multiproc.WithDaemon(true)}, o.proc...)...)
	if err := p.Start(ctx); err != nil {
		return nil, err
	}
	m := managerOf(coreOf(nonce, o.addr, o.token))
	m.proc = p
	err = awaitReady(ctx, ready, ln, p)
	if err == nil {
		_, err = m.core.caller(ctx)
	}
	if err != nil {
		_ = p.Kill()
		<-p.Done()
		m.core.drop(gone(err))
		return nil, err
	}
	return m, nil
}

// awaitReady waits until the process says that it can be reached, or why not.
func awaitReady(ctx context.Context, addr string, ln *listener, p *multiproc.Process) error {
	said := make(chan error, 1)
	go func() {
		for {
			f, err := ln.accept()
			if err != nil {
				return // Start has returned
			}
			pid, err := sameUser(f)
			if want, _ := p.Pid(); err != nil || pid != want {
				_ = f.Close()
				if err == nil && pid == os.Getpid() {
					said <- errSilent
					return
				}
				continue
			}
			_ = f.SetDeadline(time.Now().Add(greetingTime))
			b, err := io.ReadAll(io.LimitReader(f, 1<<20))
			_ = f.Close()
			switch {
			case err == nil && len(b) == 1 && b[0] == verdictOK:
				said <- nil
			case err == nil && len(b) > 1:
				said <- multiproc.DecodeFailure(b[1:], "manager")
			default:
				said <- gone(err)
			}
			return
		}
	}()
	select {
	case err := <-said:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-p.Done():
	}
	// It may have said why. A connection of our own, which comes after its, tells whether it has.
	f, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	_ = f.Close()
	if err = <-said; !errors.Is(err, errSilent) {
		return err
	}
	_, err = multiproc.Result[struct{}](context.Background(), p)
	return gone(err)
}

var errSilent = errors.New("manager: the process has ended without a word")

// Connect connects to the manager at the address, which another process has started. That must belong to the same user.
// The error is ErrToken where the token is another one, and ErrManagerGone where there is no manager. All that a process
// gets to know of one manager, by Start, Connect or a handle, shares one connection.
func Connect(ctx context.Context, addr, token string) (*Manager, error) {
	cl, nonce, err := connect(ctx, addr, token)
	if err != nil {
		return nil, err
	}
	c := coreOf(nonce, addr, token)
	c.mu.Lock()
	if c.client == nil && c.dialing == nil && c.err == nil {
		c.adopt(cl)
		cl = nil
	}
	c.mu.Unlock()
	if cl != nil {
		cl.close(ErrClosed) // there is one already
	}
	if _, err = c.caller(ctx); err != nil {
		return nil, err
	}
	return managerOf(c), nil
}

// NewLocal makes a manager in this process: the objects and their handles behave as those of Start, values are copied as
// they are there, and nothing is started. Its handles mean nothing in other processes. Address, Token, Process and
// SocketOnly do nothing here.
func NewLocal(opts ...Option) (*Manager, error) {
	o, err := collect(opts)
	if err != nil {
		return nil, err
	}
	b, err := random(8)
	if err != nil {
		return nil, err
	}
	l := newLocal(binary.LittleEndian.Uint64(b))
	if err := initialise(l.srv.ctx, o.init, o.state); err != nil {
		l.close(ErrClosed)
		return nil, err
	}
	c := coreOf(l.srv.nonce, "", "")
	var by caller = l
	c.mu.Lock()
	c.local = l
	c.by.Store(&by)
	c.mu.Unlock()
	return managerOf(c), nil
}

// Address returns where the manager can be reached: what Connect needs, with Token. Empty for a local one.
func (m *Manager) Address() string { return m.core.addr }

// Token returns what Connect needs. Whoever knows it may do anything with the manager.
func (m *Manager) Token() string { return m.core.token }

// Pid returns the pid of the process that Start has started, else 0.
func (m *Manager) Pid() int {
	if m.proc == nil {
		return 0
	}
	pid, _ := m.proc.Pid()
	return pid
}

// Done returns a channel that is closed when the connection to the manager has ended: calls return ErrManagerGone, after
// Close ErrClosed, and after Shutdown an error that is both.
func (m *Manager) Done() <-chan struct{} { return m.core.done }

// AppendBinary implements encoding.BinaryAppender: a *Manager may be, or be inside of, whatever crosses to another process,
// which gets one as if it had connected. It connects at its first call.
func (m *Manager) AppendBinary(b []byte) ([]byte, error) {
	if m.core == nil {
		return append(b, 0), nil
	}
	return handle{c: m.core}.append(b, kindManager, 0)
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (m *Manager) UnmarshalBinary(b []byte) error {
	var h handle
	if err := h.take(b, kindManager, 0); err != nil || h.c == nil {
		return err
	}
	m.core = h.c
	m.own()
	return nil
}

// Shutdown ends the manager that Start or NewLocal has made, and all its objects. What waits in it gets ErrManagerGone, and
// so do later calls in other processes; those of this process are ErrClosed as well.
// The contexts of its services end; those that do not return until the grace period is over (multiproc.Grace), or ctx
// ends, are killed with it. It may be called again. A manager of Connect is somebody else's: ErrInvalid.
func (m *Manager) Shutdown(ctx context.Context) error {
	if m.core.addr == "" {
		m.core.drop(errShut)
		return nil
	}
	if m.proc == nil {
		return invalid("Shutdown: the manager belongs to the process that started it; use Close")
	}
	m.core.expect(errShut)
	err := m.proc.Stop(ctx)
	m.core.drop(errShut)
	if exit, ok := m.proc.Exit(); err == nil && ok && !exit.Success() {
		err = &detailError{errExit, exit.String()}
	}
	return err
}

var errExit = errors.New("manager: the process did not end in an orderly way")

// Exit says how the process that Start has started ended; false while it has not, or where there is none.
func (m *Manager) Exit() (multiproc.ExitState, bool) {
	if m.proc == nil {
		return multiproc.ExitState{}, false
	}
	return m.proc.Exit()
}

// Close ends this process's use of a manager of Connect: what it holds there counts as that of a dead process. It does
// so when the last Manager of the process is closed. A manager of Start or NewLocal is shut down.
func (m *Manager) Close() error {
	if m.proc != nil || m.core.addr == "" {
		return m.Shutdown(context.Background())
	}
	m.once.Do(func() {
		m.core.mu.Lock()
		m.core.owners--
		last := m.core.owners == 0
		m.core.mu.Unlock()
		if last {
			m.core.drop(ErrClosed)
		}
	})
	return nil
}

// Stats counts what a manager has.
type Stats struct {
	Clients int            // processes that are connected
	Objects map[string]int // by kind: "dict", "mutex", ...; only those that there are
}

// Stats asks the manager what it has.
func (m *Manager) Stats(ctx context.Context) (Stats, error) {
	c := newCall(opStats, 0)
	defer c.end()
	s := Stats{Objects: make(map[string]int)}
	if err := (handle{c: m.core}).do(ctx, c); err != nil {
		return s, err
	}
	r := c.result()
	s.Clients = int(r.num())
	for k := byte(1); k < kinds; k++ {
		if n := r.num(); n > 0 {
			s.Objects[kindNames[k]] = int(n)
		}
	}
	return s, nil
}

// Publish lets others find a value under a name, mostly a handle: that is how processes that Connect get at objects. It
// is ErrExists where the name is taken.
func Publish[T any](ctx context.Context, m *Manager, name string, v T) error {
	c := newCall(opPublish, 0)
	defer c.end()
	b, err := multiproc.AppendValue(binary.LittleEndian.AppendUint64(appendBytes(c.buf, name), typeOf[T]()), &v)
	if err != nil {
		return err
	}
	c.buf = b
	return (handle{c: m.core}).do(ctx, c)
}

// Lookup returns what was published under a name: ErrNotFound where there is nothing, an error that names the types
// where it is something else.
func Lookup[T any](ctx context.Context, m *Manager, name string) (T, error) {
	var v T
	c := newCall(opLookup, 0)
	defer c.end()
	c.buf = appendBytes(c.buf, name)
	err := (handle{c: m.core}).do(ctx, c)
	if errors.Is(err, ErrNoKey) {
		return v, &detailError{ErrNotFound, strconv.Quote(name)}
	}
	if err != nil {
		return v, err
	}
	if len(c.rep) < 8 {
		return v, errBad
	}
	if binary.LittleEndian.Uint64(c.rep) != typeOf[T]() {
		return v, &detailError{errKind, strconv.Quote(name) + " is not a " + typeName[T]()}
	}
	_, err = multiproc.DecodeValue(c.rep[8:], &v)
	return v, err
}

// Unpublish gives a name back; ErrNotFound where it is not taken. What it named stays.
func Unpublish(ctx context.Context, m *Manager, name string) error {
	c := newCall(opUnpublish, 0)
	defer c.end()
	c.buf = appendBytes(c.buf, name)
	if err := (handle{c: m.core}).do(ctx, c); !errors.Is(err, ErrNoKey) {
		return err
	}
	return &detailError{ErrNotFound, strconv.Quote(name)}
}
