package builtin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/parbench/parbench/workloads"
)

// Dir is the fixture "dir": a fresh directory. It is made in $TMPDIR, or else in /var/tmp, which by convention outlives
// a reboot and so lies on a disk, where /tmp is often memory on which fsync costs nothing; or else in os.TempDir.
type Dir struct{}

var _ workloads.Fixture = Dir{}

// Serve makes the directory; its address is its path. Stop removes it with all it contains.
func (Dir) Serve(context.Context) (addr string, stop func() error, err error) {
	var errs []error
	for _, parent := range dirParents() {
		dir, err := os.MkdirTemp(parent, "parbench-dir-*")
		if err == nil {
			return dir, sync.OnceValue(func() error { return os.RemoveAll(dir) }), nil
		}
		errs = append(errs, err)
	}
	return "", nil, fmt.Errorf("no place for temporary files; set TMPDIR to a writable directory: %w", errors.Join(errs...))
}

func dirParents() []string {
	if dir := os.Getenv("TMPDIR"); dir != "" {
		return []string{dir} // what was asked for, or nothing
	}
	return []string{"/var/tmp", os.TempDir()}
}
