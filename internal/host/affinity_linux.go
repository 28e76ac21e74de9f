package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// affinity returns the CPUs the process's main thread may run on. unix.CPUSet holds 1,024 CPUs; where the machine has
// more the call fails and the caller reads the status file.
func affinity() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(os.Getpid(), &set); err != nil {
		if err == unix.EINVAL {
			return nil, ErrUnknown
		}
		return nil, err
	}
	var out []int
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			out = append(out, i)
		}
	}
	return out, nil
}
