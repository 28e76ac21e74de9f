//go:build amd64 || arm64

package shm

import (
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// largeBlock is the size from which it is looked whether there is memory for a block before it gets any: the kernel gives
// page after page until there is none, and then ends some process or other instead of returning an error.
const largeBlock = 64 << 20

// memoryFor reports whether the machine, and the control group of this process, have so many bytes left.
func memoryFor(n uint64) bool { return n < largeBlock || n <= available("/") }

// available returns how many bytes this process and others may still take together, or a large number where nothing tells.
// Under root it finds proc (proc_meminfo(5)) and sys/fs/cgroup (version 2, where it usually is).
func available(root string) uint64 {
	left := uint64(math.MaxUint64)
	info := numbers(path.Join(root, "proc/meminfo"))
	if free, there := info["MemAvailable:"]; there {
		left = (free + info["SwapFree:"]) << 10
	}
	groups, _ := os.ReadFile(path.Join(root, "proc/self/cgroup"))
	for line := range strings.Lines(string(groups)) {
		group, v2 := strings.CutPrefix(strings.TrimSpace(line), "0::")
		for group = path.Clean("/" + group); v2; group = path.Dir(group) {
			dir := path.Join(root, "sys/fs/cgroup", group)
			limit, err1 := number(path.Join(dir, "memory.max"))
			used, err2 := number(path.Join(dir, "memory.current"))
			if err1 == nil && err2 == nil {
				stat := numbers(path.Join(dir, "memory.stat"))
				used -= min(used, stat["inactive_file"]+stat["active_file"]) // given back when it is needed
				left = min(left, limit-min(limit, used))
			}
			if group == "/" {
				break
			}
		}
	}
	return left
}

// number reads a file that is one; "max" is an error.
func number(file string) (uint64, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
}

// numbers reads a file of names and numbers.
func numbers(file string) map[string]uint64 {
	b, _ := os.ReadFile(file)
	m := make(map[string]uint64)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 {
			if n, err := strconv.ParseUint(f[1], 10, 64); err == nil {
				m[f[0]] = n
			}
		}
	}
	return m
}
