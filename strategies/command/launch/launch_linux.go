//go:build amd64 || arm64

package launch

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"syscall"
	"unsafe"

	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// record is what the launcher writes to descriptor 3, Command.Extra[0]: the layout is that of the assembly.
type record struct {
	Errno  int64 // of a command that could not be started, or 0
	Status int64 // as of wait4(2)
	Usage  syscall.Rusage
}

const recordSize = 160

// The assembly depends on it, and a pipe takes as much in one piece.
var _ [recordSize]byte = [unsafe.Sizeof(record{})]byte{}

// code returns the address of the launcher's first instruction in this program.
func code() uintptr

// room is how many bytes are taken from there: the launcher, and something that is never reached.
const room = 512

// Open makes the launcher. An error says that this system has no memory that can be executed as a file to give.
func Open() (*Launcher, error) {
	image, err := spawn.MemoryFile("launcher")
	if err != nil {
		return nil, err
	}
	address := code()
	if _, err := image.Write(executable(unsafe.Slice(*(**byte)(unsafe.Pointer(&address)), room))); err != nil {
		_ = image.Close()
		return nil, err
	}
	return &Launcher{image}, nil
}

// executable wraps code in the least file that execve takes: the ELF header, two program headers, and the code, all of it
// mapped as one segment to be read and executed; and a stack that is not executed. See elf(5).
func executable(code []byte) []byte {
	const (
		base    = 0x400000 // where it is mapped: a multiple of every page size
		align   = 0x10000  // the largest page size
		headers = 64 + 2*56
	)
	var b bytes.Buffer
	put := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) } // a buffer takes everything
	put([16]byte{0x7f, 'E', 'L', 'F', 2 /* 64 bits */, 1 /* little-endian */, 1 /* version */})
	put([]uint16{2 /* ET_EXEC */, machine})
	put(uint32(1))
	put([]uint64{base + headers /* entry */, 64 /* program headers */, 0})
	put(uint32(0))
	put([]uint16{64, 56, 2, 64, 0, 0}) // sizes and counts of headers

	put([]uint32{1 /* PT_LOAD */, 4 | 1 /* PF_R, PF_X */})
	size := uint64(headers + len(code))
	put([]uint64{0, base, base, size, size, align})
	put([]uint32{0x6474e551 /* PT_GNU_STACK */, 4 | 2 /* PF_R, PF_W */})
	put([6]uint64{})
	b.Write(code)
	return b.Bytes()
}

// Run starts a command, which must not have Protocol or Extra, hands the launcher's process to started, and returns when
// both have ended: the launcher does when the command does, and killing either or, of a Command.NewGroup, the group kills
// both. The state is the command's, and its own, unless the launcher was killed. An error says that the command could not be
// started; then started may not have been called. See spawn.Run.
func (l *Launcher) Run(cmd spawn.Command, started func(*spawn.Child)) (_ spawn.State, own bool, _ error) {
	if cmd.Protocol || len(cmd.Extra) > 0 {
		return spawn.State{}, false, errors.New("launch: a command has descriptors 0 to 2 only")
	}
	r, w, err := os.Pipe()
	if err != nil {
		return spawn.State{}, false, err
	}
	defer r.Close()
	defer w.Close()
	path, args := cmd.Path, cmd.Args
	if len(args) == 0 {
		args = []string{path}
	}
	cmd.Path, cmd.Args = spawn.Path(l.image), append([]string{path}, args...)
	cmd.Extra = []*os.File{w}
	var launcher *spawn.Child
	if err := spawn.Run(cmd, func(c *spawn.Child) { launcher = c; started(c) }); err != nil {
		return spawn.State{}, false, err
	}
	w.Close() // the other one was the launcher's, which has ended
	var result record
	if _, err := io.ReadFull(r, (*[recordSize]byte)(unsafe.Pointer(&result))[:]); err != nil {
		state, err := launcher.Wait(context.Background())
		return state, false, err
	}
	if result.Errno != 0 {
		return spawn.State{}, false, &os.PathError{Op: "start", Path: path, Err: syscall.Errno(result.Errno)}
	}
	return spawn.Ended(syscall.WaitStatus(result.Status), result.Usage), true, nil
}
