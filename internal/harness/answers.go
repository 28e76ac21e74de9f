package harness

import (
	"errors"
	"io"
	"os"

	"github.com/parbench/parbench/internal/capture"
)

// answers reads what a program writes into the pipe of its records. After the file's read deadline it takes what is in the
// pipe, and is at its end then: what the program has started may have inherited the other end, and keep it open for ever.
type answers struct {
	f    *os.File
	past int // bytes read after the deadline
}

var _ io.Reader = (*answers)(nil)

func (a *answers) Read(b []byte) (int, error) {
	n, err := a.f.Read(b)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	if a.past >= capture.PipeSize { // somebody goes on writing
		return 0, io.EOF
	}
	n, err = capture.ReadNow(a.f, b)
	a.past += n
	return n, err
}
