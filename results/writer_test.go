package results

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"github.com/parbench/parbench/internal/testenv"
)

func TestCreateRefuses(t *testing.T) {
	path := mustWrite(t, sample(), nil)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path, sample()); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "--resume "+path) {
		t.Errorf("an existing file: %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the existing file was changed")
	}
	dir := filepath.Dir(path)
	if _, err := Create(dir+"/none/run.jsonl", sample()); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "-o") {
		t.Errorf("a missing directory: %v", err)
	}
	nan, lost, huge := sample(), sample(), sample()
	huge.Args = []string{strings.Repeat("x", MaxHeader)}
	nan.Environment.Load1 = math.NaN()
	lost.Plan.Cells[0].Workload = "none"
	for _, h := range []Header{nan, lost, huge} {
		if _, err := Create(dir+"/other.jsonl", h); err == nil {
			t.Error("a header that cannot be read back was accepted")
		}
		if _, err := os.Stat(dir + "/other.jsonl"); err == nil {
			t.Error("a refused header left a file")
		}
	}
}

func TestWriterRefusesTrials(t *testing.T) {
	path := t.TempDir() + "/run.jsonl"
	w, err := Create(path, sample())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	before, _ := os.Stat(path)
	for name, spoil := range map[string]func(*Trial){
		"cell":     func(x *Trial) { x.Cell = 2 },
		"round":    func(x *Trial) { x.Round = -1 },
		"negative": func(x *Trial) { x.Wall[0] = -1 },
		"setup":    func(x *Trial) { x.SetupNS = -1 },
		"CPU":      func(x *Trial) { x.CPUNS, x.SpanNS = math.MaxInt64, 1 },
		"sum":      func(x *Trial) { x.Warmup = Nanos{math.MaxInt64, 1} },
		"NaN":      func(x *Trial) { x.MHz = math.NaN() },
		"infinite": func(x *Trial) { x.Others.Steal = math.Inf(1) },
		"huge":     func(x *Trial) { x.Stderr = strings.Repeat("x", MaxLine) },
	} {
		x := trialOf(0, 0)
		spoil(x)
		if err := w.Trial(x); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want one that names the file", name, err)
		}
	}
	if err := w.Note(Note{Type: "trial"}); err == nil {
		t.Error("a note that is a trial was accepted")
	}
	if after, _ := os.Stat(path); after.Size() != before.Size() {
		t.Error("a refused record was written")
	}
}

// disk is a file with room for so many bytes.
type disk struct {
	data       []byte
	room       int
	stuck      bool // it cannot be cut
	writes     int
	silent     bool // a short write without an error
	syncErr    error
	truncation int
}

func (d *disk) Write(p []byte) (int, error) {
	d.writes++
	n := min(len(p), d.room-len(d.data))
	d.data = append(d.data, p[:n]...)
	if n < len(p) && !d.silent {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func (d *disk) Truncate(n int64) error {
	d.truncation++
	if d.stuck {
		return syscall.EIO
	}
	d.data = d.data[:n]
	return nil
}
func (d *disk) Sync() error  { return d.syncErr }
func (d *disk) Close() error { return nil }

func TestFullDisk(t *testing.T) {
	header := encodeRun(t, &Run{Header: headerOf(sample())})
	line := func() int { x := trialOf(0, 0); x.Type = "trial"; b, _ := encode(x, MaxLine); return len(b) }()
	for _, silent := range []bool{false, true} {
		for _, stuck := range []bool{false, true} {
			for room := range line { // the disk fills up after that much of the second trial
				d := &disk{data: bytes.Clone(header), room: len(header) + line + room, stuck: stuck, silent: silent}
				w := &Writer{f: d, path: "full/run.jsonl", cells: 2, good: int64(len(header))}
				if err := w.Trial(trialOf(0, 0)); err != nil {
					t.Fatal(err)
				}
				err := w.Trial(trialOf(1, 0))
				we, ok := errors.AsType[*WriteError](err)
				if !ok || (!silent && !errors.Is(err, syscall.ENOSPC)) || we.Good != int64(len(header)+line) || !strings.Contains(err.Error(), "--resume full/run.jsonl") {
					t.Fatalf("room %d: %v", room, err)
				}
				torn := stuck && room > 0
				if we.Cut == torn || strings.Contains(err.Error(), "cut off on resuming") != torn {
					t.Fatalf("room %d, stuck %v: %+v", room, stuck, we)
				}
				if d.writes != 2 {
					t.Fatalf("%d writes for two trials", d.writes)
				}
				run, rerr := Read(bytes.NewReader(d.data))
				if rerr != nil || len(run.Trials) != 1 || (run.Torn > 0) != torn {
					t.Fatalf("room %d: the file reads as %+v, %v", room, run, rerr)
				}
				// With room again writing goes on, but never behind a torn record.
				d.room *= 2
				err = w.Trial(trialOf(1, 0))
				if (err != nil) != torn {
					t.Fatalf("room %d, stuck %v: afterwards %v", room, stuck, err)
				}
				if run, err := Read(bytes.NewReader(d.data)); err != nil || (!torn && len(run.Trials) != 2) {
					t.Fatalf("room %d: afterwards %v", room, err)
				}
			}
		}
	}
}

func TestSyncFails(t *testing.T) {
	w := &Writer{f: &disk{syncErr: syscall.EIO}, path: "run.jsonl"}
	err := w.Sync()
	if _, ok := errors.AsType[*WriteError](err); !ok || !errors.Is(err, syscall.EIO) || !strings.HasPrefix(err.Error(), "sync run.jsonl") {
		t.Errorf("%v", err)
	}
}

func TestFullDevice(t *testing.T) {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	testenv.Need(t, "the device /dev/full (Linux)", err == nil)
	defer f.Close()
	w := &Writer{f: f, path: "/dev/full", cells: 2}
	if err := w.Trial(trialOf(0, 0)); !errors.Is(err, syscall.ENOSPC) || strings.Count(err.Error(), "write /dev/full") != 1 {
		t.Errorf("%v", err)
	}
}

// Resuming at every byte a crash can leave gives the run that would have been, less the torn trial.
func TestAppendAtEveryByte(t *testing.T) {
	path := mustWrite(t, sample(), []*Trial{trialOf(0, 0), trialOf(1, 0)})
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.IndexByte(data, '\n') + 1
	for n := range len(data) + 1 {
		if n > first && n < len(data)-8 && n%7 != 0 { // a file each: every seventh byte, and all near the ends
			continue
		}
		if err := os.WriteFile(path, data[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		w, run, err := Append(path)
		if n < first {
			if _, ok := errors.AsType[*FormatError](err); !ok || !strings.Contains(err.Error(), path) {
				t.Fatalf("%d bytes: %v, want a FormatError", n, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		whole := bytes.Count(data[:n], []byte("\n")) - 1
		if len(run.Trials) != whole || run.Torn != n-1-bytes.LastIndexByte(data[:n], '\n') {
			t.Fatalf("%d bytes: %d trials, %d torn", n, len(run.Trials), run.Torn)
		}
		if err := w.Note(Note{Type: "resume", Time: epoch}); err != nil {
			t.Fatal(err)
		}
		if err := w.Trial(trialOf(1, 1)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := ReadFile(path)
		if err != nil || len(got.Trials) != whole+1 || len(got.Notes) != 1 || got.Torn != 0 {
			t.Fatalf("%d bytes: resumed %+v, %v", n, got, err)
		}
		if got.Trials[whole].Round != 1 {
			t.Fatal("the appended trial is not the last")
		}
	}
}

func TestOneWriterAtATime(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		testenv.DoesNotApply(t, "runs are not locked on "+runtime.GOOS)
	}
	path := mustWrite(t, sample(), nil)
	w, _, err := Append(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Append(path); err == nil || !strings.Contains(err.Error(), "another process is writing") {
		t.Errorf("a second writer: %v", err)
	}
	if _, err := ReadFile(path); err != nil {
		t.Errorf("a reader beside the writer: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w, _, err = Append(path)
	if err != nil {
		t.Fatalf("after closing: %v", err)
	}
	w.Close()
}

func TestNanosJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := Nanos(rapid.SliceOf(rapid.Int64Range(0, math.MaxInt64)).Draw(t, "n"))
		b, err := n.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var got Nanos
		if err := got.UnmarshalJSON(b); err != nil || len(got) != len(n) {
			t.Fatalf("%s: %v, %v", b, got, err)
		}
		for i := range n {
			if got[i] != n[i] {
				t.Fatalf("%d: %d, want %d", i, got[i], n[i])
			}
		}
	})
	for _, bad := range []string{"", "[", "[1", "[1,]", "[,1]", "[01]", "[1 2]", "[--1]", "[+1]", "[1.0]", "{}", "[1]x", "[,]"} {
		var n Nanos
		if err := n.UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("%q was accepted as %v", bad, n)
		}
	}
}

func TestComputeHash(t *testing.T) {
	p := sample().Plan
	h := p.ComputeHash()
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(h) {
		t.Fatalf("hash %q", h)
	}
	p.Hash = "anything"
	if p.ComputeHash() != h {
		t.Error("the hash depends on itself")
	}
	p.Cells[0].StrategyParams = map[string]string{}
	if p.ComputeHash() != h {
		t.Error("no parameters and an empty map of them differ")
	}
	p.Cells[1].Workers = 3
	if p.ComputeHash() == h {
		t.Error("a changed cell has the same hash")
	}
	bad, replaced := sample().Plan, sample().Plan
	bad.Workloads[0].Doc, replaced.Workloads[0].Doc = "a\xffb", "a\ufffdb"
	if bad.ComputeHash() != replaced.ComputeHash() {
		t.Error("invalid UTF-8 and what a file holds of it differ")
	}
	if (Plan{}).ComputeHash() != (Plan{Cells: []Cell{}, Workloads: []PlanEntry{}}).ComputeHash() {
		t.Error("no cells and an empty list of cells differ")
	}
	if (Plan{Budget: math.Inf(1)}).ComputeHash() != "" {
		t.Error("an infinite budget has a hash")
	}
}

func TestNewID(t *testing.T) {
	at := time.Date(2026, 11, 20, 23, 15, 30, 999, time.FixedZone("", 3600))
	if id := NewID(at, bytes.NewReader([]byte{0, 1, 31, 32})); id != "20261120T221530Z-ab9a" {
		t.Errorf("id %q", id)
	}
	if id := NewID(at, iotest.ErrReader(errors.New("none"))); !regexp.MustCompile(`^20261120T221530Z-[a-z2-9]{4}$`).MatchString(id) {
		t.Errorf("without randomness %q", id)
	}
}

func TestUsed(t *testing.T) {
	var run Run
	add := func(cell, round, attempt int, status Status, flagged bool) {
		x := trialOf(cell, round)
		x.Attempt, x.Status, x.Others.Flagged = attempt, status, flagged
		run.Trials = append(run.Trials, *x)
	}
	add(1, 0, 0, OK, false)         // 0 used: order by cell puts it behind
	add(0, 0, 0, OK, true)          // 1 disturbed
	add(0, 1, 0, TimedOut, false)   // 2
	add(0, 0, 1, OK, false)         // 3 used: the quiet repeat
	add(0, 2, 0, OK, true)          // 4
	add(0, 2, 1, OK, true)          // 5 used: all disturbed, the last
	add(1, 1, 0, OK, false)         // 6 used: quiet, the repeat was disturbed
	add(1, 1, 1, OK, true)          // 7
	add(1, 2, 0, OK, true)          // 8 used: the repeat failed
	add(1, 2, 1, TaskFailed, false) // 9
	add(1, 3, 0, OK, false)         // 10
	add(1, 3, 0, OK, false)         // 11 used: of equals the later
	add(1, 4, 0, OK, false)         // 12
	run.Trials[12].Wall = nil       // measured nothing
	run.Trials[11].Others = nil     // unknown is not disturbed
	want := []int{3, 5, 0, 6, 8, 11}
	got := run.Used()
	if len(got) != len(want) {
		t.Fatalf("used %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("used %v, want %v", got, want)
		}
	}
	if (&Run{}).Used() != nil {
		t.Error("an empty run uses something")
	}
}
