package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestInterruptStatus sends a real signal to a real run and looks at the status it ends with.
func TestInterruptStatus(t *testing.T) {
	for sig, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		t.Run(sig.String(), func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.Command("/proc/self/exe")
			cmd.Args = []string{"parbench", "run", "-q", "-w", "primes:limit=300", "-s", "pool", "-c", "1", "--rounds", "500", "--tasks", "8", "-o", dir}
			var errs bytes.Buffer
			cmd.Stderr = &errs
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for {
				b, _ := os.ReadFile(filepath.Join(dir, runName))
				if bytes.Count(b, []byte("\n")) >= 3 {
					break
				}
				time.Sleep(5 * time.Millisecond)
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != want {
				t.Errorf("status %d, want %d; stderr: %s", got, want, errs.String())
			}
		})
	}
}
