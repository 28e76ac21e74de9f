package host

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/parbench/parbench/results"
)

// Environment collects what the numbers depend on: every field of results.Environment except Programs and UsableCores,
// which the harness knows. What the machine does not tell stays at its zero value. It takes milliseconds: the clock is measured, and each
// CPU's files are read.
func (m *Machine) Environment() results.Environment {
	e := results.Environment{
		OS:             runtime.GOOS,
		Arch:           runtime.GOARCH,
		Kernel:         m.Setting("/proc/sys/kernel/osrelease"),
		CPUModel:       m.cpuModel(),
		Turbo:          m.turbo(),
		SMT:            onOff(m.Setting(cpuDir + "smt/active")),
		Virtualisation: m.Virtualisation(),
		Clock:          m.Setting("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
		Load1:          m.Load1(),
		THP:            selected(m.Setting("/sys/kernel/mm/transparent_hugepage/enabled")),
		BootID:         m.bootID(),
	}
	if t, err := m.Topology(); err == nil {
		e.Governor = m.governor(t)
		e.Sockets, e.PhysicalCores, e.LogicalCPUs = t.Packages, t.Cores, len(t.CPUs)
		for _, c := range t.CPUs {
			e.MaxMHz = max(e.MaxMHz, float64(m.number(cpuPath(c.ID, "cpufreq/cpuinfo_max_freq"), 0))/1e3)
		}
		for _, c := range m.caches(t.CPUs[0].ID) {
			e.Caches = append(e.Caches, results.Cache{Level: c.level, Bytes: c.bytes, Shared: len(c.cpus)})
		}
	}
	if u, err := m.Usable(); err == nil {
		e.UsableCPUs, e.QuotaCores = u.CPUs, u.Quota
	}
	mem := m.Memory()
	e.MemoryBytes, e.MemoryLimit, e.SwapBytes = mem.Total, mem.Limit, mem.SwapTotal
	e.ClockCostNS, e.ClockStepNS = m.Clock()
	return e
}

// cpuModel names the processor: x86 and others say it in /proc/cpuinfo; Arm gives part numbers, so a device tree's model
// is preferred there.
func (m *Machine) cpuModel() string {
	info := m.cpuinfo()
	for _, e := range info {
		if e.model != "" {
			return e.model
		}
	}
	if s := strings.TrimRight(m.Setting("/proc/device-tree/model"), "\x00"); s != "" {
		return s
	}
	if len(info) > 0 {
		return info[0].part
	}
	return ""
}

// governor returns the frequency governor of all online CPUs, "mixed" where they differ.
func (m *Machine) governor(t Topology) string {
	all := ""
	for _, c := range t.CPUs {
		g := m.Setting(cpuPath(c.ID, "cpufreq/scaling_governor"))
		switch {
		case g == "":
		case all == "":
			all = g
		case all != g:
			return "mixed"
		}
	}
	return all
}

// turbo returns on, off or empty, from intel_pstate or from the generic boost switch.
func (m *Machine) turbo() string {
	switch m.Setting(cpuDir + "intel_pstate/no_turbo") {
	case "0":
		return "on"
	case "1":
		return "off"
	}
	for _, p := range []string{cpuDir + "cpufreq/boost", cpuDir + "cpufreq/policy0/boost"} {
		if s := onOff(m.Setting(p)); s != "" {
			return s
		}
	}
	return ""
}

// onOff turns a switch's 1 and 0 into words.
func onOff(s string) string {
	switch s {
	case "1":
		return "on"
	case "0":
		return "off"
	}
	return ""
}

// selected returns the bracketed word of a setting such as "always [madvise] never".
func selected(s string) string {
	_, s, _ = strings.Cut(s, "[")
	s, _, ok := strings.Cut(s, "]")
	if !ok {
		return ""
	}
	return s
}

// bootID returns 16 hexadecimal digits that are equal for the same boot and tell nothing else.
func (m *Machine) bootID() string {
	id := m.Setting("/proc/sys/kernel/random/boot_id")
	if id == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:8])
}

// hypervisors maps CPUID vendor names to the names people use.
var hypervisors = map[string]string{
	"KVMKVMKVM":    "kvm",
	"Linux KVM Hv": "kvm",
	"Microsoft Hv": "hyperv",
	"VMwareVMware": "vmware",
	"XenVMMXenVMM": "xen",
	"TCGTCGTCGTCG": "qemu",
	"VBoxVBoxVBox": "virtualbox",
	"bhyve bhyve":  "bhyve",
	"ACRNACRNACRN": "acrn",
	"prl hyperv":   "parallels",
	"lrpepyh vr":   "parallels",
	"VirtualApple": "apple",
}

// firmware maps what virtual machines' firmware says of itself to the names people use.
var firmware = []struct{ text, name string }{
	{"KVM", "kvm"}, {"QEMU", "qemu"}, {"VMware", "vmware"}, {"VirtualBox", "virtualbox"}, {"innotek", "virtualbox"},
	{"Xen", "xen"}, {"Bochs", "bochs"}, {"Parallels", "parallels"}, {"BHYVE", "bhyve"}, {"Google Compute Engine", "kvm"},
	{"OpenStack", "kvm"}, {"Virtual Machine", "hyperv"}, {"Firecracker", "kvm"},
}

// Virtualisation names the hypervisor and the kind of container, "kvm+docker" for both, "none" where the processor says
// that there is no hypervisor; empty for unknown.
func (m *Machine) Virtualisation() string {
	vm, container := m.hypervisor(), m.container()
	switch {
	case container == "":
		return vm
	case vm == "" || vm == "none":
		return container
	}
	return vm + "+" + container
}

// hypervisor returns the hypervisor's name, "vm" for one without a name, "none" or empty.
func (m *Machine) hypervisor() string {
	if m.Real() {
		if v := strings.TrimRight(hypervisorVendor(), "\x00 "); v != "" {
			if name, ok := hypervisors[strings.TrimSpace(v)]; ok {
				return name
			}
			return "vm"
		}
	}
	if m.Setting("/sys/hypervisor/type") == "xen" {
		return "xen"
	}
	info := m.cpuinfo()
	flagged := slices.ContainsFunc(info, func(e cpuEntry) bool { return e.has("hypervisor") })
	x86 := slices.ContainsFunc(info, func(e cpuEntry) bool { return e.has("fpu") })
	// On x86 the flag decides: cloud vendors' firmware says the same on their bare-metal machines.
	if flagged || !x86 {
		dmi := m.Setting("/sys/class/dmi/id/product_name") + " " + m.Setting("/sys/class/dmi/id/sys_vendor")
		for _, f := range firmware {
			if strings.Contains(dmi, f.text) {
				return f.name
			}
		}
		if s := m.Setting("/proc/device-tree/hypervisor/compatible"); strings.Contains(s, "kvm") {
			return "kvm"
		}
	}
	switch {
	case flagged:
		return "vm"
	case x86:
		return "none"
	}
	return ""
}

// container returns the kind of container this process is in, as far as it shows; empty for none.
func (m *Machine) container() string {
	for _, p := range m.ownPaths() {
		for _, k := range []struct{ text, name string }{
			{"/kubepods", "kubernetes"}, {"/libpod-", "podman"}, {"/docker/", "docker"}, {"/docker-", "docker"},
			{"/lxc/", "lxc"}, {"/lxc.payload", "lxc"}, {"/cri-containerd", "containerd"},
		} {
			if strings.Contains(p, k.text) {
				return k.name
			}
		}
	}
	if m.initialNamespaces() {
		return "" // a virtual machine booted from a container image still has the image's marker files
	}
	switch {
	case m.exists("/.dockerenv"):
		return "docker"
	case m.exists("/run/.containerenv"):
		return "podman"
	case m.exists("/var/run/secrets/kubernetes.io"):
		return "kubernetes"
	}
	return m.Setting("/run/systemd/container")
}

// initialNamespaces reports whether this process is in the kernel's first process and host-name namespaces, whose inode
// numbers are fixed (include/uapi/linux/nsfs.h and include/linux/proc_ns.h: PROC_PID_INIT_INO, PROC_UTS_INIT_INO).
func (m *Machine) initialNamespaces() bool {
	for ns, first := range map[string]string{"pid": "pid:[4026531836]", "uts": "uts:[4026531838]"} {
		if l, err := os.Readlink(m.path("/proc/self/ns/" + ns)); err != nil || l != first {
			return false
		}
	}
	return true
}
