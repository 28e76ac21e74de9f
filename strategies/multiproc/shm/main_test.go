//go:build linux && (amd64 || arm64)

package shm

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/parbench/parbench/internal/testenv"
)

// The tests start this binary again as another process. roles says what it can be there; the arena is descriptor 3, the
// arguments follow the role's name. A child says that something has happened with a line on stdout, and is told to go on
// with a line on stdin, whose end also means that the parent has died.
const roleEnv = "SHM_TEST_ROLE"

type peer struct {
	a    *Arena
	args []string
	in   *bufio.Reader
}

var roles = map[string]func(*peer){}

// role registers what a child does.
func role(name string, f func(*peer)) string {
	roles[name] = f
	return name
}

// say tells the parent something; hear waits for its go-ahead.
func (p *peer) say(words ...string) { os.Stdout.WriteString(strings.Join(words, " ") + "\n") }

func (p *peer) hear() {
	if _, err := p.in.ReadString('\n'); err != nil {
		os.Exit(3)
	}
}

// ref is the i-th argument.
func (p *peer) ref(i int) Ref { return Ref(p.num(i)) }

func (p *peer) num(i int) int { return must(strconv.Atoi(p.args[i])) }

func TestMain(m *testing.M) {
	testenv.HurryRace()
	if r := os.Getenv(roleEnv); r != "" {
		words := strings.Fields(r)
		p := &peer{args: words[1:], in: bufio.NewReader(os.Stdin)}
		if words[0] != "raw" {
			p.a = must(Open(os.NewFile(3, "arena")))
		}
		roles[words[0]](p)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// must is for tests and benchmarks: it panics where there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newArena(t testing.TB, size int64) *Arena {
	t.Helper()
	a, err := NewArena(size)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// child is another process of this binary.
type child struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start starts a child in a role. It is killed at the end of the test if it is still there.
func start(t testing.TB, a *Arena, role string, args ...any) *child {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	words := []string{role}
	for _, v := range args {
		switch v := v.(type) {
		case Ref:
			words = append(words, strconv.FormatUint(uint64(v), 10))
		case int:
			words = append(words, strconv.Itoa(v))
		case string:
			words = append(words, v)
		}
	}
	cmd.Env = append(os.Environ(), roleEnv+"="+strings.Join(words, " "))
	cmd.ExtraFiles = []*os.File{a.File()}
	cmd.Stderr = os.Stderr
	c := &child{t: t, cmd: cmd, in: must(cmd.StdinPipe())}
	c.out = bufio.NewReader(must(cmd.StdoutPipe()))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return c
}

// hear returns the next line the child says.
func (c *child) hear() string {
	c.t.Helper()
	s, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatalf("child %v ended: %v", c.cmd.Env[len(c.cmd.Env)-1], err)
	}
	return strings.TrimSpace(s)
}

// expect waits for a line that must be want.
func (c *child) expect(want string) {
	c.t.Helper()
	if got := c.hear(); got != want {
		c.t.Fatalf("child says %q, want %q", got, want)
	}
}

// tell lets the child go on.
func (c *child) tell() { io.WriteString(c.in, "\n") }

// wait waits for a child that has to end well.
func (c *child) wait() {
	c.t.Helper()
	if err := c.cmd.Wait(); err != nil {
		c.t.Fatal(err)
	}
}

// kill kills the child and reaps it.
func (c *child) kill() {
	c.killOnly()
	c.cmd.Wait()
}

// killOnly leaves a zombie, as a parent that is busy does.
func (c *child) killOnly() { c.cmd.Process.Signal(syscall.SIGKILL) }

// stop suspends the child and returns when it is suspended.
func (c *child) stop() {
	c.t.Helper()
	c.cmd.Process.Signal(syscall.SIGSTOP)
	var ws syscall.WaitStatus
	for {
		pid, err := syscall.Wait4(c.cmd.Process.Pid, &ws, syscall.WUNTRACED, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid != c.cmd.Process.Pid || !ws.Stopped() {
			c.t.Fatalf("stopping the child: %v, status %#x", err, ws)
		}
		return
	}
}
