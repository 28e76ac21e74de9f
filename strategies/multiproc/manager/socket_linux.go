package manager

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// Sockets are used through system calls and os.File, not through package net, which would delay the start of every
// process of the program.

// listener is a listening socket.
type listener struct {
	f    *os.File
	raw  syscall.RawConn
	path string // of its file; empty for an abstract address
}

// sockaddr returns the system's form of an address: "@name" has no file, anything else is a path.
func sockaddr(addr string) (*syscall.SockaddrUnix, error) {
	return &syscall.SockaddrUnix{Name: addr}, checkAddress(addr)
}

func newSocket() (int, error) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	return fd, os.NewSyscallError("socket", err)
}

// listen binds a socket. A file that a dead manager has left is replaced, one that somebody listens at is not.
func listen(addr string) (*listener, error) {
	sa, err := sockaddr(addr)
	if err != nil {
		return nil, err
	}
	fd, err := newSocket()
	if err != nil {
		return nil, err
	}
	l := &listener{}
	if addr[0] != '@' {
		l.path = addr
		_ = syscall.Fchmod(fd, 0o600) // the mode of the file that bind makes
	}
	err = syscall.Bind(fd, sa)
	if errors.Is(err, syscall.EADDRINUSE) && l.path != "" && stale(addr) {
		_ = syscall.Unlink(addr)
		err = syscall.Bind(fd, sa)
	}
	if err == nil {
		err = syscall.Listen(fd, 128)
	}
	if err != nil {
		_ = syscall.Close(fd)
		return nil, &os.PathError{Op: "listen", Path: addr, Err: err}
	}
	l.f = os.NewFile(uintptr(fd), "manager")
	if l.raw, err = l.f.SyscallConn(); err != nil {
		_ = l.f.Close()
		return nil, err
	}
	return l, nil
}

// stale reports whether nobody listens at the socket with that path.
func stale(path string) bool {
	if st, err := os.Lstat(path); err != nil || st.Mode()&os.ModeSocket == 0 {
		return false
	}
	f, err := dial(context.Background(), path)
	if err == nil {
		_ = f.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// accept waits for a connection until close.
func (l *listener) accept() (*os.File, error) {
	for {
		var fd int
		var err error
		if e := l.raw.Read(func(s uintptr) bool {
			fd, _, err = syscall.Accept4(int(s), syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
			return !again(err)
		}); e != nil {
			return nil, os.ErrClosed // the only reason
		}
		if err == nil {
			return os.NewFile(uintptr(fd), "manager"), nil
		}
		if !errors.Is(err, syscall.ECONNABORTED) {
			return nil, os.NewSyscallError("accept4", err)
		}
	}
}

func (l *listener) close() {
	if l.path != "" {
		_ = syscall.Unlink(l.path)
	}
	_ = l.f.Close()
}

// dial connects. Where the other side has no room for another connection at the moment it tries again until ctx ends.
func dial(ctx context.Context, addr string) (*os.File, error) {
	sa, err := sockaddr(addr)
	if err != nil {
		return nil, err
	}
	fd, err := newSocket()
	if err != nil {
		return nil, err
	}
	for {
		if err = syscall.Connect(fd, sa); err == nil {
			return os.NewFile(uintptr(fd), "manager"), nil
		}
		if again(err) { // its backlog is full, and there is nothing to wait for but time
			select {
			case <-time.After(time.Millisecond):
				continue
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		_ = syscall.Close(fd)
		return nil, &os.PathError{Op: "connect", Path: addr, Err: err}
	}
}

// again says that a call has to be made again, now or later.
func again(err error) bool { return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR) }

// sameUser checks that the process at the other end belongs to the user that this one does, and returns its pid.
func sameUser(f *os.File) (pid int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *syscall.Ucred
	if e := raw.Control(func(fd uintptr) {
		cred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); e != nil {
		return 0, e
	}
	if err != nil {
		return 0, os.NewSyscallError("getsockopt", err)
	}
	if int(cred.Uid) != os.Geteuid() {
		return 0, errOtherUser
	}
	return int(cred.Pid), nil
}

// sendWith sends b, together with a descriptor where file is not nil.
func sendWith(f *os.File, b []byte, file *os.File) error {
	if file == nil {
		_, err := f.Write(b)
		return err
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	rights := syscall.UnixRights(int(file.Fd()))
	if e := raw.Write(func(fd uintptr) bool {
		err = syscall.Sendmsg(int(fd), b, rights, nil, syscall.MSG_NOSIGNAL)
		return !again(err)
	}); e != nil {
		return e
	}
	return os.NewSyscallError("sendmsg", err)
}

// recvWith receives what sendWith has sent: exactly len(b) bytes, and the descriptor if there is one.
func recvWith(f *os.File, b []byte) (*os.File, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var n, oobn int
	oob := make([]byte, syscall.CmsgSpace(4*4))
	if e := raw.Read(func(fd uintptr) bool {
		n, oobn, _, _, err = syscall.Recvmsg(int(fd), b, oob, syscall.MSG_CMSG_CLOEXEC)
		return !again(err)
	}); e != nil {
		return nil, e
	}
	if err != nil {
		return nil, os.NewSyscallError("recvmsg", err)
	}
	var files []*os.File
	if msgs, err := syscall.ParseSocketControlMessage(oob[:oobn]); err == nil {
		for i := range msgs {
			fds, _ := syscall.ParseUnixRights(&msgs[i])
			for _, fd := range fds {
				files = append(files, os.NewFile(uintptr(fd), "arena"))
			}
		}
	}
	for len(files) > 1 {
		_ = files[len(files)-1].Close()
		files = files[:len(files)-1]
	}
	if n < len(b) {
		err = readFull(f, b[n:])
	}
	if len(files) == 0 {
		return nil, err
	}
	if err != nil {
		_ = files[0].Close()
		return nil, err
	}
	return files[0], nil
}

// tryWrite writes what the socket takes now.
func tryWrite(raw syscall.RawConn, b []byte) (n int, err error) {
	e := raw.Write(func(fd uintptr) bool {
		for n < len(b) {
			var k int
			k, err = syscall.SendmsgN(int(fd), b[n:], nil, nil, syscall.MSG_NOSIGNAL|syscall.MSG_DONTWAIT)
			if err != nil && !errors.Is(err, syscall.EINTR) {
				break
			}
			n += max(k, 0)
		}
		return true
	})
	if e != nil {
		return n, e
	}
	if errors.Is(err, syscall.EAGAIN) {
		err = nil
	}
	return n, err
}

// osYield lets another thread have the CPU.
func osYield() { _, _, _ = syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0) }
