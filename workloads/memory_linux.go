package workloads

import (
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

// madvHugepage is MADV_HUGEPAGE of <asm-generic/mman-common.h>; package syscall has no name for it.
const madvHugepage = 14

// mapFloats returns n zeros outside the Go heap and the function that gives them back. Large pages are asked for because
// many systems grant them only on request, and a fault per 4 KiB page makes set-up about ten times as long. What is
// refused here would be refused to the heap, whose answer is to end the process; so it is an error.
func mapFloats(n int) ([]float64, func() error, error) {
	mem, err := syscall.Mmap(-1, 0, n*8, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, nil, os.NewSyscallError("mmap of "+strconv.Itoa(n*8)+" bytes", err)
	}
	_ = syscall.Madvise(mem, madvHugepage) // advice: small pages work as well, only slower
	floats := unsafe.Slice((*float64)(unsafe.Pointer(unsafe.SliceData(mem))), n)
	return floats, func() error { return syscall.Munmap(mem) }, nil
}
