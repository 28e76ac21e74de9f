//go:build !linux

package strategies

import (
	"context"
	"errors"
)

func systemClock() int64 { return 0 }

// threadOf knows no thread here.
func threadOf(context.Context) int64 { return 0 }

// board needs /proc; elsewhere there are no worker processes either.
type board struct{}

var errNoBoard = errors.New("worker processes cannot be watched on this system")

func newBoard() (*board, error)        { return nil, errNoBoard }
func openBoard(string) (*board, error) { return nil, errNoBoard }
func (*board) path() string            { return "" }
func (*board) spans() []Span           { return nil }
func (*board) every() *int64           { return new(int64) }
func (*board) close() error            { return nil }
