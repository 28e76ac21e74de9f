//go:build !linux

package spawn

import (
	"context"
	"syscall"
	"time"
)

// Start returns ErrUnavailable: this operating system has no parent-death signal.
func Start(Command) (*Child, error) { return nil, ErrUnavailable }

// Run returns ErrUnavailable.
func Run(Command, func(*Child)) error { return ErrUnavailable }

// Signal returns ErrUnavailable.
func (*Child) Signal(syscall.Signal) error { return ErrUnavailable }

// Kill returns ErrUnavailable.
func (*Child) Kill() error { return ErrUnavailable }

// Reap returns ErrUnavailable.
func (*Child) Reap(context.Context) error { return ErrUnavailable }

// EndOrphans does nothing here.
func (*Child) EndOrphans(time.Duration) {}

// EndOrphans does nothing here.
func EndOrphans(time.Duration) {}

// ReapOrphans does nothing here.
func ReapOrphans() {}

// KillAll does nothing here.
func KillAll() {}

// BecomeSubreaper returns ErrUnavailable.
func BecomeSubreaper() error { return ErrUnavailable }

// Lifeline does nothing here: no process of this package can be a child on this operating system.
func Lifeline(int, func()) {}

// CloseOnExec does nothing here, for the same reason.
func CloseOnExec(...int) {}

// CloseInherited does nothing here, for the same reason.
func CloseInherited() {}

// ShowName does nothing here, for the same reason.
func ShowName(string) {}
