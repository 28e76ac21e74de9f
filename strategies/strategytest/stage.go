package strategytest

import (
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/strategies/multiproc"
)

// Main runs the tests of a package that uses Run: it lets worker processes, which are copies of the test program, do
// their work. Call it from TestMain.
func Main(m *testing.M) {
	testenv.HurryRace()
	strategies.UseWorkloads(Workloads())
	multiproc.Main()

	os.Exit(m.Run())
}

// stage is where the waiting tasks of one batch are seen and released, in whichever process they run.
type stage struct {
	t        *testing.T
	dir      string
	events   *os.File
	released *os.File
	director sync.WaitGroup
}

// newStage makes the named pipes. Both are held open for reading and writing, so that no task waits for, or loses, a
// peer.
func newStage(t *testing.T) *stage {
	t.Helper()
	st := &stage{t: t, dir: t.TempDir()}
	st.events, st.released = st.pipe("events"), st.pipe("release")
	t.Cleanup(func() {
		// Where the test has failed half-way, this ends the director's waiting; otherwise nothing is left to do.
		st.events.Close()
		st.released.Close()
		st.director.Wait()
	})
	return st
}

func (st *stage) pipe(name string) *os.File {
	st.t.Helper()
	path := filepath.Join(st.dir, name)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		st.t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		st.t.Fatal(err)
	}
	return f
}

// direct runs f beside the batch; close waits for it.
func (st *stage) direct(f func()) { st.director.Go(f) }

func (st *stage) close() {
	st.director.Wait()
	st.events.Close()
	st.released.Close()
}

// next returns the next event, 0 if none comes.
func (st *stage) next() byte {
	if err := st.events.SetReadDeadline(time.Now().Add(hang)); err != nil {
		st.t.Error(err)
		return 0
	}
	b := make([]byte, 1)
	if _, err := st.events.Read(b); err != nil {
		st.t.Errorf("wait for a task: %v", err)
		return 0
	}
	return b[0]
}

func (st *stage) await(want byte) {
	if got := st.next(); got != want {
		st.t.Errorf("event %q, want %q", got, want)
	}
}

// countDown goes on when workers tasks have begun: it releases each task as soon as it is there, as nobody can know at
// which worker the next one waits, and checks that there are never more of them than workers.
func (st *stage) countDown(workers, n int) {
	st.release(workers)
	running := workers
	for range 2*n - workers {
		if st.next() == 'e' {
			running--
			continue
		}
		st.release(1)
		if running++; running > workers {
			st.t.Errorf("%d tasks run at once on %d workers", running, workers)
		}
	}
}

// release lets n waiting tasks go on.
func (st *stage) release(n int) {
	if _, err := st.released.Write(make([]byte, n)); err != nil {
		st.t.Errorf("release %d tasks: %v", n, err)
	}
}
