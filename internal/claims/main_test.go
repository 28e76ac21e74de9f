package claims

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/strategies/multiproc"
)

// TestMain lets the test binary be the worker of its own pools, and checks that nothing is left.
func TestMain(m *testing.M) {
	testenv.HurryRace()
	multiproc.Main()
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(goleak.IgnoreAnyFunction("github.com/parbench/parbench/strategies/multiproc/spawn.spawnLoop")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
