package harness

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// Made remembers which directories Writable made, so that a run that never began leaves none behind.
type Made struct{ dirs []string }

// Undo removes the directories that were made, the innermost first, as far as they are empty.
func (m *Made) Undo() {
	for _, d := range m.dirs {
		if os.Remove(d) != nil {
			return
		}
	}
}

// Writable makes dir and makes sure that files can be made in it.
func Writable(dir string) (*Made, error) {
	m := &Made{}
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		if _, err := os.Lstat(d); err == nil || d == filepath.Dir(d) {
			break
		}
		m.dirs = append(m.dirs, d)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return m, usage("--output %s: cannot be made: %v; choose another directory", dir, errText(err))
	}
	f, err := os.CreateTemp(dir, ".parbench-*")
	if err != nil {
		m.Undo()
		return m, usage("--output %s: cannot be written: %v; choose another directory", dir, errText(err))
	}
	_, err = f.WriteString("x")
	f.Close()
	os.Remove(f.Name())
	if err != nil {
		m.Undo()
		return m, usage("--output %s: cannot be written: %v; free some space or choose another directory", dir, errText(err))
	}
	return m, nil
}

// errText is the cause of a file error without the path, which the caller names already.
func errText(err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return strings.TrimSpace(err.Error())
}
