#include "textflag.h"

// The launcher: a program of its own, copied from here into one. It has no stack but what the kernel gave it, no data and
// no relocations. Its arguments are the path of a program and the argument vector of that; see execve(2) for what lies on
// the stack. Registers that the kernel keeps: all but AX (the result, or a negative errno), CX and R11.
//
//	R12 path   R13 its argument vector   BX environment   R14 what to report, below the stack pointer   R9 parent
TEXT launcher<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ 0(SP), BX
	MOVQ 8(SP), R12
	LEAQ 16(SP), R13
	LEAQ 16(SP)(BX*8), BX
	LEAQ -64(SP), R14
	XORL AX, AX
	MOVQ AX, 0(R14) // errno
	MOVQ AX, 8(R14) // pid

	MOVL $72, AX // fcntl(3, F_SETFD, FD_CLOEXEC)
	MOVL $3, DI
	MOVL $2, SI
	MOVL $1, DX
	SYSCALL

	MOVL $110, AX // getppid()
	SYSCALL
	MOVQ AX, R9

	// clone(CLONE_PARENT|CLONE_VM|CLONE_VFORK|SIGCHLD): a sibling, in which all memory is the launcher's, which waits for
	// its execve.
	MOVL $56, AX
	MOVL $0xc111, DI
	XORL SI, SI
	XORL DX, DX
	XORL R10, R10
	XORL R8, R8
	SYSCALL
	TESTQ AX, AX
	JMI failed
	JNE started

	MOVL $109, AX // setpgid(0, 0)
	XORL DI, DI
	XORL SI, SI
	SYSCALL

	MOVL $157, AX // prctl(PR_SET_PDEATHSIG, SIGKILL)
	MOVL $1, DI
	MOVL $9, SI
	SYSCALL

	// The signal comes from the parent of now. Whose parent has changed has lost its own before it could ask for that.
	MOVL $110, AX // getppid()
	SYSCALL
	CMPQ AX, R9
	JNE  ended

	MOVL $59, AX // execve(path, argument vector, environment)
	MOVQ R12, DI
	MOVQ R13, SI
	MOVQ BX, DX
	SYSCALL
	NEGQ AX
	MOVQ AX, 0(R14)

ended:
	MOVL $231, AX // exit_group(127)
	MOVL $127, DI
	SYSCALL

failed:
	NEGQ AX
	MOVQ AX, 0(R14)
	JMP  report

started:
	MOVQ AX, 8(R14)

report:
	MOVL $1, AX // write(3, what to report, 16)
	MOVL $3, DI
	MOVQ R14, SI
	MOVL $16, DX
	SYSCALL

	MOVL $231, AX // exit_group(0)
	XORL DI, DI
	SYSCALL
	INT  $3

// func launcherCode() uintptr
TEXT ·launcherCode(SB), NOSPLIT, $0-8
	LEAQ launcher<>(SB), AX
	MOVQ AX, ret+0(FP)
	RET
