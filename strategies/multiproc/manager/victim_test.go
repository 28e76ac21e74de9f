package manager

import (
	"context"
	"os"
)

// victims are what a test binary does that something else than testing is asked of.
var victims = map[string]func(context.Context) error{"connect": connectScene, "parent": parentScene}

func victim() {
	if err := victims[os.Getenv("MANAGER_TEST_VICTIM")](context.Background()); err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Exit(0)
}

// parentScene starts a manager, says where, and is killed.
func parentScene(ctx context.Context) error {
	m, err := Start(ctx, Address(os.Getenv("MANAGER_TEST_ADDRESS")))
	if err != nil {
		return err
	}
	if _, err := os.Stdout.WriteString(m.Token()); err != nil {
		return err
	}
	_ = os.Stdout.Close()
	select {}
}
