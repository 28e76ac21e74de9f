package multiproc

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A scene is a piece of a test that runs in a process of its own. What it returns is the test's to check.
type script struct{ Name, Arg string }

var scenes map[string]func(ctx context.Context, arg string) (string, error)

var inChild = Register("test.scene", func(ctx context.Context, s script) (string, error) {
	f := scenes[s.Name]
	if f == nil {
		return "", errors.New("no scene " + s.Name)
	}
	return f(ctx, s.Arg)
})

// scene prepares a process that plays a scene.
func scene(name, arg string, opts ...ProcOption) *Process {
	return NewProcess(inChild, script{name, arg}, opts...)
}

// play plays a scene to its end.
func play(t *testing.T, name, arg string, opts ...ProcOption) string {
	t.Helper()
	s, err := Call(ctxT(t), inChild, script{name, arg}, opts...)
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return s
}

func started(t *testing.T, p *Process) *Process {
	t.Helper()
	if err := p.Start(ctxT(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill(); <-p.Done() })
	return p
}

func joined(t *testing.T, p *Process) ExitState {
	t.Helper()
	exit, err := p.Join(ctxT(t))
	if err != nil {
		t.Error(err)
	}
	return exit
}

func write(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }

// note adds a line to a file, in one write, so that lines of several processes do not mix.
func note(path, text string) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text + "\n"); err != nil {
		panic(err)
	}
}

// waitFile waits until the file exists and is not empty, and returns what it says.
func waitFile(ctx context.Context, path string) (string, error) {
	for {
		if b, err := os.ReadFile(path); err == nil && len(b) > 0 {
			return strings.TrimSpace(string(b)), nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// content waits for a file that another process writes.
func content(t *testing.T, path string) string {
	t.Helper()
	s, err := waitFile(ctxT(t), path)
	if err != nil {
		t.Fatalf("%s never appeared: %v", filepath.Base(path), err)
	}
	return s
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// eachPool runs a test against every kind of pool.
func eachPool(t *testing.T, f func(*testing.T, maker)) {
	for _, m := range makers {
		t.Run(m.name, func(t *testing.T) {
			if !m.local {
				needProcesses(t)
			}
			f(t, m)
		})
	}
}

// meeting is a task that ends only when N tasks of the same Dir run at the same time.
type meeting struct {
	Dir   string
	N, Me int
}

func fnMeet(ctx context.Context, m meeting) (int, error) {
	if err := write(filepath.Join(m.Dir, strconv.Itoa(m.Me)), "here"); err != nil {
		return 0, err
	}
	for {
		list, err := os.ReadDir(m.Dir)
		if err != nil || len(list) >= m.N {
			return os.Getpid(), err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

var meet = Register("test.meet", fnMeet)

func meetings(t *testing.T, n int) []meeting {
	dir, list := t.TempDir(), make([]meeting, n)
	for i := range list {
		list[i] = meeting{dir, n, i}
	}
	return list
}

// hang waits for its context and says so in a file.
func hang(ctx context.Context, path string) (string, error) {
	if err := write(path, strconv.Itoa(os.Getpid())); err != nil {
		return "", err
	}
	<-ctx.Done()
	return "", context.Cause(ctx)
}

// spinUp says in a file that it runs, and then only a signal ends it.
func spinUp(_ context.Context, path string) (string, error) {
	if err := write(path, strconv.Itoa(os.Getpid())); err != nil {
		return "", err
	}
	for { //nolint:staticcheck // a busy loop
	}
}

func init() {
	scenes = map[string]func(context.Context, string) (string, error){
		"hang":   hang,
		"spin":   spinUp,
		"return": func(_ context.Context, arg string) (string, error) { return arg, nil },
		"fail":   func(_ context.Context, arg string) (string, error) { return "", errors.New(arg) },
		"self": func(context.Context, string) (string, error) {
			parent, ok := Self().Parent()
			return strings.Join([]string{strconv.Itoa(Self().Pid()), Self().Name(), strconv.Itoa(parent.Pid), parent.Name,
				strconv.FormatBool(ok), strconv.FormatBool(IsChild()), strconv.Itoa(os.Getppid())}, "|"), nil
		},
		"exit": func(_ context.Context, arg string) (string, error) {
			n, err := strconv.Atoi(arg)
			if err != nil {
				return "", err
			}
			Exit(n)
			return "", nil
		},
	}
	for name, f := range familyScenes {
		scenes[name] = f
	}
}
