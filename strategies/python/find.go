package python

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The oldest version that runs the program.
const (
	oldestMajor = 3
	oldestMinor = 9
)

// probeTimeout is how long an interpreter may take to say what it is. A version manager's shim takes a tenth of a second.
const probeTimeout = 20 * time.Second

// Interpreter is a Python that can run the program. Copy it freely.
type Interpreter struct {
	// Path is the interpreter's own file, sys.executable, even where a version manager's shim was asked: the shim would cost
	// each trial a tenth of a second.
	Path    string
	Name    string // of the implementation: python, or pypy
	Version string // such as 3.13.0
	Flags   string // of the build, sys.abiflags: t for free-threaded, d for debugging
	// Prefix is where its library is, sys.prefix, and Venv the virtual environment that it belongs to; empty: none.
	Prefix, Venv string
}

// Same reports whether two are one and the same interpreter, reached by different paths. A virtual environment's is the
// same file as the one that it was made from, and another interpreter all the same: other packages are installed there.
func (in Interpreter) Same(other Interpreter) bool {
	return sameFile(in.Path, other.Path) && sameFile(in.Prefix, other.Prefix) && sameFile(in.Venv, other.Venv)
}

func sameFile(a, b string) bool {
	if a == b {
		return true
	}
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// environment is the virtual environment of an interpreter: where its pyvenv.cfg is, beside it or one directory up. Before
// Python 3.14 only the site module looks for it, which the probe leaves out.
func environment(executable string) string {
	for _, dir := range []string{filepath.Dir(executable), filepath.Dir(filepath.Dir(executable))} {
		if _, err := os.Stat(filepath.Join(dir, "pyvenv.cfg")); err == nil {
			return dir
		}
	}
	return ""
}

// short and full are its names with a short and with the full version.
func (in Interpreter) short() string {
	v := strings.SplitN(in.Version, ".", 3)
	return in.Name + strings.Join(v[:min(2, len(v))], ".") + in.Flags
}

func (in Interpreter) full() string { return in.Name + in.Version + in.Flags }

// Is reports whether Labels could have given the interpreter that label.
func (in Interpreter) Is(label string) bool {
	return label == in.short() || label == in.full() || strings.HasPrefix(label, in.full()+"-")
}

// probe is understood by every Python since 2.6.
const probe = `import sys
v = sys.version_info
n = getattr(getattr(sys, "implementation", None), "name", "cpython")
sys.stdout.write("parbench\n%s\n%s\n%d.%d.%d\n%s\n%s\n" % (sys.executable or "", n, v[0], v[1], v[2], getattr(sys, "abiflags", ""), sys.prefix))
`

// Find asks the interpreter of that name, looked up on PATH, or at that path. With no name it takes python3, or else python.
// Its errors say what is wrong and what to do.
func Find(ctx context.Context, name string) (Interpreter, error) {
	if name == "" {
		in, err := Find(ctx, "python3")
		if err == nil {
			return in, nil
		}
		if in, e := Find(ctx, "python"); e == nil {
			return in, nil
		}
		if errors.Is(err, exec.ErrNotFound) {
			err = errors.New("there is no Python interpreter on PATH: install python3, or name one with --python")
		}
		return Interpreter{}, err
	}
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrDot) {
		err = nil // the user's own PATH says so
	}
	if err != nil {
		if strings.ContainsRune(name, os.PathSeparator) {
			return Interpreter{}, fmt.Errorf("Python interpreter %s cannot be started (%w): check --python", name, cause(err))
		}
		return Interpreter{}, fmt.Errorf("there is no Python interpreter %s on PATH (%w): install it, or name another with --python", name, cause(err))
	}
	return ask(ctx, name, path)
}

// cause is an error without the name that the caller tells already.
func cause(err error) error {
	var e *exec.Error
	if errors.As(err, &e) {
		err = e.Err
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return err
}

func ask(ctx context.Context, name, path string) (Interpreter, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-E", "-S", "-c", probe)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &limited{buf: &out}, &limited{buf: &complaint}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Interpreter{}, fmt.Errorf("%s did not answer within %v: it is no Python interpreter; name another with --python", name, probeTimeout)
	case err != nil:
		return Interpreter{}, fmt.Errorf("%s does not run (%w%s): name another interpreter with --python", name, err, said(complaint.Bytes()))
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) < 5 || lines[0] != "parbench" {
		return Interpreter{}, fmt.Errorf("%s is no Python interpreter (it answered %.40q): name another with --python", name, out.String())
	}
	in := Interpreter{Path: lines[1], Name: strings.Replace(lines[2], "cpython", "python", 1), Version: lines[3], Flags: lines[4]}
	if len(lines) > 5 {
		in.Prefix = lines[5]
	}
	v := strings.Split(in.Version, ".")
	major, _ := strconv.Atoi(v[0])
	minor := 0
	if len(v) > 1 {
		minor, _ = strconv.Atoi(v[1])
	}
	if major < oldestMajor || major == oldestMajor && minor < oldestMinor {
		return Interpreter{}, fmt.Errorf("%s is Python %s, and %d.%d or newer is needed: name another with --python", name, in.Version, oldestMajor, oldestMinor)
	}
	if in.Path == "" {
		if in.Path, err = filepath.Abs(path); err != nil {
			return Interpreter{}, err
		}
	}
	in.Venv = environment(in.Path)
	return in, nil
}

// said is what a program complained with, for the end of a sentence: the first line, or of a traceback the last.
func said(complaint []byte) string {
	lines := strings.Split(strings.TrimSpace(string(complaint)), "\n")
	line := strings.TrimSpace(lines[0])
	if strings.HasPrefix(line, "Traceback") {
		line = strings.TrimSpace(lines[len(lines)-1])
	}
	if line == "" {
		return ""
	}
	return fmt.Sprintf(": %.200q", line)
}

// limited keeps the beginning of what is written to it: whatever was named with --python may write without end.
type limited struct{ buf *bytes.Buffer }

func (l *limited) Write(b []byte) (int, error) {
	const most = 1 << 16
	l.buf.Write(b[:min(len(b), max(0, most-l.buf.Len()))])
	return len(b), nil
}
