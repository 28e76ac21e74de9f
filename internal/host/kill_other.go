//go:build !unix

package host

// kill is not available here, and neither are control groups.
func kill(int) error { return ErrUnknown }
