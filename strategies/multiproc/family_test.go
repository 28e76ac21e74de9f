package multiproc

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// familyScenes are those in which a child has children or an end of its own.
var familyScenes = map[string]func(context.Context, string) (string, error){
	// A grandchild that is given time notices that its parent has ended.
	"orphans": func(ctx context.Context, path string) (string, error) {
		p := scene("orphan", path, WithOrphanGrace(time.Minute))
		if err := p.Start(ctx); err != nil {
			return "", err
		}
		<-ctx.Done()
		return "", nil
	},
	"line": func(ctx context.Context, path string) (string, error) {
		return Call(ctx, inChild, script{"orphans", path})
	},
	"orphan": func(_ context.Context, path string) (string, error) {
		AtExit(func() { _ = write(path, "parent ended") })
		note(path+".up", strconv.Itoa(os.Getpid()))
		<-Self().ParentDone()
		return "", nil
	},
	// Two children that nobody joins; Shutdown has to.
	"policy": func(ctx context.Context, dir string) (string, error) {
		daemon := scene("hang", dir+"/daemon", WithDaemon(true))
		plain := NewProcess(gated, gate{dir + "/go"})
		pool, err := NewPool(ctx, block, Workers(1))
		if err != nil {
			return "", err
		}
		pending, err := pool.ApplyAsync(ctx, 1)
		if err != nil {
			return "", err
		}
		for _, p := range []*Process{daemon, plain} {
			if err := p.Start(ctx); err != nil {
				return "", err
			}
		}
		if _, err := waitFile(ctx, dir+"/daemon"); err != nil {
			return "", err
		}
		n := len(ActiveChildren())
		if err := write(dir+"/go", "go"); err != nil {
			return "", err
		}
		AtExit(func() { note(dir+"/hooks", "hook") })
		for range 2 {
			if err := Shutdown(ctx); err != nil {
				return "", err
			}
		}
		d, _ := daemon.Exit()
		x, _ := plain.Exit()
		_, err = pending.Get(ctx)
		return strconv.Itoa(n) + ", daemon " + d.String() + ", other " + x.String() + ", left " +
			strconv.Itoa(len(ActiveChildren())) + ", call terminated " + strconv.FormatBool(errors.Is(err, ErrTerminated)), nil
	},
	"impatient": func(ctx context.Context, path string) (string, error) {
		p := scene("hang", path)
		if err := p.Start(ctx); err != nil {
			return "", err
		}
		short, cancel := context.WithCancel(ctx)
		cancel()
		err := Shutdown(short)
		exit, ok := p.Exit()
		return strconv.FormatBool(errors.Is(err, context.Canceled)) + " " + strconv.FormatBool(ok) + " " + exit.String(), nil
	},
	// Five processes in a loop, none joined.
	"unjoined": func(ctx context.Context, path string) (string, error) {
		for i := range 5 {
			if err := scene("note", path+"|"+strconv.Itoa(i)).Start(ctx); err != nil {
				return "", err
			}
		}
		return "", nil
	},
	"note": func(_ context.Context, arg string) (string, error) {
		path, text, _ := strings.Cut(arg, "|")
		note(path, text)
		return "", nil
	},
	// Hooks, tracked goroutines and how they end.
	"hooks": func(ctx context.Context, arg string) (string, error) {
		path, how, _ := strings.Cut(arg, "|")
		for i := range 3 {
			AtExit(func() { note(path, "hook "+strconv.Itoa(i)) })
		}
		AtExit(func() { panic("a hook that panics") })
		gate := make(chan struct{})
		Self().Go(func() {
			<-gate
			for !waiting() { // a process that does not wait ends here
				time.Sleep(time.Millisecond)
			}
			Self().Go(func() { note(path, "second goroutine") })
			note(path, "goroutine")
		})
		defer close(gate)
		switch how {
		case "exit":
			Exit(8)
		case "hang":
			note(path, "up")
			<-ctx.Done()
			return "", context.Cause(ctx)
		case "deaf":
			note(path, "up")
			select {}
		case "fail":
			return "", errors.New("failed on purpose")
		}
		return "returned", nil
	},
	"chain": func(ctx context.Context, arg string) (string, error) {
		n, err := strconv.Atoi(arg)
		if err != nil || n == 0 {
			return strconv.Itoa(Self().MayStart()), err
		}
		below, err := Call(ctx, inChild, script{"chain", strconv.Itoa(n - 1)})
		return strconv.Itoa(Self().MayStart()) + " " + below, err
	},
	"pool": func(ctx context.Context, _ string) (string, error) {
		p, err := NewPool(ctx, square, Workers(2))
		if err != nil {
			return "", err
		}
		out, err := p.Map(ctx, numbers(5))
		if err != nil {
			return "", err
		}
		return strconv.Itoa(out[4]), p.Shutdown(ctx)
	},
	// A child of the child that is not one of this package's, in the group or out of it.
	"stranger": func(ctx context.Context, arg string) (string, error) {
		path, group, _ := strings.Cut(arg, "|")
		cmd := exec.Command("/bin/sleep", "1000")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: group == "own group"}
		if err := cmd.Start(); err != nil {
			return "", err
		}
		if err := write(path, strconv.Itoa(cmd.Process.Pid)); err != nil {
			return "", err
		}
		<-ctx.Done()
		return "", nil
	},
	// A program that the task leaves behind, as a child or as an orphan in its group.
	"sleeper": func(_ context.Context, orphan string) (string, error) {
		if orphan == "true" {
			b, err := exec.Command("/bin/sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!").Output()
			return strings.TrimSpace(string(b)), err
		}
		cmd := exec.Command("/bin/sleep", "1000")
		err := cmd.Start()
		if err != nil {
			return "", err
		}
		return strconv.Itoa(cmd.Process.Pid), nil
	},
	"inherited": func(context.Context, string) (string, error) {
		dir, err := os.Getwd()
		mask := syscall.Umask(0)
		return strings.Join([]string{os.Getenv("GOMEMLIMIT"), os.Getenv("GODEBUG"), os.Getenv("MULTIPROC_TEST_VALUE"), dir,
			strconv.FormatInt(int64(mask), 8)}, "|"), err
	},
	"silent": func(ctx context.Context, _ string) (string, error) {
		_ = os.Stdout.Close()
		_ = os.Stderr.Close()
		p := scene("loud", "")
		if err := p.Start(ctx); err != nil {
			return "", err
		}
		exit, err := p.Join(ctx)
		return exit.String(), err
	},
	"loud": func(context.Context, string) (string, error) {
		_, _ = os.Stdout.WriteString("nobody reads this\n")
		_, _ = os.Stderr.WriteString("nor this\n")
		return "", nil
	},
	"greedy": func(_ context.Context, arg string) (string, error) {
		n, err := strconv.Atoi(arg)
		if err != nil {
			return "", err
		}
		var keep [][]byte
		for range n {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = 1
			}
			keep = append(keep, b)
		}
		return strconv.Itoa(len(keep)), nil
	},
}

// waiting reports whether this process has come to the point where it waits for its tracked goroutines.
func waiting() bool {
	b := make([]byte, 1<<20)
	return bytes.Contains(b[:runtime.Stack(b, true)], []byte("(*tracker).wait("))
}

// text reads what a scene has noted.
func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.ReplaceAll(strings.TrimSpace(string(b)), "\n", ", ")
}
