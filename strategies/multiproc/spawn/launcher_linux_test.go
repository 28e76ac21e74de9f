//go:build amd64 || arm64

package spawn

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func openLauncher(t testing.TB) *Launcher {
	t.Helper()
	l, err := OpenLauncher()
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

// byLauncher runs cmd to its end.
func byLauncher(l *Launcher, cmd Command) (State, error) {
	cmd.Launcher = l
	var child *Child
	if err := Run(cmd, func(c *Child) { child = c }); err != nil {
		return State{}, err
	}
	return child.state, child.err
}

func shell(script string, args ...string) Command {
	return Command{Path: "/bin/sh", Args: append([]string{"sh", "-c", script, "sh"}, args...), NewGroup: true}
}

// What a process is given, what it is, and how it ends, is the same with the launcher as without it.
func TestLauncherIsNotSeen(t *testing.T) {
	l := openLauncher(t)
	for _, script := range []string{
		"exit 0", "exit 3", "kill -9 $$", "kill -TERM $$",
		"trap '' TERM; kill -TERM 0; exit 4",
		`echo "$0|$1|$2|$#"; echo "$A|$B"; pwd`,
		"ls /proc/self/fd | wc -l", // 0, 1, 2, and that of the directory
		"grep -E 'Sig(Blk|Ign)' /proc/self/status",
		`read -r pid name state parent group rest </proc/$$/stat; echo $parent; test $pid = $group && echo leader`,
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
			if cmd.Stdin, err = os.Open("spawn.go"); err != nil {
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
			var state State
			if k == 0 {
				state, err = byLauncher(nil, cmd)
			} else {
				state, err = byLauncher(l, cmd)
			}
			if err != nil {
				t.Fatal(err)
			}
			w.Close()
			cmd.Stdin.Close()
			got[k] = <-read + state.String()
		}
		if got[0] != got[1] {
			t.Errorf("%s: with the launcher %q, without %q", script, got[1], got[0])
		}
	}
}

// What cannot be started is an error that names it, and leaves nothing.
func TestLauncherCannotStart(t *testing.T) {
	l := openLauncher(t)
	before := countDescriptors()
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no program"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		"/no/such/program": fs.ErrNotExist,
		t.TempDir():        fs.ErrPermission,
		text:               syscall.ENOEXEC,
	} {
		if _, err := byLauncher(l, Command{Path: path, NewGroup: true}); !errors.Is(err, want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%v; want %v", err, want)
		}
	}
	for _, cmd := range []Command{
		{Path: "/bin/true"},
		{Path: "/bin/true", NewGroup: true, NoDeathSignal: true},
		{Path: "/bin/true", NewGroup: true, Protocol: true},
		{Path: "/bin/true", NewGroup: true, Extra: []*os.File{os.Stdin}},
		{Path: "/bin/true", NewGroup: true, Dir: "/no/such/directory"},
	} {
		if _, err := byLauncher(l, cmd); err == nil {
			t.Errorf("%+v was started", cmd)
		}
	}
	if hasChildren() {
		t.Error("there is a child")
	}
	if after := countDescriptors(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// The peak is the process's own, or that of the largest one it has waited for, however large what starts it is.
func TestLauncherPeak(t *testing.T) {
	l := openLauncher(t)
	ballast := make([]byte, 64<<20)
	for i := range ballast {
		ballast[i] = 1
	}
	// The shell keeps in memory what the processes of its substitution write.
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
		if s, err := byLauncher(nil, shell(tc.script)); err != nil || s.Usage.Maxrss < 64<<10 {
			t.Errorf("%s, without the launcher: %d KiB, %v; is there no need of it on this system?", tc.script, s.Usage.Maxrss, err)
		}
		s, err := byLauncher(l, shell(tc.script))
		if got := s.Usage.Maxrss >> 10; err != nil || got < tc.low || got > tc.high {
			t.Errorf("%s: %d MiB, want %d to %d; %v", tc.script, got, tc.low, tc.high, err)
		}
	}
	ballast[0]++
}

// A process that the launcher started, also by Start, dies with its parent.
func TestLauncherParentDeath(t *testing.T) {
	c := start(t, "launching parent", 0, nil)
	pid := pids(t, c, 1)[0]
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Wait(ctxT(t)); err != nil { // its children are whose they will be
		t.Fatal(err)
	}
	eventually(t, strconv.Itoa(pid)+" dies", func() bool { s := procState(pid); return s == 0 || s == 'Z' })
	_, _ = syscall.Wait4(pid, nil, 0, nil) // this process may have become its reaper
}

func BenchmarkRunByLauncher(b *testing.B) {
	l := openLauncher(b)
	for b.Loop() {
		if _, err := byLauncher(l, Command{Path: "/bin/true", NewGroup: true}); err != nil {
			b.Fatal(err)
		}
	}
}
