package capture

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Who has a lot to say gets a larger pipe, and who has little does not pay for that.
func TestFloodGetsALargerPipe(t *testing.T) {
	size := func(f *os.File) int {
		n, err := unix.FcntlInt(f.Fd(), unix.F_GETPIPE_SZ, 0)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, PipeSize); err != nil {
		t.Skipf("pipes cannot be made larger here: %v", err)
	}
	r.Close()
	w.Close()
	for said, wide := range map[int]bool{floodFrom / 2: false, 8 * floodFrom: true} {
		tail, w := stream(t, make([]byte, said), 64) // all but what fits into the pipe has been read
		if got := size(w) >= PipeSize; got != wide {
			t.Errorf("after %d bytes the pipe is larger: %v", said, got)
		}
		w.Close()
		tail.Close()
	}
}
