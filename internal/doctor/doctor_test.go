package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/parbench/parbench/internal/host"
)

// tree opens one of internal/host's machines, with files added or overridden.
func tree(t *testing.T, name string, extra map[string]string) *host.Machine {
	t.Helper()
	root := t.TempDir()
	files := make(map[string]string)
	if name != "" {
		a, err := txtar.ParseFile(filepath.Join("..", "host", "testdata", name+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			files[f.Name] = string(f.Data)
		}
	}
	for p, text := range extra {
		files[p] = text
	}
	for p, text := range files {
		p = filepath.Join(root, p)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return host.Open(root)
}

// summary is what tests compare: each check with its severity, where it is not ok.
func summary(r Report) map[string]Severity {
	out := make(map[string]Severity)
	for _, c := range r.Checks {
		if c.Severity != OK {
			out[c.Name] = c.Severity
		}
	}
	return out
}

// quiet leaves the noise figure out.
var quiet = Options{Noise: -1}

// without adds what no report has that was made from another machine's files and without the noise figure.
func without(m map[string]Severity) map[string]Severity {
	for _, n := range []string{"noise", "noise tail", "cpu spread", "others", "steal", "hardware counters", "trial group"} {
		m[n] = Unknown
	}
	return m
}

func TestMachines(t *testing.T) {
	for _, c := range []struct {
		name string
		want map[string]Severity
	}{
		{"server", map[string]Severity{
			"smt": Note, "governor": Warn, "turbo": Note, "cpu quota": Warn, "throttling": Warn, "huge pages": Note,
		}},
		{"laptop", map[string]Severity{
			"core types": Note, "smt": Note, "governor": Warn, "load": Warn, "memory": Note, "swap": Warn, "aslr": Note,
			"clock": Unknown,
		}},
		{"vm-cgroup1", map[string]Severity{
			"governor": Unknown, "turbo": Unknown, "load": Bad, "virtualisation": Note, "huge pages": Unknown, "aslr": Unknown,
		}},
		{"container", map[string]Severity{
			"smt": Unknown, "governor": Unknown, "turbo": Unknown, "cpu quota": Warn, "throttling": Bad, "virtualisation": Note,
			"clock": Unknown, "memory": Bad, "huge pages": Unknown, "aslr": Unknown, "interference meter": Note,
		}},
		{"cpuset", map[string]Severity{
			"cpus": Note, "smt": Note, "governor": Unknown, "turbo": Unknown, "cpu quota": Warn, "throttling": Unknown,
			"virtualisation": Note, "clock": Unknown, "memory": Unknown, "swap": Unknown, "huge pages": Unknown, "aslr": Unknown,
			"interference meter": Note,
		}},
		{"", map[string]Severity{
			"cpus": Unknown, "core types": Unknown, "smt": Unknown, "governor": Unknown, "turbo": Unknown,
			"virtualisation": Unknown, "clock": Unknown, "memory": Unknown, "swap": Unknown, "huge pages": Unknown,
			"aslr": Unknown, "interference meter": Warn,
		}},
	} {
		t.Run("machine="+c.name, func(t *testing.T) {
			r := Examine(context.Background(), tree(t, c.name, nil), quiet)
			if d := cmp.Diff(without(c.want), summary(r)); d != "" {
				t.Errorf("severities other than ok (-want +got):\n%s", d)
			}
			wellFormed(t, r)
		})
	}
}

// wellFormed checks what holds for every report.
func wellFormed(t *testing.T, r Report) {
	t.Helper()
	seen := make(map[string]bool)
	for _, c := range r.Checks {
		if c.Name == "" || c.Value == "" || seen[c.Name] {
			t.Errorf("check without a name or value, or twice: %+v", c)
		}
		seen[c.Name] = true
		if (c.Severity == Warn || c.Severity == Bad) && (c.Why == "" || c.Remedy == "" && c.Name != "clock") {
			t.Errorf("%s is %s without a reason or a remedy: %+v", c.Name, c.Severity, c)
		}
		for _, s := range []string{c.Name, c.Value, c.Why, c.Remedy} {
			if strings.ContainsAny(s, "\n\r\x1b") || strings.Contains(s, "NaN") || strings.Contains(s, "Inf") {
				t.Errorf("%s: %q is not plain text", c.Name, s)
			}
		}
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(r, back); d != "" {
		t.Errorf("JSON loses something (-want +got):\n%s", d)
	}
}

func TestTurboRemedyNamesTheSwitch(t *testing.T) {
	for _, c := range []struct {
		file, value, want string
	}{
		{"intel_pstate/no_turbo", "0", "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo"},
		{"cpufreq/boost", "1", "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost"},
	} {
		m := tree(t, "", map[string]string{"sys/devices/system/cpu/" + c.file: c.value})
		got, _ := Examine(context.Background(), m, quiet).Check("turbo")
		if got.Severity != Note || got.Remedy != c.want {
			t.Errorf("%s=%s: %+v", c.file, c.value, got)
		}
	}
}

func TestCountersAndGroup(t *testing.T) {
	for _, c := range []struct {
		paranoid string
		err      error
		severity Severity
		value    string // part of it
		remedy   string // part of it
	}{
		{"2", nil, OK, "available, perf_event_paranoid 2", ""},
		{"4", syscall.EACCES, Note, "perf_event_paranoid 4", "kernel.perf_event_paranoid=2"},
		{"1", syscall.EPERM, Note, "perf_event_paranoid 1", "--cap-add PERFMON"},
		{"2", syscall.ENOENT, Note, "none", ""},
		{"", syscall.ENOSYS, Note, "not in this kernel", ""},
		{"", host.ErrUnknown, Unknown, "unknown", ""},
	} {
		m := tree(t, "", map[string]string{"proc/sys/kernel/perf_event_paranoid": c.paranoid})
		opt := Options{Noise: -1, Counters: func() error { return c.err }}
		got, _ := Examine(context.Background(), m, opt).Check("hardware counters")
		if got.Severity != c.severity || !strings.Contains(got.Value, c.value) || !strings.Contains(got.Remedy, c.remedy) ||
			c.remedy == "" && got.Remedy != "" {
			t.Errorf("%v with paranoid %q: %+v", c.err, c.paranoid, got)
		}
	}
	for _, c := range []struct {
		err  error
		want Severity
	}{
		{nil, OK},
		{fmt.Errorf("make control group: %w", host.ErrNoGroup), Note},
		{errors.New("remove the control group: busy"), Warn},
	} {
		opt := Options{Noise: -1, Group: func() error { return c.err }}
		got, _ := Examine(context.Background(), tree(t, "", nil), opt).Check("trial group")
		if got.Severity != c.want {
			t.Errorf("%v: %+v", c.err, got)
		}
	}
}

// bench is a machine whose clock moves only when a loop runs.
type bench struct {
	at      time.Time
	own     time.Duration
	cpu     int
	perIter map[int]float64 // ns of an iteration, by CPU
	every   map[int]int     // on these CPUs each so many-th loop takes five times as long
	loops   int
	pinned  []int
	freed   int
}

func (b *bench) options(noise time.Duration) Options {
	return Options{
		Noise: noise,
		Now:   func() time.Time { return b.at },
		Own:   func() time.Duration { return b.own },
		Loop: func(n int) uint64 {
			b.loops++
			d := time.Duration(float64(n) * b.perIter[b.cpu])
			if e := b.every[b.cpu]; e > 0 && b.loops%e == 0 {
				d *= 5
			}
			b.at = b.at.Add(d)
			b.own += d
			return 1
		},
		Pin: func(cpu int) (func(), error) {
			b.cpu = cpu
			b.pinned = append(b.pinned, cpu)
			return func() { b.freed++ }, nil
		},
	}
}

func TestNoiseOfASteadyMachine(t *testing.T) {
	b := &bench{perIter: map[int]float64{0: 4, 1: 4}}
	r := Examine(context.Background(), tree(t, "vm-cgroup1", nil), b.options(400*time.Millisecond))
	wellFormed(t, r)
	if r.Noise == nil || len(r.Noise.CPUs) != 2 || b.freed != 2 {
		t.Fatalf("noise %+v, pinned %v, freed %d", r.Noise, b.pinned, b.freed)
	}
	for _, c := range r.Noise.CPUs {
		// A loop of 1 ms over 200 ms for each CPU.
		if c.Loops != 200 || c.MedianNS != 1e6 || c.CV != 0 || c.Tail != 1 {
			t.Errorf("CPU %d: %+v", c.CPU, c)
		}
	}
	for _, name := range []string{"noise", "noise tail", "cpu spread"} {
		if c, _ := r.Check(name); c.Severity != OK {
			t.Errorf("%+v", c)
		}
	}
}

// One CPU is slower and is stopped for four milliseconds in every tenth loop: each shows where it belongs.
func TestNoiseOfADisturbedMachine(t *testing.T) {
	b := &bench{perIter: map[int]float64{0: 4.4, 1: 4}, every: map[int]int{0: 10}}
	r := Examine(context.Background(), tree(t, "vm-cgroup1", nil), b.options(2*time.Second))
	wellFormed(t, r)
	var got CPUNoise
	for _, c := range r.Noise.CPUs {
		if c.CPU == 0 {
			got = c
		}
	}
	// Nine parts of 1 and one of 5: mean 1.4, variance (9·0.4² + 3.6²)/10 = 1.44, so the coefficient is 1.2/1.4.
	if math.Abs(got.CV-1.2/1.4) > 0.02 || got.Tail != 5 || math.Abs(got.MedianNS-1.1e6) > 1 {
		t.Errorf("CPU 0: %+v", got)
	}
	want := map[string]Severity{"noise": Bad, "noise tail": Bad, "cpu spread": Warn}
	for name, s := range want {
		c, _ := r.Check(name)
		if c.Severity != s || !strings.Contains(c.Value, "CPU 0") {
			t.Errorf("%+v, want %s and CPU 0 named", c, s)
		}
	}
	if r.Worst() != Bad {
		t.Errorf("Worst = %s", r.Worst())
	}
}

// Every usable CPU is measured, in the hand-out order.
func TestNoiseOfManyCPUs(t *testing.T) {
	b := &bench{perIter: map[int]float64{}}
	for id := range 8 {
		b.perIter[id] = 4
	}
	m := tree(t, "laptop", map[string]string{
		"sys/devices/system/cpu/online": "0-15", "proc/self/status": "Cpus_allowed_list:\t0-15\n",
	})
	for id := 8; id < 16; id++ {
		b.perIter[id] = 8
	}
	r := Examine(context.Background(), m, b.options(80*time.Millisecond))
	if len(r.Noise.CPUs) != 16 || r.Noise.Usable != 16 {
		t.Fatalf("%d CPUs of %d", len(r.Noise.CPUs), r.Noise.Usable)
	}
	u, err := m.Usable()
	if err != nil {
		t.Fatal(err)
	}
	if b.pinned[0] != u.CPUs[0] || b.pinned[len(b.pinned)-1] != u.CPUs[15] {
		t.Errorf("pinned %v of %v", b.pinned, u.CPUs)
	}
	if c, _ := r.Check("cpu spread"); c.Severity != Bad {
		t.Errorf("CPUs at half speed: %+v", c)
	}
}

// Others' CPU time and steal come from the counters, less this process's own.
func TestNoiseOthers(t *testing.T) {
	var clock time.Time
	var own time.Duration
	r := runner{
		now:   func() time.Time { return clock },
		loop:  func(int) uint64 { clock = clock.Add(time.Millisecond); return 0 },
		own:   func() time.Duration { own += 500 * time.Millisecond; return own },
		meter: &fakeMeter{},
	}
	got, err := r.measure(context.Background(), 1, 1, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	// Of 0.8 s in a window of 1 s, 0.5 s were this process's; 0.02 s were stolen.
	if got.Others == nil || math.Abs(*got.Others-0.3) > 1e-9 || got.Steal == nil || math.Abs(*got.Steal-0.02) > 1e-9 {
		t.Errorf("%+v", got)
	}
	n := &Noise{CPUs: []CPUNoise{got}, Source: host.SourceCgroup1, SpanNS: 1e9}
	if c := checkOthers(n); c.Severity != Warn || !strings.Contains(c.Value, "30.0 %") {
		t.Errorf("%+v", c)
	}
	if c := checkSteal(n); c.Severity != Warn || !strings.Contains(c.Value, "2.00 %") {
		t.Errorf("%+v", c)
	}
}

// A single tick of 10 ms is 2.7 % of a span of 375 ms, and proves nothing.
func TestSingleTicks(t *testing.T) {
	share := 10.0 / 375
	for _, c := range []struct {
		ticks         float64
		source        string
		steal, others Severity
	}{
		{0, host.SourceProcStat, OK, OK},
		{1, host.SourceProcStat, Note, Note},
		{2, host.SourceProcStat, Bad, Warn},
		{1.9, host.SourceCgroup2, Note, Warn}, // the groups' counters have no ticks
	} {
		x := c.ticks * share
		n := &Noise{SpanNS: 375e6, Source: c.source, CPUs: []CPUNoise{{Others: &x, Steal: &x}}}
		if s, o := checkSteal(n).Severity, checkOthers(n).Severity; s != c.steal || o != c.others {
			t.Errorf("%v ticks, %s: steal %s, others %s; want %s, %s", c.ticks, c.source, s, o, c.steal, c.others)
		}
	}
}

type fakeMeter struct{ n int64 }

func (*fakeMeter) Source() string { return host.SourceCgroup1 }

func (f *fakeMeter) Read([]int) (host.Sample, error) {
	f.n++
	return host.Sample{At: time.Unix(f.n, 0), TotalNS: f.n * 800e6, StealNS: f.n * 20e6, TickNS: 1}, nil
}

func TestNoiseFailures(t *testing.T) {
	m := tree(t, "vm-cgroup1", nil)
	b := &bench{perIter: map[int]float64{0: 4, 1: 4}}

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := Examine(ctx, m, b.options(time.Second))
	if c, _ := r.Check("noise"); c.Severity != Unknown || c.Why != "interrupted" {
		t.Errorf("cancelled: %+v", c)
	}
	wellFormed(t, r)

	opt := b.options(time.Second)
	opt.Pin = func(int) (func(), error) { return nil, syscall.EINVAL }
	if c, _ := Examine(context.Background(), m, opt).Check("noise"); c.Severity != Unknown || !strings.Contains(c.Why, "CPU 1") {
		t.Errorf("cannot pin: %+v", c)
	}

	opt = b.options(time.Second)
	opt.Now = func() time.Time { return time.Time{} }
	if c, _ := Examine(context.Background(), m, opt).Check("noise"); c.Severity != Unknown || !strings.Contains(c.Why, "clock") {
		t.Errorf("a clock that stands still: %+v", c)
	}

	// Interrupted on the second CPU: the first one's figure is kept, and the value says so.
	opt = b.options(time.Second)
	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	inner := opt.Pin
	opt.Pin = func(cpu int) (func(), error) {
		if len(b.pinned) > 0 && cpu == 0 {
			cancel()
		}
		return inner(cpu)
	}
	b.pinned = []int{1}
	r = Examine(ctx, m, opt)
	if c, _ := r.Check("noise"); r.Noise == nil || len(r.Noise.CPUs) != 1 || !strings.Contains(c.Value, "stopped after 1") {
		t.Errorf("interrupted: %+v, %+v", c, r.Noise)
	}
}

func TestSample(t *testing.T) {
	cpus := make([]int, 100)
	for i := range cpus {
		cpus[i] = i
	}
	if got, want := sample(cpus, 8), []int{0, 14, 28, 42, 56, 70, 84, 99}; !cmp.Equal(got, want) {
		t.Errorf("sample = %v, want %v", got, want)
	}
	if got := sample(cpus[:8], 8); !cmp.Equal(got, cpus[:8]) {
		t.Errorf("sample of 8 = %v", got)
	}
}

// The real thing, briefly: it ends, every usable CPU has a figure, and the affinity is as before.
func TestRealMachine(t *testing.T) {
	m := host.Open("")
	before, errBefore := m.Affinity()
	r := Examine(context.Background(), m, Options{Noise: time.Millisecond})
	after, errAfter := m.Affinity()
	if !cmp.Equal(before, after) || (errBefore == nil) != (errAfter == nil) {
		t.Errorf("affinity was %v, %v and is %v, %v", before, errBefore, after, errAfter)
	}
	wellFormed(t, r)
	u, err := m.Usable()
	if err != nil {
		t.Fatal(err)
	}
	if r.Noise == nil || len(r.Noise.CPUs) != min(len(u.CPUs), maxNoiseCPUs) {
		t.Fatalf("noise %+v over %v", r.Noise, u.CPUs)
	}
	for _, c := range r.Noise.CPUs {
		if c.Loops < minLoops || c.MedianNS <= 0 {
			t.Errorf("CPU %d: %+v", c.CPU, c)
		}
	}
}

// docs/doctor.md explains every check.
func TestDocumented(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "doctor.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Examine(context.Background(), tree(t, "", nil), quiet).Checks {
		text := string(doc)
		if !strings.Contains(text, "**"+c.Name) && !strings.Contains(text, ", "+c.Name+".**") && !strings.Contains(text, "`"+c.Name+"`") {
			t.Errorf("docs/doctor.md does not explain %q", c.Name)
		}
	}
}
