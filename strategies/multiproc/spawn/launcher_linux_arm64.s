#include "textflag.h"

// The launcher: a program of its own, copied from here into one. It has no stack but what the kernel gave it, no data and
// no relocations. Its arguments are the path of a program and the argument vector of that; see execve(2) for what lies on
// the stack. Registers that the kernel keeps: all but R0 (the result, or a negative errno).
//
//	R19 path   R20 its argument vector   R21 environment   R22 what to report, below the stack pointer   R23 parent
TEXT launcher<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVD RSP, R9
	MOVD 0(R9), R10
	MOVD 8(R9), R19
	ADD  $16, R9, R20
	ADD  R10<<3, R20, R21
	SUB  $64, R9, R22
	MOVD ZR, 0(R22) // errno
	MOVD ZR, 8(R22) // pid

	MOVD $25, R8 // fcntl(3, F_SETFD, FD_CLOEXEC)
	MOVD $3, R0
	MOVD $2, R1
	MOVD $1, R2
	SVC

	MOVD $173, R8 // getppid()
	SVC
	MOVD R0, R23

	// clone(CLONE_PARENT|CLONE_VM|CLONE_VFORK|SIGCHLD): a sibling, in which all memory is the launcher's, which waits for
	// its execve.
	MOVD $220, R8
	MOVD $0xc111, R0
	MOVD ZR, R1
	MOVD ZR, R2
	MOVD ZR, R3
	MOVD ZR, R4
	SVC
	CMP  $0, R0
	BLT  failed
	BNE  started

	MOVD $154, R8 // setpgid(0, 0)
	MOVD ZR, R0
	MOVD ZR, R1
	SVC

	MOVD $167, R8 // prctl(PR_SET_PDEATHSIG, SIGKILL)
	MOVD $1, R0
	MOVD $9, R1
	SVC

	// The signal comes from the parent of now. Whose parent has changed has lost its own before it could ask for that.
	MOVD $173, R8 // getppid()
	SVC
	CMP  R23, R0
	BNE  ended

	MOVD $221, R8 // execve(path, argument vector, environment)
	MOVD R19, R0
	MOVD R20, R1
	MOVD R21, R2
	SVC
	NEG  R0, R0
	MOVD R0, 0(R22)

ended:
	MOVD $94, R8 // exit_group(127)
	MOVD $127, R0
	SVC

failed:
	NEG  R0, R0
	MOVD R0, 0(R22)
	B    report

started:
	MOVD R0, 8(R22)

report:
	MOVD $64, R8 // write(3, what to report, 16)
	MOVD $3, R0
	MOVD R22, R1
	MOVD $16, R2
	SVC

	MOVD $94, R8 // exit_group(0)
	MOVD ZR, R0
	SVC
	BRK

// func launcherCode() uintptr
TEXT ·launcherCode(SB), NOSPLIT, $0-8
	MOVD $launcher<>(SB), R0
	MOVD R0, ret+0(FP)
	RET
