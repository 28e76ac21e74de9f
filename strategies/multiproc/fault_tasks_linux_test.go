//go:build amd64 || arm64

package multiproc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/parbench/parbench/strategies/multiproc/shm"
	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// What the processes of the fault tests do. Each checks what it gets, and returns an error that is no crash if it was
// damaged.

var errDamage = errors.New("damaged")

// faultTask is a task of a pool.
type faultTask struct {
	ID, Size int
	Do       string
	In       []byte // pattern(ID, Size) where Do is "echo"
}

func fnFault(_ context.Context, f faultTask) ([]byte, error) {
	switch f.Do {
	case "echo":
		if !bytes.Equal(f.In, pattern(f.ID, f.Size)) {
			return nil, errDamage
		}
	case "make":
	case "sleep":
		time.Sleep(time.Duration(f.ID%2000) * time.Microsecond)
	case "spin":
		for { //nolint:staticcheck // until its timeout
		}
	case "fail":
		return nil, quotaError{"fault", f.ID}
	case "panic":
		panic(f.ID)
	case "die":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "torn": // part of a result, and the end
		b := appendHeader(nil, frameResult, 1)
		b = append(b, pattern(f.ID, f.Size)...)
		sealFrame(b, 0)
		b = b[:f.ID%len(b)]
		for len(b) > 0 {
			n, err := rawWrite(spawn.FDOut, b)
			if err != nil {
				break
			}
			b = b[n:]
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "foreign": // a frame that has no place here
		b := appendFailure(appendHeader(nil, frameFailed, 0), failError, "x", "not mine to say", "", nil)
		sealFrame(b, 0)
		_, _ = rawWrite(spawn.FDOut, b)
		select {}
	case "garbage": // no frame at all
		_, _ = rawWrite(spawn.FDOut, bytes.Repeat([]byte{0xa5}, headerSize+f.ID%100))
		select {}
	}
	return pattern(f.ID, f.Size), nil
}

// faultShare is what the processes beside the pool share.
type faultShare struct {
	Mutex *shm.Mutex
	RW    *shm.RWMutex
	Sem   *shm.BoundedSemaphore
	Stop  *shm.Event
	Pairs *shm.Array[int64] // 0 and 1 behind Mutex, 2 and 3 behind RW: equal outside
	Queue *Queue[blob]
	Conn  *ByteConn
	Do    string
}

// repaired returns after making the pair equal if its lock says that it may not be.
func repaired(pair []int64, st shm.LockState) error {
	if st == shm.OwnerDied {
		pair[1] = pair[0]
	} else if pair[0] != pair[1] {
		return errDamage
	}
	return nil
}

func step(pair []int64, st shm.LockState) error {
	if err := repaired(pair, st); err != nil {
		return err
	}
	pair[0]++
	if pair[0]%8 == 0 {
		time.Sleep(100 * time.Microsecond) // a moment in which to be killed
	}
	pair[1]++
	return nil
}

func fnShare(ctx context.Context, s faultShare) (int, error) {
	n := 0
	switch s.Do {
	case "lock":
		for pair := s.Pairs.Unsafe()[0:2]; !s.Stop.IsSet(); n++ {
			st, err := s.Mutex.Lock(ctx)
			if err != nil {
				return n, err
			}
			if err := errors.Join(step(pair, st), s.Mutex.Unlock()); err != nil {
				return n, err
			}
		}
	case "rw":
		for pair := s.Pairs.Unsafe()[2:4]; !s.Stop.IsSet(); n++ {
			if n%4 > 0 {
				st, err := s.RW.RLock(ctx)
				if err != nil {
					return n, err
				}
				if st == shm.Locked && pair[0] != pair[1] {
					return n, errDamage
				}
				if err := s.RW.RUnlock(); err != nil {
					return n, err
				}
				continue
			}
			st, err := s.RW.Lock(ctx)
			if err != nil {
				return n, err
			}
			if err := errors.Join(step(pair, st), s.RW.Unlock()); err != nil {
				return n, err
			}
		}
	case "put":
		for ; ; n++ {
			b := blob{"item", pattern(n, n*37%3000)}
			if err := s.Queue.Put(ctx, b); err != nil {
				if errors.Is(err, ErrClosed) {
					err = nil
				}
				return n, err
			}
		}
	case "get":
		for b, err := range s.Queue.All(ctx) {
			if err != nil {
				return n, err
			}
			if err := whole(b); err != nil {
				return n, err
			}
			n++
		}
	case "echo":
		for buf := make([]byte, 5000); ; n++ {
			k, err := s.Conn.RecvInto(ctx, buf)
			if err == nil {
				err = s.Conn.SendBytes(ctx, buf[:k])
			}
			if errors.Is(err, io.EOF) || errors.Is(err, ErrClosed) {
				return n, nil
			}
			if err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// whole reports an item that is not as a "put" made it.
func whole(b blob) error {
	for i := range b.Data { // all bytes of a pattern follow from the first
		if b.Data[i] != b.Data[0]+byte(i+i>>8) {
			return errDamage
		}
	}
	if b.Name != "item" {
		return errDamage
	}
	return nil
}

var (
	faultTasks = Register("test.fault", fnFault)
	faultKin   = Register("test.fault.share", fnShare)
)
