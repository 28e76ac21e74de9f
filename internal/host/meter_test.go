package host

import (
	"errors"
	"testing"
	"time"
)

func TestMeterSources(t *testing.T) {
	for _, c := range []struct {
		name  string
		extra map[string]string
		want  string
	}{
		{"server", nil, SourceCgroup2},
		{"laptop", nil, SourceCgroup2},
		{"vm-cgroup1", nil, SourceCgroup1},
		// The only root that a container sees is its own; the kernel marks it.
		{"container", nil, SourceProcStat},
		{"cpuset", nil, SourceProcStat},
		// Nor is it when the container has an init system and groups of its own.
		{"container", map[string]string{
			"proc/self/cgroup": "0::/inner\n", "proc/1/cgroup": "0::/init.scope\n", "sys/fs/cgroup/inner/cpu.stat": "usage_usec 1\n",
		}, SourceProcStat},
		{"", nil, ""},
		// Without an init system the processes are in the root group itself, and its children tell nothing.
		{"server", map[string]string{"proc/1/cgroup": "0::/\n"}, SourceProcStat},
		// lxcfs writes its own /proc/stat; gVisor's says that nothing ever ran.
		{"container", map[string]string{"proc/self/mountinfo": "9 8 0:7 / /proc/stat rw - fuse.lxcfs lxcfs rw\n"}, ""},
		{"container", map[string]string{"proc/stat": "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\n"}, ""},
		{"container", map[string]string{"proc/stat": "cpu  1 2 x 4 5 6 7 8\n"}, ""},
	} {
		if got := tree(t, c.name, c.extra).NewMeter().Source(); got != c.want {
			t.Errorf("%q with %v: source %q, want %q", c.name, c.extra, got, c.want)
		}
	}
}

func read(t *testing.T, m Meter, cpus ...int) Sample {
	t.Helper()
	s, err := m.Read(cpus)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMeterRootGroup(t *testing.T) {
	s := read(t, tree(t, "vm-cgroup1", nil).NewMeter(), 1)
	if s.TotalNS != 199120674856 || s.StealNS != 140e6 || s.TickNS != 1 || s.At.IsZero() {
		t.Errorf("sample %+v", s)
	}
}

// From /proc/stat only the given CPUs count: user, nice, system, irq and softirq, not idle, iowait, steal or guest.
func TestMeterProcStat(t *testing.T) {
	m := tree(t, "container", map[string]string{"proc/stat": "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 4 100 100 8 16 32 64 64\ncpu1 1 0 0 0 0 0 0 1 0 0\nintr 5\ncpu2 9 9 9 9 9 9 9 9\n"}).NewMeter()
	tick := int64(10 * time.Millisecond)
	if s := read(t, m, 0); s.TotalNS != 31*tick || s.StealNS != 32*tick || s.TickNS != tick {
		t.Errorf("CPU 0: %+v", s)
	}
	if s := read(t, m, 0, 1); s.TotalNS != 32*tick || s.StealNS != 33*tick {
		t.Errorf("CPUs 0 and 1: %+v", s)
	}
	if s := read(t, m); s.TotalNS != 45*tick {
		t.Errorf("all CPUs: %+v", s)
	}
	if _, err := m.Read([]int{2}); !errors.Is(err, ErrUnknown) {
		t.Errorf("a CPU that is not listed: %v", err)
	}
}

// Over the v2 root's children a reading adds what each gained; groups may come and go.
func TestMeterChildren(t *testing.T) {
	m := tree(t, "server", nil)
	meter := m.NewMeter()
	before := read(t, meter, 1)
	put(t, m.root, "sys/fs/cgroup/system.slice/cpu.stat", "usage_usec 40000700\n")
	put(t, m.root, "sys/fs/cgroup/new.slice/cpu.stat", "usage_usec 300\n")
	put(t, m.root, "sys/fs/cgroup/init.scope/cpu.stat", "usage_usec 5\n") // another group under an old name
	after := read(t, meter, 1)
	if got := after.TotalNS - before.TotalNS; got != 1_000_000 {
		t.Errorf("gained %d ns, want 1 ms: 700 us of system.slice and 300 us of a new group", got)
	}
	if after.StealNS != 10e6 || after.TickNS != 1000 {
		t.Errorf("sample %+v", after)
	}
	put(t, m.root, "sys/fs/cgroup/init.scope/cpu.stat", "usage_usec 15\n")
	if got := read(t, meter, 1).TotalNS - after.TotalNS; got != 10_000 {
		t.Errorf("gained %d ns, want 10 us", got)
	}
}

// A process that works moves the real machine's counters.
func TestMeterReal(t *testing.T) {
	m := Open("")
	meter := m.NewMeter()
	if meter.Source() == "" {
		if _, err := meter.Read(nil); !errors.Is(err, ErrUnknown) {
			t.Errorf("a meter without a source: %v", err)
		}
		return
	}
	first := read(t, meter)
	own := ProcessCPU(0)
	deadline := time.Now().Add(time.Minute)
	var x uint64
	for {
		for range 1_000_000 {
			x = x*6364136223846793005 + 1442695040888963407
		}
		if s := read(t, meter); s.TotalNS > first.TotalNS && ProcessCPU(0) > own {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after a minute of work (%d) %s has not moved", x, meter.Source())
		}
	}
}

func BenchmarkMeterRead(b *testing.B) {
	m := Open("").NewMeter()
	if m.Source() == "" {
		b.Skip("no meter on this machine")
	}
	for b.Loop() {
		if _, err := m.Read([]int{0}); err != nil {
			b.Fatal(err)
		}
	}
}
