package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// BaselineDir is where baselines are kept unless somebody says otherwise, below the working directory.
const BaselineDir = ".parbench/baselines"

// The kinds of baselines: a program to measure again beside the new one, or a file of results.
const (
	KindProgram = "program"
	KindResults = "results"
)

const (
	baselineSchema  = "parbench/baseline"
	baselineVersion = 1
	describedBy     = "baseline.json"
)

// Baseline is a stored side of later gates: a directory with the copy of a program or of a file of results, and a
// description.
type Baseline struct {
	Schema  string    `json:"schema"`
	Version int       `json:"version"`
	Name    string    `json:"name"`
	Kind    string    `json:"kind"`
	Created time.Time `json:"created"`
	Tool    string    `json:"tool"`
	Told    string    `json:"told,omitempty"` // the version that a program tells of itself
	Hash    string    `json:"hash,omitempty"` // of the program

	dir string
}

// Path is the copy that the baseline holds.
func (b *Baseline) Path() string { return filepath.Join(b.dir, b.Kind) }

var baselineName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$`)

// CheckName refuses names that could not be a directory's.
func CheckName(name string) error {
	if !baselineName.MatchString(name) {
		return fmt.Errorf("%q is no name: write letters, digits, dots, dashes and underscores, up to 100, such as main", name)
	}
	return nil
}

// Load finds a stored baseline. The error says what was looked for.
func Load(dir, name string) (*Baseline, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	b := &Baseline{dir: filepath.Join(dir, name)}
	text, err := os.ReadFile(filepath.Join(b.dir, describedBy))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is none of that name in %s; store one with --save-baseline %s", dir, name)
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, b); err != nil {
		return nil, fmt.Errorf("%s: not a baseline's description: %w; store it again", filepath.Join(b.dir, describedBy), err)
	}
	switch {
	case b.Schema != baselineSchema || b.Version != baselineVersion:
		return nil, fmt.Errorf("%s: schema %q version %d, and this parbench reads %q version %d; store it again", b.dir, b.Schema, b.Version, baselineSchema, baselineVersion)
	case b.Kind != KindProgram && b.Kind != KindResults:
		return nil, fmt.Errorf("%s: unknown kind %q; store it again", b.dir, b.Kind)
	}
	if _, err := os.Stat(b.Path()); err != nil {
		return nil, fmt.Errorf("its copy is missing (%w); store it again", err)
	}
	return b, nil
}

// Save stores the file at path under a name, replacing what was stored there before. A reader sees the old baseline or the
// new one, or for a moment none.
func Save(dir string, b Baseline, path string) error {
	if err := CheckName(b.Name); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	made, err := os.MkdirTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(made)
	b.Schema, b.Version, b.Created, b.dir = baselineSchema, baselineVersion, b.Created.UTC().Truncate(time.Second), made
	if err := copyFile(path, b.Path(), b.Kind == KindProgram); err != nil {
		return err
	}
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(made, describedBy), append(text, '\n'), 0o644); err != nil {
		return err
	}
	if err := os.Chmod(made, 0o755); err != nil {
		return err
	}
	old, err := os.MkdirTemp(dir, ".old-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(old)
	at := filepath.Join(dir, b.Name)
	// Several gates may end at once: what one finds in its way another may have taken away, or put there, meanwhile.
	for try := range mostTries {
		err := os.Rename(at, filepath.Join(old, strconv.Itoa(try)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err = os.Rename(made, at); err == nil || !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return fmt.Errorf("%s: others keep storing under this name", at)
}

// mostTries bounds how many others a Save gives way to.
const mostTries = 1000

func copyFile(from, to string, executable bool) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	mode := fs.FileMode(0o644)
	if executable {
		mode = 0o755
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
