//go:build !linux || (!amd64 && !arm64)

package launch

import "github.com/parbench/parbench/strategies/multiproc/spawn"

// Open returns ErrUnavailable.
func Open() (*Launcher, error) { return nil, ErrUnavailable }

// Run returns ErrUnavailable.
func (l *Launcher) Run(spawn.Command, func(*spawn.Child)) (_ spawn.State, own bool, _ error) {
	return spawn.State{}, false, ErrUnavailable
}
