// Package python holds the trial program of the Python strategies (py-sequential, py-threads, py-dummy-pool, py-pool,
// py-executor, py-asyncio) and finds the interpreters that run it. The program speaks the protocol of docs/protocol.md,
// computes the workloads of docs/workloads.md with their digests, and needs the standard library alone.
//
// Non-goals: starting trials (internal/harness) and installing interpreters.
package python

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/parbench/parbench/internal/protocol"
)

//go:embed program/parbench/*.py program/parbench/offer.json
var sources embed.FS

const root = "program/parbench"

// Program is the trial program, unpacked where an interpreter can import it. Make it with Unpack.
type Program struct {
	dir   string
	files []string
	made  bool // dir is ours alone, and Close removes it
}

// Unpack writes the program's files to the user's directory for caches, where Python keeps their bytecode beside them: to
// compile them anew would cost each trial more than the interpreter's own start. The directory is named by their content. Where there is no such directory,
// it is one for temporary files, which Close removes.
func Unpack() (*Program, error) {
	list, err := fs.Glob(sources, root+"/*")
	if err != nil {
		return nil, err
	}
	hash := sha256.New()
	for _, path := range list {
		text, err := sources.ReadFile(path)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(hash, "%s %d\n%s", path, len(text), text)
	}
	var whyNot error
	if cache, err := os.UserCacheDir(); err != nil {
		whyNot = err
	} else {
		p := &Program{dir: filepath.Join(cache, "parbench", "python-"+hex.EncodeToString(hash.Sum(nil)[:8]))}
		if whyNot = p.write(list); whyNot == nil {
			return p, nil
		}
	}
	dir, err := os.MkdirTemp("", "parbench-python-*")
	if err != nil {
		return nil, noPlace(whyNot, err)
	}
	p := &Program{dir: dir, made: true}
	if err := p.write(list); err != nil {
		_ = p.Close() // what could not be written is worth more than what could not be removed
		return nil, noPlace(whyNot, err)
	}
	return p, nil
}

// noPlace is the error of a program that could be written neither to the user's cache nor among temporary files.
func noPlace(cache, temporary error) error {
	return fmt.Errorf("there is no place for the files of the Python program: neither for caches (%w) nor for temporary files (%w): set XDG_CACHE_HOME or TMPDIR to a directory that can be written to",
		cache, temporary)
}

// write puts every file in its place that is not there as it should be, each in one step: another parbench may be reading.
func (p *Program) write(list []string) error {
	dir := filepath.Join(p.dir, "parbench")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	p.files = nil
	for _, source := range list {
		want, err := sources.ReadFile(source)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, filepath.Base(source))
		p.files = append(p.files, path)
		if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, want) {
			continue
		}
		f, err := os.CreateTemp(dir, ".new-*")
		if err != nil {
			return err
		}
		_, err = f.Write(want)
		if e := f.Close(); err == nil {
			err = e
		}
		if err == nil {
			err = os.Rename(f.Name(), path)
		}
		if err != nil {
			_ = os.Remove(f.Name()) // why it could not be written is the one thing to say
			return err
		}
	}
	return nil
}

// Close removes what Unpack has made for this process alone.
func (p *Program) Close() error {
	if !p.made {
		return nil
	}
	return os.RemoveAll(p.dir)
}

// Files are the program's sources, and the workload file, if there is one.
func (p *Program) Files(workload string) []string {
	if workload == "" {
		return p.files
	}
	return append(p.files[:len(p.files):len(p.files)], workload)
}

// Args are the arguments with which an interpreter runs the program. workload is the absolute path of a file with the user's
// own workload, or "". Without one the interpreter starts isolated: no variables, no user's directory and no site packages,
// whose search takes longer than the interpreter's start. A user's file has all of them.
func (p *Program) Args(workload string) []string {
	file := "None"
	var args []string
	if workload == "" {
		args = []string{"-I", "-S"}
	} else {
		file = literal(workload)
	}
	return append(args, "-c", "import sys; sys.path = ["+literal(p.dir)+"] + [p for p in sys.path if p]; from parbench.trial import main; main("+file+")")
}

// literal is the text as Python source. Paths may hold any byte but 0.
func literal(path string) string {
	var b strings.Builder
	b.WriteString("__import__('os').fsdecode(b'")
	for _, c := range []byte(path) {
		if c < ' ' || c > '~' || c == '\'' || c == '\\' {
			b.WriteString("\\x" + string("0123456789abcdef"[c>>4]) + string("0123456789abcdef"[c&15]))
			continue
		}
		b.WriteByte(c)
	}
	b.WriteString("')")
	return b.String()
}

// Offer is what the program offers under an interpreter that lacks nothing; Describe asks a real one.
func Offer() *protocol.Description {
	text, err := sources.ReadFile(root + "/offer.json")
	if err != nil {
		panic(err) // it is embedded
	}
	var d protocol.Description
	if err := json.Unmarshal(text, &d); err != nil {
		panic("offer.json: " + err.Error()) // a test reads it
	}
	d.Protocol = protocol.Version
	return &d
}

// Missing is the offer of an interpreter that cannot run the program at all: every strategy is unavailable for that reason.
func Missing(reason string) *protocol.Description {
	d := Offer()
	d.Workloads = nil
	for i := range d.Strategies {
		d.Strategies[i].Unavailable = reason
	}
	return d
}

var names = sync.OnceValue(func() map[string]bool {
	out := map[string]bool{}
	for _, s := range Offer().Strategies {
		out[s.Name] = true
	}
	return out
})

// Is reports whether a strategy is one of the Python program's.
func Is(strategy string) bool { return names()[strategy] }

// WorkloadName is the name under which the program offers a workload file: its base name without the extension, in which
// whatever is neither an ASCII letter, a digit, - nor _ becomes -, from the first letter or digit on; "workload" where there
// is none. One that is a built-in workload's gets "-py" appended.
func WorkloadName(file string) string {
	stem := filepath.Base(file)
	if ext := filepath.Ext(stem); ext != stem {
		stem = strings.TrimSuffix(stem, ext)
	}
	name := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			return c
		}
		return '-'
	}, stem)
	name = cmp.Or(strings.TrimLeft(name, "-_"), "workload")
	for _, w := range Offer().Workloads {
		if w.Name == name {
			return name + "-py"
		}
	}
	return name
}

// Labels gives each interpreter a name of its own: python3.13 by its version, python3.13t for a free-threaded build, with
// the full version where that is not enough, and a number where that is not either.
func Labels(list []Interpreter) []string {
	labels := make([]string, len(list))
	for i, in := range list {
		labels[i] = in.short()
	}
	for i, in := range list {
		for j, other := range list {
			if i != j && in.short() == other.short() {
				labels[i] = in.full()
			}
		}
	}
	seen := map[string]int{}
	for i, l := range labels {
		if seen[l]++; seen[l] > 1 {
			labels[i] = l + "-" + strconv.Itoa(seen[l])
		}
	}
	return labels
}
