//go:build !linux || (!amd64 && !arm64)

package multiproc

func faultVictim() {}
