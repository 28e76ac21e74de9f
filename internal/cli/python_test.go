package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parbench/parbench/internal/harness"
	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/strategies/python"
)

// offered is what an interpreter called python3.77 offers with a workload file of that name and text.
func offered(t *testing.T, name, text string, patience time.Duration) harness.Offer {
	t.Helper()
	testenv.NeedCommand(t, "python3")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	in, err := python.Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &interpreters{workload: path, patience: patience}
	defer p.close()
	offer, err := p.offer(t.Context(), in, "python3.77")
	if err != nil {
		t.Fatal(err)
	}
	return offer
}

// TestAFileThatTakesTooLongToLoad is named as what is at fault, and the interpreter goes on without it. The patience is over
// at once, whatever the machine does: the file is never loaded.
func TestAFileThatTakesTooLongToLoad(t *testing.T) {
	offer := offered(t, "slow.py", "import time\ntime.sleep(1000)\ndef task(i, params): return i\n", 300*time.Millisecond)
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

// A file that was loaded, and whose description cannot be used, is not said to end the process.
func TestAFileThatOffersNonsense(t *testing.T) {
	offer := offered(t, "odd.py", "import parbench.own as own\nown.parameters = lambda m: ([{'name': '_', 'type': 'int', 'default': '1'}], {})\n"+
		"def task(i, params): return i\n", 0)
	const want = `odd.py cannot be used: program python3.77: workload "odd": parameter "_": a name is made of letters, digits, - and _, and begins with a letter or digit; correct it`
	if w := offer.Workloads[len(offer.Workloads)-1]; w.Name != "odd" || w.Unavailable != want {
		t.Errorf("%s: %s", w.Name, w.Unavailable)
	}
}
