// Package host reads what the machine is: CPUs, topology, caches, cgroup limits, clock, load, and how much of it others
// use. It changes nothing, with one exception: NewGroup makes a control group for a trial and removes it again.
//
// Every file is read below a root that can be chosen, so that tests run against trees copied from other machines. A file
// that is missing or malformed means "unknown", never a panic. Non-goals: judging the facts (internal/doctor) and
// telling one host from another: no host, user or cgroup name leaves this package.
//
// The package reads /proc and /sys itself and asks CPUID with four instructions of its own. The libraries at hand cost
// too much start-up for a program that is started thousands of times: detecting everything about a processor in an init
// function measured 0.5 to 0.7 ms on a virtual machine, where each CPUID instruction traps to the hypervisor.
package host

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxFile bounds what is read of any one file. /proc/stat of a machine with 4,096 CPUs is about 1 MB.
const maxFile = 8 << 20

// ErrUnknown is wrapped by the errors of facts that the machine does not tell.
var ErrUnknown = errors.New("unknown on this machine")

// Machine is a view of one machine's files. It holds no descriptors and needs no Close. It is safe for concurrent use.
type Machine struct {
	root string // "/" for the machine this process runs on
}

// Open returns the machine whose files lie below root; "" and "/" mean the one this process runs on. It reads nothing.
func Open(root string) *Machine {
	if root == "" {
		root = "/"
	}
	return &Machine{root: filepath.Clean(root)}
}

// Real reports whether the machine is the one this process runs on. Facts that no file holds (the CPUID hypervisor
// vendor, the affinity system call) are asked only then.
func (m *Machine) Real() bool { return m.root == "/" }

// path places an absolute path of the machine below its root.
func (m *Machine) path(p string) string { return filepath.Join(m.root, p) }

// read returns a file's content, at most maxFile bytes of it.
func (m *Machine) read(p string) (string, error) {
	f, err := os.Open(m.path(p))
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return "", err
	}
	return string(b), nil
}

// Setting returns the first line of a kernel setting such as "/proc/sys/kernel/randomize_va_space", without white space
// around it; empty when there is no such file.
func (m *Machine) Setting(p string) string {
	s, err := m.read(p)
	if err != nil {
		return ""
	}
	s, _, _ = strings.Cut(s, "\n")
	return strings.TrimSpace(s)
}

// exists reports whether a file or directory is there.
func (m *Machine) exists(p string) bool {
	_, err := os.Lstat(m.path(p))
	return err == nil
}

// names returns the sorted names in a directory; none when it cannot be read.
func (m *Machine) names(dir string) []string {
	ents, err := os.ReadDir(m.path(dir))
	if err != nil {
		return nil
	}
	out := make([]string, 0, len(ents))
	for _, e := range ents {
		out = append(out, e.Name())
	}
	return out
}
