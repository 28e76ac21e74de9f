//go:build !linux

package multiproc

import "syscall"

// No child exists on these systems: see spawn.ErrUnavailable.

func addNice(int) error                 { return nil }
func limitMemory(int64) error           { return nil }
func signalTree(*child, syscall.Signal) {}
func affinity() []int                   { return nil }
func endFamily(func(int) bool)          {}
func isPipe(int) bool                   { return false }
func tradeDeathSignal()                 {}
