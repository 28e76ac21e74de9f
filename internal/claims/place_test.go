//go:build unix

package claims

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/strategies/multiproc"
)

// dying is the variable that makes TestKilled the process that is killed.
const dying = "CLAIMS_DIES"

// die gets as far as C13 does before it terminates the child, says which processes there are and is killed.
func die(t *testing.T) {
	f, err := unpack()
	if err != nil {
		t.Fatal(err)
	}
	r := resident{Place: f.temp, Stay: true}
	if _, err := r.hold(); err != nil {
		t.Fatal(err)
	}
	p := multiproc.NewProcess(residentFunc, r)
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	program, kin, err := r.grandchildren(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	child, _ := p.Pid()
	fmt.Println("processes", f.lock.Name(), child, program, kin)
	_ = kill(os.Getpid())
	select {}
}

// Of a process that is killed in the middle of C13 nobody lives on, and the next one removes its directory.
func TestKilled(t *testing.T) {
	if os.Getenv(dying) != "" {
		die(t)
	}
	testenv.Need(t, "Linux: processes of multiproc", runtime.GOOS == "linux")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), dying+"=1", "TMPDIR="+temp)
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var left []string
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "processes "); ok {
			left = strings.Fields(rest)
		} else {
			t.Log(lines.Text())
		}
	}
	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL || len(left) != 4 {
		t.Fatalf("%v, %q", err, left)
	}
	for i, pid := range left[1:] {
		path := filepath.Join(t.TempDir(), "pid"+strconv.Itoa(i))
		if err := os.WriteFile(path, []byte(pid), 0o600); err != nil {
			t.Fatal(err)
		}
		gone(t, path)
	}
	if _, err := os.Stat(filepath.Join(left[0], placeTemp, markPids)); err != nil {
		t.Fatalf("what the next one is to remove is not there: %v", err)
	}
	t.Setenv("TMPDIR", temp)
	f := unpacked(t)
	if _, err := os.Lstat(left[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it stays: %v", err)
	}
	f.remove()
	if list, err := os.ReadDir(temp); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
}

// What another process uses stays, and so does what only bears such a name.
func TestRemoveStale(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	used := unpacked(t)
	elsewhere := filepath.Join(t.TempDir(), "file")
	for _, path := range []string{
		placePrefix + "1/t/x", placePrefix + "2/report.md", placePrefix + "x/t/x", "other-1/t/x", elsewhere,
	} {
		if !filepath.IsAbs(path) {
			path = filepath.Join(temp, path)
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(filepath.Join(temp, placePrefix+"3"), 0o700), os.WriteFile(filepath.Join(temp, placePrefix+"4"), nil, 0o600),
		os.Symlink(filepath.Dir(elsewhere), filepath.Join(temp, placePrefix+"5"))); err != nil {
		t.Fatal(err)
	}
	removeStale()
	for path, stays := range map[string]bool{
		used.temp: true, elsewhere: true, "2/report.md": true, "x/t/x": true, "4": true, "5": true, // of a report, a file and a link
		"1": false, "3": false,
	} {
		if !filepath.IsAbs(path) {
			path = filepath.Join(temp, placePrefix+path)
		}
		if _, err := os.Lstat(path); (err == nil) != stays {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := os.Lstat(filepath.Join(temp, "other-1", "t", "x")); err != nil {
		t.Error(err)
	}
}

// The error says why, the path once, and the remedy.
func TestNoPlace(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	t.Setenv("TMPDIR", missing)
	_, err := unpack()
	if err == nil || !strings.HasSuffix(err.Error(), ": no such file or directory: set TMPDIR to a directory that can be written to") || strings.Count(err.Error(), missing) != 1 {
		t.Errorf("%v", err)
	}
	full := &fs.PathError{Op: "Copy", Path: "a", Err: &fs.PathError{Op: "write", Path: "/t/a", Err: syscall.ENOSPC}}
	if err := noPlace(full); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "probes: /t/a: no space left on device: set") {
		t.Errorf("%v", err)
	}
}
