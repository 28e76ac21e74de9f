//go:build !linux || (!amd64 && !arm64)

package launch

import "github.com/parbench/parbench/strategies/multiproc/spawn"

// Open returns ErrUnavailable.
func Open() (*Launcher, error) { return nil, ErrUnavailable }

// Start returns ErrUnavailable.
func (l *Launcher) Start(spawn.Command) (*Process, error) { return nil, ErrUnavailable }

// State returns ErrUnavailable.
func (p *Process) State() (_ spawn.State, own bool, _ error) {
	return spawn.State{}, false, ErrUnavailable
}
