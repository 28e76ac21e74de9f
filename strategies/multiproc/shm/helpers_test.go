package shm

import "unsafe"

func addr(p *uint32) uintptr { return uintptr(unsafe.Pointer(p)) }
