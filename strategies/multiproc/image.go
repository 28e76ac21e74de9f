package multiproc

import (
	"os"
	"sync"
	"sync/atomic"

	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// executable is what children are started from. Not os.Executable: the file may have been replaced since this process
// started.
var executable = "/proc/self/exe"

// image is the start image, once there is one.
var image struct {
	once sync.Once
	file *os.File // stays open: image.path goes through its descriptor
	path atomic.Pointer[string]
	err  error
}

// StartImage makes the processes and workers that this process starts from now on begin faster, by starting them from a
// copy of the executable in huge pages. That costs the executable's size in memory and, once, 0.1 to 0.2 s; so it pays
// from a few hundred processes on. With an error, which says what the system does not offer (Linux 6.1, memory for huge
// pages), everything goes on as before. It may be called again.
//
// In such a process os.Executable does not name a file. The processes that it starts through this package begin from the
// same image.
func StartImage() error {
	image.once.Do(func() {
		if image.file, image.err = spawn.Image(); image.err != nil {
			return
		}
		path := spawn.Path(image.file)
		image.path.Store(&path)
	})
	return image.err
}

// startPath returns the path by which the kernel finds the program of a child.
func startPath() string {
	if p := image.path.Load(); p != nil {
		return *p
	}
	return executable
}
