//go:build amd64 || arm64

package launch

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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

// run is Launcher.Run without a launcher.
func run(cmd spawn.Command, started func(*spawn.Child)) (state spawn.State, err error) {
	var child *spawn.Child
	if err := spawn.Run(cmd, func(c *spawn.Child) { child = c; started(c) }); err != nil {
		return state, err
	}
	return child.Wait(context.Background())
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
			read := make(chan string)
			go func() {
				b, err := io.ReadAll(out)
				if err != nil {
					t.Error(err)
				}
				out.Close()
				read <- string(b)
			}()
			var state spawn.State
			started := func(*spawn.Child) { w.Close() }
			if k == 0 {
				state, err = run(cmd, started)
			} else {
				var own bool
				if state, own, err = l.Run(cmd, started); !own {
					t.Errorf("%s: not its own", script)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stdin.Close()
			got[k] = <-read + state.String()
		}
		if got[0] != got[1] {
			t.Errorf("%s: with the launcher %q, without %q", script, got[1], got[0])
		}
	}
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
		_, own, err := l.Run(spawn.Command{Path: path}, nothing)
		if own || !errors.Is(err, want) || !strings.Contains(err.Error(), path) {
			t.Errorf("own %v, %v; want %v", own, err, want)
		}
	}
	for _, cmd := range []spawn.Command{
		{Path: "/bin/true", Protocol: true},
		{Path: "/bin/true", Extra: []*os.File{os.Stdin}},
		{Path: "/bin/true", Dir: "/no/such/directory"},
	} {
		if _, _, err := l.Run(cmd, nothing); err == nil {
			t.Errorf("%+v was started", cmd)
		}
	}
}

func nothing(*spawn.Child) {}

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
		if s, err := run(shell(tc.script), nothing); err != nil || s.Usage.Maxrss < 64<<10 {
			t.Errorf("%s, without the launcher: %d KiB, %v; is there no need of it on this system?", tc.script, s.Usage.Maxrss, err)
		}
		s, own, err := l.Run(shell(tc.script), nothing)
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
	for name, kill := range map[string]func(*spawn.Child) error{
		"group":    (*spawn.Child).Kill,
		"launcher": func(c *spawn.Child) error { return syscall.Kill(c.Pid(), syscall.SIGKILL) },
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := shell("echo up; exec sleep 1000")
		cmd.Stdout = w
		cmd.NewGroup = name == "group" // else only the launcher's death can be what ends the command
		s, own, err := l.Run(cmd, func(c *spawn.Child) {
			w.Close()
			var b [3]byte
			if _, err := io.ReadFull(r, b[:]); err != nil { // the command is there
				t.Error(err)
			}
			if err := kill(c); err != nil {
				t.Error(err)
			}
		})
		if own || err != nil || s.Signal != syscall.SIGKILL {
			t.Errorf("%s: %v, own %v, %v", name, s, own, err)
		}
		if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil { // to the end of the stream: nobody holds it any more
			t.Errorf("%s: %q, %v", name, rest, err)
		}
		r.Close()
	}
}

func BenchmarkRun(b *testing.B) {
	l := open(b)
	cmd := spawn.Command{Path: "/bin/true"}
	b.Run("direct", func(b *testing.B) {
		for b.Loop() {
			if _, err := run(cmd, nothing); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("launcher", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := l.Run(cmd, nothing); err != nil {
				b.Fatal(err)
			}
		}
	})
}
