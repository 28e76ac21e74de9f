package manager

import (
	"context"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/strategies/multiproc"
)

func TestMain(m *testing.M) {
	testenv.HurryRace()
	multiproc.Main()
	if os.Getenv("MANAGER_TEST_VICTIM") != "" {
		victim()
	}
	goleak.VerifyTestMain(m,
		// It is locked to its thread for the life of the process, on purpose.
		goleak.IgnoreTopFunction("github.com/parbench/parbench/strategies/multiproc/spawn.spawnLoop"))
}

// ctxT ends a hanging test with a message instead of the test binary's panic.
func ctxT(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}
