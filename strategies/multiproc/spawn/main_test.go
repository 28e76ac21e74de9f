package spawn

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/parbench/parbench/internal/testenv"
)

func TestMain(m *testing.M) {
	testenv.HurryRace()
	if role := os.Getenv("SPAWN_TEST_ROLE"); role != "" {
		child(role)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/parbench/parbench/strategies/multiproc/spawn.spawnLoop"))
}
