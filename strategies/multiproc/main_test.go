package multiproc

import (
	"context"
	"errors"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	Main()
	runHelper()
	goleak.VerifyTestMain(m,
		// It is locked to its thread for the life of the process, on purpose.
		goleak.IgnoreTopFunction("github.com/parbench/parbench/strategies/multiproc/spawn.spawnLoop"))
}

// Functions that tests run in workers.
var (
	square = Register("test.square", func(_ context.Context, n int) (int, error) { return n * n, nil })
	pid    = Register("test.pid", func(context.Context, int) (int, error) { return os.Getpid(), nil })
)

var errOdd = errors.New("odd")

func runHelper() {}
