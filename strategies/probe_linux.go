package strategies

import (
	"context"
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

// clockMonotonic is CLOCK_MONOTONIC of linux/time.h.
const clockMonotonic = 1

// systemClock reads the clock that Go's own readings come from, in nanoseconds.
func systemClock() int64 {
	var ts syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		return 0
	}
	return ts.Nano()
}

// threadOf identifies the thread that runs a task: the worker, where each has one of its own.
func threadOf(context.Context) int64 { return int64(syscall.Gettid()) }

// board is where the tasks of worker processes are stamped: memory that they share with the trial. Its first word says
// which tasks are picked.
type board struct {
	file *os.File // nil in a worker
	mem  []byte
}

// boardSpans is how many stamps a board has room for; its memory is taken as it is used.
const (
	boardSpans = 1 << 16
	boardHead  = 64
	boardSize  = boardHead + boardSpans*int(unsafe.Sizeof(Span{}))
)

// newBoard makes a board. It has no name from the beginning, so that it is gone with the processes that hold it.
func newBoard() (*board, error) {
	var f *os.File
	var err error
	for _, dir := range []string{"/dev/shm", ""} {
		if f, err = os.CreateTemp(dir, "parbench-probe-"); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if err = os.Remove(f.Name()); err == nil {
		err = f.Truncate(int64(boardSize))
	}
	b := &board{file: f}
	if err == nil {
		b.mem, err = mapBoard(f)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return b, nil
}

func mapBoard(f *os.File) ([]byte, error) {
	return syscall.Mmap(int(f.Fd()), 0, boardSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
}

// path is how a worker finds the board.
func (b *board) path() string {
	return "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(int(b.file.Fd()))
}

// openBoard is the worker's side of newBoard.
func openBoard(path string) (*board, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := &board{}
	b.mem, err = mapBoard(f)
	return b, err
}

// spans are the board's stamps.
func (b *board) spans() []Span {
	return unsafe.Slice((*Span)(unsafe.Pointer(&b.mem[boardHead])), boardSpans)
}

// every is the board's first word: each so manyth task is stamped.
func (b *board) every() *int64 { return (*int64)(unsafe.Pointer(&b.mem[0])) }

func (b *board) close() error {
	err := syscall.Munmap(b.mem)
	if b.file != nil {
		_ = b.file.Close() // nothing was written to it that anybody reads
	}
	return err
}
