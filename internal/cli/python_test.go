package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/strategies/python"
)

// TestAFileThatTakesTooLongToLoad is named as what is at fault, and the interpreter goes on without it. The patience is over
// at once, whatever the machine does: the file is never loaded.
func TestAFileThatTakesTooLongToLoad(t *testing.T) {
	testenv.NeedCommand(t, "python3")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	in, err := python.Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "slow.py")
	if err := os.WriteFile(path, []byte("import time\ntime.sleep(1000)\ndef task(i, params): return i\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &interpreters{workload: path, patience: 300 * time.Millisecond}
	defer p.close()
	offer, err := p.offer(t.Context(), in, "python3.77")
	if err != nil {
		t.Fatal(err)
	}
	w := offer.Workloads[len(offer.Workloads)-1]
	if w.Name != "slow" || !strings.Contains(w.Unavailable, "slow.py: python3.77 had not loaded it after 300ms: ") || strings.Contains(w.Unavailable, "--python") {
		t.Errorf("%s: %s", w.Name, w.Unavailable)
	}
	if len(offer.Workloads) < 2 || len(offer.Identity.Hash) != 64 {
		t.Errorf("%d workloads, identity %+v", len(offer.Workloads), offer.Identity)
	}
	for _, s := range offer.Strategies {
		if s.Name == "py-sequential" && s.Unavailable != "" {
			t.Errorf("%s: %s", s.Name, s.Unavailable)
		}
	}
}
