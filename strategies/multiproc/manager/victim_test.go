package manager

import (
	"context"
	"os"
)

// victim is a test binary that does something else than test.
func victim() {
	var err error
	switch os.Getenv("MANAGER_TEST_VICTIM") {
	case "connect":
		err = connectScene(context.Background())
	case "parent":
		err = parentScene(context.Background())
	}
	if err != nil {
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
