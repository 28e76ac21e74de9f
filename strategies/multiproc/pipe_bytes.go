package multiproc

import (
	"context"
	"errors"
	"os"
	"strconv"
	"unsafe"
)

// ErrFileMessage is what receiving returns where the next message is a file and bytes were asked for, or the other way
// round. The message stays where it is.
var ErrFileMessage = errors.New("multiproc: the next message is of the other kind; RecvFile receives files, RecvBytes and RecvInto bytes")

// ShortBufferError says that a message is larger than the buffer of RecvInto. The message is in Data, whole.
type ShortBufferError struct{ Data []byte }

func (e *ShortBufferError) Error() string {
	return "multiproc: message of " + strconv.Itoa(len(e.Data)) + " bytes does not fit into the buffer; it is in the error's Data"
}

// ByteSender is the end of a pipe that sends bytes and files. It moves to another process as a Sender does. Safe for
// concurrent use; must not be copied.
type ByteSender struct{ pipeEnd[[]byte] }

// ByteReceiver is the end of a pipe that receives bytes and files. It moves to another process as a Receiver does.
type ByteReceiver struct{ pipeEnd[[]byte] }

// TakeHandle implements Passable.
func (e *ByteSender) TakeHandle(b []byte) ([]byte, error) { return e.take(b, refSender) }

// TakeHandle implements Passable.
func (e *ByteReceiver) TakeHandle(b []byte) ([]byte, error) { return e.take(b, refReceiver) }

var (
	_ Passable = (*ByteSender)(nil)
	_ Passable = (*ByteReceiver)(nil)
)

// NewBytePipe makes a pipe as NewPipe does, for bytes: each message is copied once on either side and nothing is added
// to it. It passes open files too.
func NewBytePipe(opts ...QueueOption) (*ByteReceiver, *ByteSender, error) {
	r, s := new(ByteReceiver), new(ByteSender)
	if err := openPipe(&r.pipeEnd, &s.pipeEnd, opts); err != nil {
		return nil, nil, err
	}
	return r, s, nil
}

// SendBytes sends b, which may be empty, as one message. The errors are those of Sender.Send.
func (e *ByteSender) SendBytes(ctx context.Context, b []byte) error {
	if err := e.usable(); err != nil {
		return err
	}
	return e.q.s.put(ctx, true, b)
}

// SendFile sends an open file as one message, in its turn among the others, and returns when the other side has it: the
// same open file, with its position and mode, under another descriptor. f stays open and the caller's. What is shared is
// that file alone: it goes through a Unix socket that exists for the moment and lets in nobody else. Both processes need
// the same user and network namespace.
//
// The error is ErrClosed when the other end is closed or its process has died; ErrMoved; both ErrFull and that of ctx
// where the message had no room, or that of ctx alone: the other side will then get an error in the file's place.
func (e *ByteSender) SendFile(ctx context.Context, f *os.File) error {
	if err := e.usable(); err != nil {
		return err
	}
	return sendFile(ctx, e.q.s, f)
}

// RecvBytes receives the next message. The errors are those of Receiver.Recv, and ErrFileMessage.
func (e *ByteReceiver) RecvBytes(ctx context.Context) ([]byte, error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	b, err := e.q.s.get(ctx, true, []byte{})
	return b, e.ended(err)
}

// RecvInto receives the next message into buf and returns its length. A message that is larger than buf is a
// *ShortBufferError that has it. The other errors are those of RecvBytes.
func (e *ByteReceiver) RecvInto(ctx context.Context, buf []byte) (int, error) {
	if err := e.usable(); err != nil {
		return 0, err
	}
	b, err := e.q.s.get(ctx, true, buf[:0:len(buf)])
	if err != nil {
		return 0, e.ended(err)
	}
	if len(b) > 0 && unsafe.SliceData(b) != unsafe.SliceData(buf) {
		return 0, &ShortBufferError{b}
	}
	return len(b), nil
}

// RecvFile receives a file that SendFile has sent; the caller closes it. The errors are those of RecvBytes, and a
// *shm.GoneError when the sender has given up or died meanwhile.
func (e *ByteReceiver) RecvFile(ctx context.Context) (*os.File, error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	b, err := e.q.s.getMarked(ctx, true, target{}, fileMark)
	if err != nil {
		return nil, e.ended(err)
	}
	return recvFile(ctx, b)
}

// Poll is that of Receiver.
func (e *ByteReceiver) Poll(ctx context.Context) bool { return e.poll(ctx) }

// Ready is that of Receiver.
func (e *ByteReceiver) Ready(ctx context.Context) <-chan struct{} { return e.ready(ctx) }

// ByteConn is one end of a byte pipe for both directions. It is Passable as a whole. Safe for concurrent use.
type ByteConn struct {
	out *ByteSender
	in  *ByteReceiver
}

// NewByteDuplex makes two connected ends; see NewBytePipe.
func NewByteDuplex(opts ...QueueOption) (*ByteConn, *ByteConn, error) {
	ra, sa, err := NewBytePipe(opts...)
	if err != nil {
		return nil, nil, err
	}
	rb, sb, err := NewBytePipe(opts...)
	if err != nil {
		return nil, nil, errors.Join(err, ra.Close(), sa.Close())
	}
	return &ByteConn{sa, rb}, &ByteConn{sb, ra}, nil
}

// SendBytes is that of ByteSender.
func (c *ByteConn) SendBytes(ctx context.Context, b []byte) error { return c.out.SendBytes(ctx, b) }

// SendFile is that of ByteSender.
func (c *ByteConn) SendFile(ctx context.Context, f *os.File) error { return c.out.SendFile(ctx, f) }

// RecvBytes is that of ByteReceiver.
func (c *ByteConn) RecvBytes(ctx context.Context) ([]byte, error) { return c.in.RecvBytes(ctx) }

// RecvInto is that of ByteReceiver.
func (c *ByteConn) RecvInto(ctx context.Context, buf []byte) (int, error) {
	return c.in.RecvInto(ctx, buf)
}

// RecvFile is that of ByteReceiver.
func (c *ByteConn) RecvFile(ctx context.Context) (*os.File, error) { return c.in.RecvFile(ctx) }

// Poll is that of Receiver.
func (c *ByteConn) Poll(ctx context.Context) bool { return c.in.Poll(ctx) }

// Ready is that of Receiver.
func (c *ByteConn) Ready(ctx context.Context) <-chan struct{} { return c.in.Ready(ctx) }

// Close closes both directions.
func (c *ByteConn) Close() error { return errors.Join(c.out.Close(), c.in.Close()) }
