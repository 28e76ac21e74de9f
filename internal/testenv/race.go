package testenv

import (
	"os"
	"strings"
)

// HurryRace keeps the processes that a test starts from waiting for a second at
// their end, as each does that is built with the race detector, to let other
// threads report. Call it first in TestMain. It changes the environment, and has
// no effect without the race detector.
func HurryRace() {
	options := os.Getenv("GORACE")
	if strings.Contains(options, "atexit_sleep_ms") {
		return
	}
	options = strings.TrimSpace(options + " atexit_sleep_ms=0")
	if err := os.Setenv("GORACE", options); err != nil {
		panic(err)
	}
}
