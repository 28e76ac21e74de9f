package host

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/parbench/parbench/results"
)

func TestEnvironment(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		name string
		want results.Environment
	}{
		{"server", results.Environment{
			Kernel: "6.8.0-45-generic", CPUModel: "Intel(R) Xeon(R) Gold 6438N", Sockets: 2, PhysicalCores: 4, LogicalCPUs: 8,
			UsableCPUs: []int{2, 3, 1, 4, 6, 7, 5, 0}, QuotaCores: 6, MaxMHz: 3700,
			Caches: []results.Cache{
				{Level: 1, Bytes: 48 << 10, Shared: 2}, {Level: 2, Bytes: 2 << 20, Shared: 2}, {Level: 3, Bytes: 60 << 20, Shared: 4},
			},
			MemoryBytes: 263856128 << 10, MemoryLimit: 16 * gib, SwapBytes: 8388604 << 10,
			Governor: "mixed", Turbo: "on", SMT: "on", Virtualisation: "none", Clock: "tsc", Load1: 0.12, THP: "always",
			// printf %s 0a1b2c3d-0000-4000-8000-123456789abc | sha256sum | cut -c1-16
			BootID: "e09ed30321be38bd",
		}},
		{"laptop", results.Environment{
			CPUModel: "12th Gen Intel(R) Core(TM) i5-1235U", Sockets: 1, PhysicalCores: 6, LogicalCPUs: 8,
			UsableCPUs: []int{1, 2, 3, 0, 4, 5, 6, 7}, MaxMHz: 4700,
			Caches: []results.Cache{
				{Level: 1, Bytes: 48 << 10, Shared: 2}, {Level: 2, Bytes: 1280 << 10, Shared: 2}, {Level: 3, Bytes: 12 << 20, Shared: 8},
			},
			MemoryBytes: 16000000 << 10, SwapBytes: 2000000 << 10,
			Governor: "powersave", Turbo: "off", SMT: "on", Virtualisation: "none", Load1: 1.5, THP: "madvise",
		}},
		{"vm-cgroup1", results.Environment{
			CPUModel: "Intel(R) Xeon(R) Processor", Sockets: 1, PhysicalCores: 2, LogicalCPUs: 2, UsableCPUs: []int{1, 0},
			Caches: []results.Cache{
				{Level: 1, Bytes: 48 << 10, Shared: 1}, {Level: 2, Bytes: 2 << 20, Shared: 1}, {Level: 3, Bytes: 260 << 20, Shared: 2},
			},
			MemoryBytes: 24684092 << 10, MemoryLimit: 12 * gib, SMT: "off", Virtualisation: "kvm", Clock: "tsc", Load1: 2,
		}},
		{"container", results.Environment{
			CPUModel: "AMD EPYC 7763 64-Core Processor", Sockets: 1, PhysicalCores: 4, LogicalCPUs: 4,
			UsableCPUs: []int{2, 3, 1, 0}, QuotaCores: 1.5,
			Caches: []results.Cache{
				{Level: 1, Bytes: 32 << 10, Shared: 1}, {Level: 2, Bytes: 512 << 10, Shared: 1}, {Level: 3, Bytes: 32 << 20, Shared: 2},
			},
			MemoryBytes: 8000000 << 10, MemoryLimit: 256 << 20, Virtualisation: "vm+docker",
		}},
		{"cpuset", results.Environment{
			Sockets: 1, PhysicalCores: 8, LogicalCPUs: 16, UsableCPUs: []int{4, 5, 6, 1, 2, 8, 12, 13, 14, 0}, QuotaCores: 4,
			Caches: []results.Cache{
				{Level: 1, Bytes: 32 << 10, Shared: 2}, {Level: 3, Bytes: 32 << 20, Shared: 8},
			},
			Virtualisation: "docker",
		}},
		{"", results.Environment{}},
	} {
		t.Run("machine="+c.name, func(t *testing.T) {
			got := tree(t, c.name, nil).Environment()
			// The clock, the system and the architecture are those of the running process.
			ignore := cmpopts.IgnoreFields(results.Environment{}, "OS", "Arch", "ClockCostNS", "ClockStepNS")
			if d := cmp.Diff(c.want, got, ignore); d != "" {
				t.Errorf("Environment (-want +got):\n%s", d)
			}
			if _, err := json.Marshal(got); err != nil {
				t.Errorf("the environment is not valid JSON: %v", err)
			}
		})
	}
}

func TestLLCShare(t *testing.T) {
	for name, want := range map[string]int64{"server": 15 << 20, "laptop": 1536 << 10, "vm-cgroup1": 130 << 20, "container": 16 << 20, "": 0} {
		if got := tree(t, name, nil).LLCShare(); got != want {
			t.Errorf("%q: LLCShare = %d, want %d", name, got, want)
		}
	}
}

// The frequency is told only where it is measured: from cpufreq, or from cpuinfo without a hypervisor.
func TestMhz(t *testing.T) {
	for _, c := range []struct {
		name string
		cpus []int
		want float64
	}{
		{"server", []int{0, 1}, 2050},
		{"server", nil, 0},
		{"laptop", []int{1}, 1100.5},
		{"vm-cgroup1", []int{0, 1}, 0},
		{"", []int{0}, 0},
	} {
		if got := tree(t, c.name, nil).Mhz(c.cpus); got != c.want {
			t.Errorf("%q: Mhz(%v) = %v, want %v", c.name, c.cpus, got, c.want)
		}
	}
}

func TestHypervisorByFirmware(t *testing.T) {
	for _, c := range []struct{ vendor, product, flags, want string }{
		{"Amazon EC2", "m5.metal", "fpu", "none"},
		{"Google", "Google Compute Engine", "fpu", "none"}, // a bare-metal machine of the same vendor
		{"Amazon EC2", "m5.large", "fpu hypervisor", "vm"},
		{"VMware, Inc.", "VMware Virtual Platform", "fpu hypervisor", "vmware"},
		{"Microsoft Corporation", "Virtual Machine", "fpu hypervisor", "hyperv"},
		// Arm has no such flag, so the firmware alone speaks, or nothing does.
		{"QEMU", "KVM Virtual Machine", "asimd", "kvm"},
		{"Ampere", "Altra", "asimd", ""},
	} {
		m := tree(t, "", map[string]string{
			"sys/class/dmi/id/sys_vendor": c.vendor, "sys/class/dmi/id/product_name": c.product,
			"proc/cpuinfo": "processor\t: 0\nflags\t: " + c.flags + "\n",
		})
		if got := m.Virtualisation(); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func TestClock(t *testing.T) {
	var at time.Time
	calls := 0
	cost, step := clock(func() time.Time {
		// Every fourth reading moves, by 28 ns: 7 ns a reading on average.
		if calls++; calls%4 == 0 {
			at = at.Add(28)
		}
		return at
	})
	if cost != 7 || step != 28 {
		t.Errorf("clock = %v ns, steps of %d ns; want 7 and 28", cost, step)
	}
	if cost, step = clock(func() time.Time { return at }); cost != 0 || step != 0 {
		t.Errorf("a clock that stands still: %v, %d", cost, step)
	}
}
