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

// Start starts a command, which must not have Protocol or Extra. It fails where the launcher cannot be started; that the
// command cannot is for State to say.
func (l *Launcher) Start(cmd spawn.Command) (*Process, error) {
	if cmd.Protocol || len(cmd.Extra) > 0 {
		return nil, errors.New("launch: a command has descriptors 0 to 2 only")
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	p := &Process{command: cmd, report: r}
	args := cmd.Args
	if len(args) == 0 {
		args = []string{cmd.Path}
	}
	cmd.Path, cmd.Args = spawn.Path(l.image), append([]string{cmd.Path}, args...)
	cmd.Extra = []*os.File{w}
	if p.Child, err = spawn.Start(cmd); err != nil {
		_ = r.Close()
		return nil, err
	}
	return p, nil
}

// State waits for the launcher's end and says how the command ended and what it used. Own is false where that is not
// known, because the launcher was killed: the state is the launcher's then. The error says that the command could not be
// started.
func (p *Process) State() (_ spawn.State, own bool, _ error) {
	defer p.report.Close()
	state, err := p.Wait(context.Background())
	if err != nil {
		return state, false, err
	}
	var b [recordSize]byte
	// The other end is the launcher's alone, which has ended.
	if _, err := io.ReadFull(p.report, b[:]); err != nil {
		return state, false, nil
	}
	r := (*record)(unsafe.Pointer(&b))
	if r.Errno != 0 {
		return state, false, &os.PathError{Op: "start", Path: p.command.Path, Err: syscall.Errno(r.Errno)}
	}
	return spawn.Ended(syscall.WaitStatus(r.Status), r.Usage), true, nil
}
