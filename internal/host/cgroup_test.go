package host

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQuota(t *testing.T) {
	for _, c := range []struct {
		name  string
		extra map[string]string
		want  float64
	}{
		{"server", nil, 6},
		{"laptop", nil, 0},
		{"vm-cgroup1", nil, 0},
		{"vm-cgroup1", map[string]string{"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000"}, 2.5},
		{"container", nil, 1.5},
		{"cpuset", nil, 4},
		{"", nil, 0},
		// Hybrid: the v1 controller and the v2 hierarchy both count, the tighter one wins.
		{"vm-cgroup1", map[string]string{
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000", "sys/fs/cgroup/unified/cpu.max": "50000 100000",
		}, 0.5},
		{"container", map[string]string{"sys/fs/cgroup/cpu.max": "nonsense"}, 0},
		{"container", map[string]string{"sys/fs/cgroup/cpu.max": "100000 0"}, 0},
		{"container", map[string]string{"sys/fs/cgroup/cpu.max": "-5 100000"}, 0},
		// A path that leads out of the namespace counts as the mount point.
		{"container", map[string]string{"proc/self/cgroup": "0::/../other\n"}, 1.5},
		// A mount point with a space, as mountinfo escapes it.
		{"container", map[string]string{
			"proc/self/mountinfo":      "1 2 0:3 / /sys/fs/my\\040groups rw - cgroup2 none rw\n",
			"sys/fs/my groups/cpu.max": "300000 100000",
		}, 3},
	} {
		got, ok := tree(t, c.name, c.extra).Quota()
		if got != c.want || ok != (c.want > 0) {
			t.Errorf("%q with %v: Quota = %v, %v; want %v", c.name, c.extra, got, ok, c.want)
		}
	}
}

func TestThrottle(t *testing.T) {
	for _, c := range []struct {
		name string
		want Throttle
		ok   bool
	}{
		{"server", Throttle{Periods: 1000, Throttled: 30, NS: 1_500_000_000}, true},
		{"container", Throttle{Periods: 200, Throttled: 50, NS: 2_500_000_000}, true},
		{"vm-cgroup1", Throttle{}, true},
		{"", Throttle{}, false},
	} {
		got, ok := tree(t, c.name, nil).Throttle()
		if ok != c.ok || !cmp.Equal(got, c.want) {
			t.Errorf("%q: Throttle = %+v, %v; want %+v, %v", c.name, got, ok, c.want, c.ok)
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	for _, c := range []struct {
		name  string
		extra map[string]string
		want  int64
	}{
		{"server", nil, 16 << 30},
		{"container", nil, 256 << 20},
		{"vm-cgroup1", nil, 12884901888},
		// No limit in v1 is a number near 2^63.
		{"vm-cgroup1", map[string]string{"sys/fs/cgroup/memory/service/job/memory.limit_in_bytes": "9223372036854771712"}, 0},
		// More than there is limits nothing.
		{"container", map[string]string{"sys/fs/cgroup/memory.max": "99999999999999"}, 0},
		{"", nil, 0},
	} {
		if got := tree(t, c.name, c.extra).Memory().Limit; got != c.want {
			t.Errorf("%q with %v: limit %d, want %d", c.name, c.extra, got, c.want)
		}
	}
}

// FuzzMalformed puts arbitrary text where the kernel's files are: every answer is allowed, a panic is not.
func FuzzMalformed(f *testing.F) {
	for _, s := range []string{
		"", "\n", "0-3\n", "max 100000\n", "cpu 1 2 3\ncpu0 1 2 3 4 5 6 7 8\n", "processor : 0\nflags : fpu hypervisor\n",
		"1 2 0:3 / /sys/fs/cgroup rw - cgroup2 none rw\n", "0::/a/b\n", "2:cpu,cpuacct:/x\n", "1 2 0:3 /../.. relative - cgroup cgroup cpu\n",
		"9223372036854775807", "-9223372036854775808 1", "NaN", "processor: 70000\nprocessor:x\n", " - \n", "usage_usec -1\n", "Cpus_allowed_list:\n",
	} {
		f.Add(s, "0::/\n", "1 2 0:3 / /sys/fs/cgroup rw - cgroup2 none rw\n")
		f.Add("0-1", s, "1 2 0:3 / /sys/fs/cgroup rw - cgroup cgroup rw,cpu,cpuacct,memory\n")
		f.Add("0-1", "3:cpu,cpuacct,memory:/\n0::/\n", s)
	}
	f.Fuzz(func(t *testing.T, text, cgroup, mounts string) {
		files := map[string]string{"proc/self/cgroup": cgroup, "proc/self/mountinfo": mounts, "proc/1/cgroup": cgroup}
		for _, p := range []string{
			"proc/cpuinfo", "proc/stat", "proc/self/status", "proc/meminfo", "proc/loadavg", "sys/devices/system/cpu/online",
			"sys/devices/system/cpu/cpu0/topology/core_cpus_list", "sys/devices/system/cpu/cpu0/cpu_capacity",
			"sys/devices/system/cpu/cpu0/cache/index0/level", "sys/devices/system/cpu/cpu0/cache/index0/size",
			"sys/devices/system/cpu/cpu0/cache/index0/shared_cpu_list", "sys/devices/system/node/node0/cpulist",
			"sys/fs/cgroup/cpu.max", "sys/fs/cgroup/cpu.cfs_quota_us", "sys/fs/cgroup/cpu.cfs_period_us", "sys/fs/cgroup/cpu.stat",
			"sys/fs/cgroup/cpuacct.usage", "sys/fs/cgroup/memory.max", "sys/fs/cgroup/release_agent", "sys/fs/cgroup/cgroup.procs",
			"sys/fs/cgroup/child/cpu.stat", "sys/kernel/mm/transparent_hugepage/enabled",
		} {
			files[p] = text
		}
		m := tree(t, "", files)
		m.Environment()
		m.Throttle()
		m.Mhz([]int{0})
		m.LLCShare()
		if q, ok := m.Quota(); ok && !(q > 0) {
			t.Errorf("a quota of %v cores", q)
		}
		if u, err := m.Usable(); err == nil && (u.Cores < 1 || u.Cores > len(u.CPUs)) {
			t.Errorf("Usable = %+v", u)
		}
		meter := m.NewMeter()
		if s, err := meter.Read([]int{0}); err == nil && (meter.Source() == "" || s.TickNS <= 0) {
			t.Errorf("source %q gives %+v", meter.Source(), s)
		}
	})
}
