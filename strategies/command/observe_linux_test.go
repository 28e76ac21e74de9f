package command

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
)

// What is seen of a program is its own memory. One that has had others work for it is left to what is known of all of them.
func TestObservePeak(t *testing.T) {
	for _, tc := range []struct {
		script string
		seen   bool
	}{
		{"exit 0", true},
		{"exec /bin/true", true},
		{"/bin/true; exit 0", false},
		{"kill -9 $$", false},
	} {
		peak, err := observePeak(context.Background(), "/bin/sh", []string{"sh", "-c", tc.script}, os.Environ(), "")
		if errors.Is(err, syscall.EPERM) {
			t.Skip("tracing is not permitted here:", err)
		}
		if tc.seen != (err == nil) || tc.seen != (peak > 0) {
			t.Errorf("%s: %d bytes, %v; want to be seen: %v", tc.script, peak, err, tc.seen)
		}
	}
}
