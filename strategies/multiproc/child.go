package multiproc

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// child is a started worker or Process with its captured standard error.
type child struct {
	*spawn.Child
	stderr *tail
	tree   bool // Kill reaches what it has started
}

// kin holds the children of this process that are not reaped yet, by pid: each of them watches its lifeline and ends its
// own family.
var kin sync.Map // int -> *child

// Kill sends SIGKILL to the child, or its group, or all of its descendants.
func (c *child) Kill() error {
	if c.tree {
		select {
		case <-c.Done():
		default:
			signalTree(c, syscall.SIGKILL)
		}
	}
	return c.Child.Kill()
}

// end returns the end of what a child that has been reaped wrote to standard error.
func (c *child) end() []byte {
	kin.CompareAndDelete(c.Pid(), c)
	return c.stderr.end()
}

// startChild starts this executable again in the given role, under the given name.
func startChild(o *procOptions, kind, fn, name string, env ...string) (*child, error) {
	if !mainCalled.Load() {
		return nil, ErrNoMain
	}
	if err := self.mayStart(); err != nil {
		return nil, err
	}
	if o.memory > 0 {
		env = append(env, "GOMEMLIMIT="+strconv.FormatInt(o.memory, 10))
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	stdout, stderr := o.stdout, o.stderr
	if stdout == nil {
		stdout = os.Stdout
	}
	if stderr == nil {
		stderr = os.Stderr
	}
	c, err := spawn.Start(spawn.Command{
		Path: startPath(), Args: os.Args[:1], Dir: o.dir, CPUs: o.cpus,
		Env: childEnv(append(env, o.env...),
			cookie+"="+cookieVersion+" "+kind+" "+fn, cookieTraits+"="+self.childTraits(o, name)),
		Stdout: stdout, Stderr: w, NewGroup: o.ownGroup, Protocol: true, Extra: o.extra,
	})
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	t := &tail{r: r, done: make(chan struct{})}
	go t.copy(stderr)
	ch := &child{Child: c, stderr: t, tree: o.killTree}
	kin.Store(c.Pid(), ch)
	return ch, nil
}

// childEnv is this process's environment with changes; the last value of a variable wins.
func childEnv(changes []string, own ...string) []string {
	changes = append(changes, own...)
	env := os.Environ()
	out := make([]string, 0, len(env)+len(changes))
	for i, kv := range append(env, changes...) {
		key, _, _ := strings.Cut(kv, "=")
		later := false
		for _, c := range changes[max(0, i+1-len(env)):] {
			if strings.HasPrefix(c, key) && len(c) > len(key) && c[len(key)] == '=' {
				later = true
				break
			}
		}
		if !later {
			out = append(out, kv)
		}
	}
	return out
}

const tailSize = 4 << 10

// tail passes a child's standard error on and keeps its end, and the line before it that names what ended the child: the
// traces of a stack overflow are longer than what is kept.
type tail struct {
	r     *os.File
	done  chan struct{}
	mu    sync.Mutex
	buf   []byte
	cause []byte // nil if there is none, or buf has it
}

// keep appends to what is kept, and lets the oldest go.
func (t *tail) keep(b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	over := len(t.buf) - tailSize
	if over <= 0 {
		return
	}
	at := 0
	for line := range bytes.Lines(t.buf) {
		if at >= over || t.cause != nil {
			break
		}
		if namesCause(string(line[:min(len(line), len(fatalPrefix))])) {
			t.cause = append([]byte(nil), line[:min(len(line), mostWords)]...)
		}
		at += len(line)
	}
	t.buf = t.buf[:copy(t.buf, t.buf[over:])]
}

func (t *tail) copy(to *os.File) {
	defer close(t.done)
	b := make([]byte, tailSize)
	for {
		n, err := t.r.Read(b)
		if n > 0 {
			t.keep(b[:n])
			_, _ = to.Write(b[:n]) // nothing better to do when that fails
		}
		if err != nil {
			return
		}
	}
}

// How long the end of a child waits for what it has written to standard error: first for the copier to read what is in the
// pipe, then, with the pipe closed, for it to have passed that on. An error of a crash has to come within 100 ms.
const (
	stderrRead = 60 * time.Millisecond
	stderrPass = 20 * time.Millisecond
)

// end returns the tail of a child that has ended. It waits neither for a grandchild that holds the pipe open, nor for
// who reads what is passed on.
func (t *tail) end() []byte {
	t.wait(stderrRead)
	_ = t.r.Close()
	t.wait(stderrPass)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cause == nil {
		return bytes.Clone(t.buf)
	}
	return slices.Concat(bytes.TrimRight(t.cause, "\n"), []byte("\n…\n"), t.buf)
}

func (t *tail) wait(d time.Duration) {
	select {
	case <-t.done:
	case <-time.After(d):
	}
}
