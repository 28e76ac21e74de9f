//go:build unix

package claims

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

//go:embed probe/parbench_claims/*.py
var sources embed.FS

// files is a directory of this process's own: the probe program where interpreters can read it, and a place for what probes
// write. Its lock lasts as long as this process, and tells it from what a killed one has left.
type files struct {
	dir, temp string
	lock      *os.File // the directory above both
}

// unpack makes the directory, and removes those that processes which were killed have left.
func unpack() (*files, error) {
	removeStale()
	f, err := claimDir()
	if err != nil {
		return nil, noPlace(err)
	}
	if err = os.CopyFS(f.lock.Name(), sources); err == nil {
		err = os.Mkdir(f.temp, 0o700)
	}
	if err != nil {
		f.remove()
		return nil, noPlace(err)
	}
	return f, nil
}

// noPlace is the error of files that could not be written. The path stands in it once, whatever copied what.
func noPlace(err error) error {
	path := os.TempDir()
	for pe := (*fs.PathError)(nil); errors.As(err, &pe); err = pe.Err {
		path = pe.Path
	}
	return fmt.Errorf("there is no place for the files of the probes: %s: %w: set TMPDIR to a directory that can be written to", path, err)
}

// remove ends the use of the directory. Nothing depends on it any more.
func (f *files) remove() {
	_ = os.RemoveAll(f.lock.Name())
	f.lock.Close()
}

// What directories are called, and what they may contain.
const (
	placePrefix = "parbench-claims-"
	placeProbe  = "probe"
	placeTemp   = "t"
)

// claimDir makes the directory and takes its lock. Where another process has taken it before, as that of one that nobody uses,
// it makes another one.
func claimDir() (*files, error) {
	for {
		dir, err := os.MkdirTemp("", placePrefix+"*")
		if err != nil {
			return nil, err
		}
		d, err := os.Open(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			_ = os.Remove(dir)
			return nil, err
		}
		// A file system without locks is accepted as it is: what a killed process leaves there stays.
		if err = flock(d); !errors.Is(err, syscall.EWOULDBLOCK) && isAt(d, dir) {
			return &files{dir: filepath.Join(dir, placeProbe), temp: filepath.Join(dir, placeTemp), lock: d}, nil
		}
		d.Close()
	}
}

// flock takes a file's lock without waiting.
func flock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// isAt reports whether the open directory still is what the path leads to.
func isAt(d *os.File, path string) bool {
	is, err1 := d.Stat()
	at, err2 := os.Lstat(path)
	return err1 == nil && err2 == nil && os.SameFile(is, at)
}

// removeStale removes the directories that nobody has locked, as far as that is permitted. Others with such a name stay.
func removeStale() {
	list, _ := filepath.Glob(filepath.Join(os.TempDir(), placePrefix+"*")) // the pattern is one
	for _, dir := range list {
		if strings.Trim(filepath.Base(dir)[len(placePrefix):], "0123456789") != "" {
			continue
		}
		if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
			continue
		}
		d, err := os.Open(dir)
		if err != nil {
			continue
		}
		if flock(d) == nil && isAt(d, dir) && onlyPlaces(d) {
			_ = os.RemoveAll(dir) // what cannot be removed stays
		}
		d.Close()
	}
}

// onlyPlaces reports whether the directory contains nothing but what unpack makes.
func onlyPlaces(d *os.File) bool {
	names, err := d.Readdirnames(-1)
	for _, name := range names {
		if name != placeProbe && name != placeTemp {
			return false
		}
	}
	return err == nil
}
