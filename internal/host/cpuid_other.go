//go:build !amd64

package host

// hypervisorVendor is not available here; other evidence is used.
func hypervisorVendor() string { return "" }
