package command

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
)

// Of ptrace(2), where package syscall lacks them.
const (
	ptraceExitKill  = 0x100000 // PTRACE_O_EXITKILL
	ptraceTraceExit = 0x40     // PTRACE_O_TRACEEXIT
	ptraceTraceExec = 0x10     // PTRACE_O_TRACEEXEC: without it a program that replaces itself is sent a SIGTRAP, and dies of it
	eventExit       = 6        // PTRACE_EVENT_EXIT
)

// observePeak runs a program once more, without output, and returns the high-water mark of its memory in bytes as it stands
// at its end: a traced process stops there while its memory is still its own. It fails where tracing is not permitted, for a
// program that ends in another way than by itself, and for one that has waited for others, which may have needed more.
func observePeak(ctx context.Context, path string, args, env []string, input string) (int64, error) {
	files := make([]uintptr, 3)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	for i := range files {
		files[i] = null.Fd()
	}
	if input != "" {
		f, err := os.Open(input)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		files[0] = f.Fd()
	}
	type result struct {
		peak int64
		err  error
	}
	done := make(chan result)
	pids := make(chan int, 1)
	go func() {
		// Only the thread that started a traced process can follow it. The thread ends with the goroutine, and the signal at
		// its end with which the process would die finds nobody.
		runtime.LockOSThread()
		peak, err := trace(path, args, &syscall.ProcAttr{Env: env, Files: files,
			Sys: &syscall.SysProcAttr{Ptrace: true, Setpgid: true, Pdeathsig: syscall.SIGKILL}}, pids)
		done <- result{peak, err}
	}()
	var r result
	select {
	case r = <-done:
	case <-ctx.Done():
		select {
		case pid := <-pids:
			// Not reaped by anybody but the goroutine above, which may just have done so: a group's number is not handed out
			// again while a member lives, and otherwise there is nobody to kill.
			_ = syscall.Kill(-pid, syscall.SIGKILL)
			r = <-done
		case r = <-done:
		}
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return r.peak, r.err
}

// trace follows a program from its first instruction to its last.
func trace(path string, args []string, attr *syscall.ProcAttr, pids chan<- int) (int64, error) {
	pid, _, err := syscall.StartProcess(path, args, attr)
	if err != nil {
		return 0, err
	}
	pids <- pid
	defer func() { _ = syscall.Kill(-pid, syscall.SIGKILL) }() // what it has left in its group
	var peak int64
	first := true
	for {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(pid, &status, syscall.WALL, nil)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return 0, os.NewSyscallError("wait4", err)
		case status.Exited() && peak > 0:
			return peak, nil
		case status.Exited(), status.Signaled():
			return 0, fmt.Errorf("%s was not seen to end", path)
		}
		deliver := 0
		switch {
		case first: // stopped after execve
			first = false
			if err := syscall.PtraceSetOptions(pid, ptraceTraceExit|ptraceTraceExec|ptraceExitKill); err != nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
				continue
			}
		case status.StopSignal() == syscall.SIGTRAP && int(status)>>16 == eventExit:
			if !parent(pid) {
				peak = highWater(pid)
			}
		case int(status)>>16 != 0: // execve, which is no signal
		default:
			deliver = int(status.StopSignal())
		}
		if err := syscall.PtraceCont(pid, deliver); err != nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// parent reports whether a process has waited for a child: the page faults of those are then added to its own record, and
// nothing starts without any. Where that cannot be read it may have.
func parent(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return true
	}
	// Of proc_pid_stat(5), cminflt: the ninth field after the name, which is in parentheses and may contain anything.
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	return len(f) < 9 || string(f[8]) != "0"
}

// highWater reads a process's peak memory in bytes; 0 where it cannot be read.
func highWater(pid int) int64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(status, []byte("\nVmHWM:"))
	f := bytes.Fields(rest)
	if len(f) == 0 {
		return 0
	}
	kib, err := strconv.ParseInt(string(f[0]), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}
