package host

// cpuid executes the CPUID instruction for a leaf, with sub-leaf 0.
func cpuid(leaf uint32) (eax, ebx, ecx, edx uint32)

// hypervisorVendor returns the 12 bytes with which a hypervisor names itself (leaf 0x40000000; the kernel
// documents KVM's in Documentation/virt/kvm/x86/cpuid.rst); empty on bare metal. Each CPUID traps
// to the hypervisor, so two are all that is asked.
func hypervisorVendor() string {
	const present = 1 << 31 // of ECX, leaf 1
	if _, _, ecx, _ := cpuid(1); ecx&present == 0 {
		return ""
	}
	_, b, c, d := cpuid(0x40000000)
	out := make([]byte, 0, 12)
	for _, r := range []uint32{b, c, d} {
		out = append(out, byte(r), byte(r>>8), byte(r>>16), byte(r>>24))
	}
	return string(out)
}
