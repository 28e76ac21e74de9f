//go:build !linux || (!amd64 && !arm64)

package spawn

// OpenLauncher returns ErrUnavailable.
func OpenLauncher() (*Launcher, error) { return nil, ErrUnavailable }
