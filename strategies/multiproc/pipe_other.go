//go:build !linux

package multiproc

func growPipe(uintptr) {}
