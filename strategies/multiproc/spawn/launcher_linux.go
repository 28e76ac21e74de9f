//go:build amd64 || arm64

package spawn

import (
	"errors"
	"os"
	"syscall"
	"unsafe"
)

// OpenLauncher makes a launcher, and tries it. An error says why there is none on this system: that it has no memory to give
// that can be executed as a file, for instance, or no /proc.
func OpenLauncher() (*Launcher, error) {
	image, err := MemoryFile("launcher")
	if err != nil {
		return nil, err
	}
	program := launcherProgram()
	if _, err := image.Write((*[unsafe.Sizeof(program)]byte)(unsafe.Pointer(&program))[:]); err != nil {
		_ = image.Close()
		return nil, err
	}
	l := &Launcher{image}
	// What cannot be there is said by the launcher, with an error that nothing before it would have.
	r := newRequest(&Command{Path: os.DevNull + "/nothing", NewGroup: true, Launcher: l})
	if err := r.start(); !errors.Is(err, syscall.ENOTDIR) {
		_ = image.Close()
		return nil, err
	}
	return l, nil
}

// launcherCode returns the address of the launcher's first instruction in this program.
func launcherCode() uintptr

// codeRoom is how many bytes are taken from there: the launcher, and something that is never reached.
const codeRoom = 512

// program is the least file that execve takes: the ELF header, two program headers, and the code, all of it mapped as one
// segment to be read and executed; and a stack that is not executed. See elf(5).
type program struct {
	ident                                                    [16]byte
	kind, machine                                            uint16
	version                                                  uint32
	entry, programHeaders, sectionHeaders                    uint64
	flags                                                    uint32
	size, programHeaderSize, programHeaderCount              uint16
	sectionHeaderSize, sectionHeaderCount, sectionNamesIndex uint16
	load, stack                                              segment
	code                                                     [codeRoom]byte
}

type segment struct {
	kind, flags                                    uint32
	offset, address, physical, inFile, size, align uint64
}

func launcherProgram() program {
	const (
		executable = 2 // ET_EXEC
		loaded     = 1 // PT_LOAD
		stack      = 0x6474e551
		x, w, r    = 1, 2, 4  // PF_X, PF_W, PF_R
		base       = 0x400000 // where it is mapped: a multiple of every page size
		align      = 0x10000  // the largest page size
		all        = uint64(unsafe.Sizeof(program{}))
	)
	address := launcherCode()
	return program{
		ident: [16]byte{0x7f, 'E', 'L', 'F', 2 /* 64 bits */, 1 /* little-endian */, 1 /* version */},
		kind:  executable, machine: elfMachine, version: 1,
		entry: base + uint64(unsafe.Offsetof(program{}.code)), programHeaders: uint64(unsafe.Offsetof(program{}.load)),
		size: uint16(unsafe.Offsetof(program{}.load)), programHeaderSize: uint16(unsafe.Sizeof(segment{})), programHeaderCount: 2,
		load:  segment{kind: loaded, flags: r | x, address: base, physical: base, inFile: all, size: all, align: align},
		stack: segment{kind: stack, flags: r | w},
		code:  **(**[codeRoom]byte)(unsafe.Pointer(&address)),
	}
}

// launched is what the launcher writes to descriptor 3: the layout is that of the assembly, and a pipe takes as much in one
// piece.
type launched struct {
	errno int64 // of a program that could not be executed, or 0
	pid   int64 // of the process, which is a child of this one; 0: there is none
}

// errLauncher says that the launcher did not end as it does.
var errLauncher = errors.New("spawn: the launcher was killed")

// launch starts what attr and the request say by the launcher, and returns the process's number.
func (r *request) launch(path string, args []string, attr *syscall.ProcAttr) (int, error) {
	if !r.cmd.NewGroup || r.cmd.NoDeathSignal || len(attr.Files) > 3 {
		return 0, errors.New("spawn: what a launcher starts leads a group, has the death signal, and descriptors 0 to 2 only")
	}
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		return 0, os.NewSyscallError("pipe2", err)
	}
	defer syscall.Close(ends[0])
	attr.Files = append(attr.Files, uintptr(ends[1]))
	attr.Sys.Setpgid, attr.Sys.PidFD = false, nil
	launcher, _, err := syscall.StartProcess(Path(r.cmd.Launcher.image), append([]string{path}, args...), attr)
	_ = syscall.Close(ends[1]) // the other one is the launcher's alone
	if err != nil {
		return 0, err
	}
	wait(launcher)
	var result launched
	n, err := syscall.Read(ends[0], (*[unsafe.Sizeof(result)]byte)(unsafe.Pointer(&result))[:])
	switch {
	case err != nil || n != int(unsafe.Sizeof(result)):
		return 0, errLauncher
	case result.errno != 0:
		if result.pid > 0 {
			wait(int(result.pid))
		}
		return 0, syscall.Errno(result.errno)
	}
	return int(result.pid), nil
}

// wait reaps a child that ends by itself at once.
func wait(pid int) {
	for {
		if _, err := syscall.Wait4(pid, nil, 0, nil); err != syscall.EINTR {
			return
		}
	}
}
