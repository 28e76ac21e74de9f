package spawn

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if role := os.Getenv("SPAWN_TEST_ROLE"); role != "" {
		child(role)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/parbench/parbench/strategies/multiproc/spawn.spawnLoop"))
}
