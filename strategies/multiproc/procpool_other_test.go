//go:build !linux

package multiproc

import "testing"

func needProcesses(t *testing.T) { t.Skip("worker processes need Linux") }

func victim() {}

func replaced() {}
