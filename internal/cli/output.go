package cli

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// emit writes output to a file, atomically, or to standard output for "-".
func (a *app) emit(path string, write func(io.Writer) error) error {
	return a.emitAs("--output "+path, path, write)
}

// emitAs is emit for a file that another flag names.
func (a *app) emitAs(flag, path string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	if path == "-" || path == "" {
		_, err := a.stdout.Write(b.Bytes())
		return outputError("standard output", err)
	}
	if err := writeFile(path, b.Bytes()); err != nil {
		return usagef("%s: cannot be written: %v", flag, cause(err))
	}
	return nil
}

// writeFile writes atomically: a reader sees the old file or the whole new one. A symbolic link stays one, and what is no
// file (a device, a pipe) is written into and not replaced: whoever may, as root, would else put a file in place of
// /dev/null.
func writeFile(path string, data []byte) error {
	path, within := destination(path)
	if within {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(data)
		return errors.Join(err, f.Close())
	}
	f, err := temporary(path)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// destination is the file to replace for a path, or, where within is true, what is there to be written into.
func destination(path string) (at string, within bool) {
	fi, err := os.Lstat(path)
	if err != nil || fi.Mode().IsRegular() {
		return path, false
	}
	if fi.Mode()&fs.ModeSymlink == 0 {
		return path, true
	}
	to, err := os.Stat(path)
	if err != nil { // it leads nowhere
		return path, false
	}
	if to.Mode().IsRegular() && !strings.HasPrefix(path, "/dev/") && !strings.HasPrefix(path, "/proc/") { // those are open already
		if real, err := filepath.EvalSymlinks(path); err == nil {
			return real, false
		}
	}
	return path, true
}

// temporary makes the file beside path that takes its place when it is whole.
func temporary(path string) (*os.File, error) {
	return os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
}

// writable makes sure, before anything is measured, that writeFile can write there.
func writable(path string) error {
	path, within := destination(path)
	if within {
		if fi, err := os.Stat(path); err == nil && fi.IsDir() {
			return syscall.EISDIR
		}
		return nil
	}
	f, err := temporary(path)
	if err != nil {
		return cause(err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func cause(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
