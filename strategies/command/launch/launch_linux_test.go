//go:build amd64 || arm64

package launch

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/parbench/parbench/strategies/multiproc/spawn.spawnLoop"))
}

// open skips where memory cannot be executed.
func open(t testing.TB) *Launcher {
	t.Helper()
	l, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func shell(script string, args ...string) spawn.Command {
	return spawn.Command{Path: "/bin/sh", Args: append([]string{"sh", "-c", script, "sh"}, args...), NewGroup: true}
}

// What a command is given, and how it ends, is the same with the launcher as without it.
func TestTransparent(t *testing.T) {
	l := open(t)
	for _, script := range []string{
		"exit 0", "exit 3", "kill -9 $$", "kill -TERM $$",
		`echo "$0|$1|$2|$#"; echo "$A|$B"; pwd`,
		"ls /proc/self/fd | wc -l", // 0, 1, 2, and that of the directory
		"cat",
	} {
		var got [2]string
		for k := range got {
			cmd := shell(script, "one", "two words")
			cmd.Env = []string{"A=1", "B=two words", "PATH=" + os.Getenv("PATH")}
			cmd.Dir = "/"
			out, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stdout, cmd.Stderr = w, w
			if cmd.Stdin, err = os.Open("launch.go"); err != nil {
				t.Fatal(err)
			}
			var state spawn.State
			if k == 0 {
				child, err := spawn.Start(cmd)
				if err != nil {
					t.Fatal(err)
				}
				w.Close()
				got[k] = all(t, out)
				state, err = child.Wait(context.Background())
				if err != nil {
					t.Fatal(err)
				}
			} else {
				p, err := l.Start(cmd)
				if err != nil {
					t.Fatal(err)
				}
				w.Close()
				got[k] = all(t, out)
				var own bool
				if state, own, err = p.State(); err != nil || !own {
					t.Fatalf("%s: own %v, %v", script, own, err)
				}
			}
			cmd.Stdin.Close()
			got[k] += state.String()
		}
		if got[0] != got[1] {
			t.Errorf("%s: with the launcher %q, without %q", script, got[1], got[0])
		}
	}
}

func all(t *testing.T, f *os.File) string {
	t.Helper()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	return string(b)
}

// What cannot be started is an error that names it.
func TestNotStarted(t *testing.T) {
	l := open(t)
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no program"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		"/no/such/program": fs.ErrNotExist,
		t.TempDir():        fs.ErrPermission,
		text:               syscall.ENOEXEC,
	} {
		p, err := l.Start(spawn.Command{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		if _, own, err := p.State(); own || !errors.Is(err, want) || !strings.Contains(err.Error(), path) {
			t.Errorf("own %v, %v; want %v", own, err, want)
		}
	}
	for _, cmd := range []spawn.Command{{Path: "/bin/true", Protocol: true}, {Path: "/bin/true", Extra: []*os.File{os.Stdin}}} {
		if _, err := l.Start(cmd); err == nil {
			t.Errorf("%+v was started", cmd)
		}
	}
}

// ballast makes this process larger than what it starts.
func ballast(t testing.TB) {
	t.Helper()
	b := make([]byte, 64<<20)
	for i := range b {
		b[i] = 1
	}
	t.Cleanup(func() { b[0]++ })
}

// The peak is the command's own, or that of the largest process it has waited for, whatever starts it.
func TestPeak(t *testing.T) {
	l := open(t)
	ballast(t)
	// The shell reads a line of that length into memory, and its substitution's process writes it.
	const grow = `x=$(head -c 30000000 /dev/zero | tr '\0' x); exit 0`
	for _, tc := range []struct {
		script    string
		low, high int64 // MiB
	}{
		{"exit 0", 0, 8},
		{"/bin/true; exit 0", 0, 8},
		{grow, 28, 1 << 20},
		{"sh -c '" + strings.ReplaceAll(grow, "'", `'\''`) + "'; exit 0", 28, 1 << 20},
	} {
		direct, err := spawn.Start(shell(tc.script))
		if err != nil {
			t.Fatal(err)
		}
		if s, err := direct.Wait(context.Background()); err != nil || s.Usage.Maxrss < 64<<10 {
			t.Errorf("%s, started directly: %d KiB, %v; this system does not need the launcher", tc.script, s.Usage.Maxrss, err)
		}
		p, err := l.Start(shell(tc.script))
		if err != nil {
			t.Fatal(err)
		}
		s, own, err := p.State()
		if err != nil || !own {
			t.Fatalf("%s: own %v, %v", tc.script, own, err)
		}
		if got := s.Usage.Maxrss >> 10; got < tc.low || got > tc.high {
			t.Errorf("%s: %d MiB, want %d to %d", tc.script, got, tc.low, tc.high)
		}
	}
}

// Killing the process kills the command, and so does the launcher's own death.
func TestKilled(t *testing.T) {
	l := open(t)
	for name, kill := range map[string]func(*Process) error{
		"group":    func(p *Process) error { return p.Kill() },
		"launcher": func(p *Process) error { return syscall.Kill(p.Pid(), syscall.SIGKILL) },
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := shell("echo $$; exec sleep 1000")
		cmd.Stdout = w
		// Out of the group's reach for the second: what kills it then is the launcher's death.
		cmd.NewGroup = name == "group"
		p, err := l.Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
		var b [32]byte
		n, err := r.Read(b[:])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := strconv.Atoi(strings.TrimSpace(string(b[:n]))); err != nil {
			t.Fatal(err)
		}
		if err := kill(p); err != nil {
			t.Fatal(err)
		}
		if s, own, err := p.State(); own || err != nil || s.Signal != syscall.SIGKILL {
			t.Errorf("%s: %v, own %v, %v", name, s, own, err)
		}
		if rest := all(t, r); rest != "" { // the end of the stream: nobody holds it any more
			t.Errorf("%s: %q", name, rest)
		}
	}
}

func BenchmarkStart(b *testing.B) {
	l := open(b)
	path, err := exec.LookPath("true")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("direct", func(b *testing.B) {
		for b.Loop() {
			c, err := spawn.Start(spawn.Command{Path: path})
			if err != nil {
				b.Fatal(err)
			}
			<-c.Done()
		}
	})
	b.Run("launcher", func(b *testing.B) {
		for b.Loop() {
			p, err := l.Start(spawn.Command{Path: path})
			if err != nil {
				b.Fatal(err)
			}
			if _, _, err := p.State(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
