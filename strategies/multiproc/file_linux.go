package multiproc

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/parbench/parbench/strategies/multiproc/shm"
)

// A file crosses in three steps. The sender makes a listening Unix socket with a name that the kernel chooses (an abstract
// one: unix(7), autobind), and puts a message in the pipe: a random token and that name. The receiver connects and shows
// the token. The sender hands it the descriptor (SCM_RIGHTS) if the token is right and the peer is of the same user.
// /proc/PID/fd, by which handles cross, would give another open file in place of the same one, and no socket at all.

const (
	fileToken = 16
	// fileNap is how long SendFile waits before it looks whether there is still a receiver.
	fileNap = 50 * time.Millisecond
	// fileTalk bounds the talk with somebody who has connected and says nothing.
	fileTalk = time.Second
)

// unixSocket makes a non-blocking socket that keeps message boundaries.
func unixSocket() (int, error) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	return fd, os.NewSyscallError("socket", err)
}

// randomToken returns bytes that nobody else knows.
func randomToken() ([]byte, error) {
	f, err := os.Open("/dev/urandom")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, fileToken)
	_, err = f.Read(b)
	return b, err
}

// sendFile offers f through the queue and waits until it has been taken.
func sendFile(ctx context.Context, q *sharedQueue, f *os.File) error {
	file, err := f.SyscallConn() // not Fd, which makes the file blocking
	if err == nil {
		err = file.Control(func(uintptr) {}) // it is open
	}
	if err != nil {
		return err
	}
	token, err := randomToken()
	if err != nil {
		return err
	}
	fd, err := unixSocket()
	if err != nil {
		return err
	}
	ln := os.NewFile(uintptr(fd), "unix socket")
	defer ln.Close()
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	if err := syscall.Listen(fd, 8); err != nil {
		return os.NewSyscallError("listen", err)
	}
	addr, err := syscall.Getsockname(fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	name := addr.(*syscall.SockaddrUnix).Name
	if err := q.putMarked(ctx, true, nil, append(appendString(token[:fileToken:fileToken], name), f.Name()...), fileMark); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = ln.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	conn, err := ln.SyscallConn()
	if err != nil {
		return err
	}
	for {
		_ = ln.SetReadDeadline(time.Now().Add(fileNap))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var peer int
		var failed error
		err := conn.Read(func(fd uintptr) bool {
			peer, _, failed = syscall.Accept4(int(fd), syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK)
			return !errors.Is(failed, syscall.EAGAIN)
		})
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			if err := q.deserted(); err != nil {
				return err
			}
		case err != nil:
			return err
		case failed == nil:
			if err := handFile(peer, token, file); err == nil {
				return nil
			}
		case errors.Is(failed, syscall.ECONNABORTED), errors.Is(failed, syscall.EINTR):
		default:
			return os.NewSyscallError("accept", failed)
		}
	}
}

// deserted returns ErrClosed where nobody will receive what is in the queue.
func (q *sharedQueue) deserted() error {
	if q.detached.Load() {
		return ErrClosed
	}
	if q.check != nil {
		q.check()
	}
	if q.h.closed.Load() != 0 {
		return ErrClosed
	}
	return nil
}

var errStranger = errors.New("multiproc: who has connected is not the receiver")

// handFile gives the file to the process at the other end of the socket, if it is the one that the file is for.
func handFile(peer int, token []byte, file syscall.RawConn) error {
	c := os.NewFile(uintptr(peer), "unix socket")
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(fileTalk))
	cred, err := syscall.GetsockoptUcred(peer, syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	if err != nil {
		return err
	}
	if cred.Uid != uint32(os.Getuid()) {
		return errStranger
	}
	shown := make([]byte, fileToken+1)
	n, err := c.Read(shown)
	if err != nil {
		return err
	}
	differ := byte(0)
	for i := range token {
		differ |= token[i] ^ shown[i]
	}
	if n != fileToken || differ != 0 {
		return errStranger
	}
	var failed error
	err = file.Control(func(fd uintptr) {
		failed = syscall.Sendmsg(peer, []byte{1}, syscall.UnixRights(int(fd)), nil, syscall.MSG_NOSIGNAL)
	})
	return errors.Join(err, os.NewSyscallError("sendmsg", failed))
}

// recvFile takes the file of a message.
func recvFile(ctx context.Context, msg []byte) (*os.File, error) {
	if len(msg) < fileToken {
		return nil, errDamaged
	}
	name, file, ok := takeString(msg[fileToken:])
	if !ok {
		return nil, errDamaged
	}
	fd, err := unixSocket()
	if err != nil {
		return nil, err
	}
	c := os.NewFile(uintptr(fd), "unix socket")
	defer c.Close()
	if err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: name}); err != nil {
		return nil, &shm.GoneError{Err: os.NewSyscallError("connect", err)}
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := c.Write(msg[:fileToken]); err != nil {
		return nil, &shm.GoneError{Err: err}
	}
	got := -1
	conn, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var failed error
	err = conn.Read(func(fd uintptr) bool {
		got, failed = takeRights(int(fd))
		return !errors.Is(failed, syscall.EAGAIN)
	})
	switch {
	case ctx.Err() != nil && got < 0:
		return nil, ctx.Err()
	case err != nil || failed != nil:
		return nil, &shm.GoneError{Err: errors.Join(err, failed)}
	}
	return os.NewFile(uintptr(got), string(file)), nil
}

var errNoRights = errors.New("no descriptor came with the message")

// takeRights receives one descriptor.
func takeRights(fd int) (int, error) {
	oob := make([]byte, syscall.CmsgSpace(4))
	_, n, _, _, err := syscall.Recvmsg(fd, make([]byte, 1), oob, syscall.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, err
	}
	list, err := syscall.ParseSocketControlMessage(oob[:n])
	if err != nil || len(list) != 1 {
		return -1, errors.Join(errNoRights, err)
	}
	fds, err := syscall.ParseUnixRights(&list[0])
	if err != nil || len(fds) != 1 {
		return -1, errors.Join(errNoRights, err)
	}
	return fds[0], nil
}
