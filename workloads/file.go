package workloads

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
)

type file struct{}

// File returns the workload "file": create, write, fsync, read back, verify, delete. Where the directory of its fixture
// lies decides what fsync costs; on tmpfs it costs nothing (see docs/workloads.md).
func File() Workload { return file{} }

func (file) Info() Info {
	return Info{
		Name: "file",
		Kind: IO,
		Doc:  "creates a file, writes, syncs, reads back, verifies and deletes it",
		Params: []Param{
			{Name: "size", Type: Bytes, Default: "65536", Doc: "size of the file in bytes", Min: 1, Max: 1 << 30},
			{Name: "sync", Type: Choice, Default: "yes", Doc: "whether to fsync after writing", Choices: []string{"yes", "no"}},
		},
		Fixture: "dir",
	}
}

func (w file) Prepare(_ context.Context, env Env) (Tasks, error) {
	if err := Check(w.Info().Params, env.Params); err != nil {
		return nil, err
	}
	if err := checkDir(env.Fixture); err != nil {
		return nil, err
	}
	size := env.Params.Int("size")
	return &fileTasks{seed: env.Seed, dir: env.Fixture, sync: env.Params["sync"] == "yes", buffers: sync.Pool{New: func() any {
		b := make([]byte, size)
		return &b
	}}}, nil
}

// checkDir reports early and once what every task would stumble over.
func checkDir(path string) error {
	if path == "" {
		return errors.New("file needs the fixture \"dir\", the path of a directory; none was given")
	}
	fi, err := os.Stat(path)
	switch {
	case err != nil:
		return &fixtureError{"file", "dir", err}
	case !fi.IsDir():
		return &fixtureError{"file", "dir", &os.PathError{Op: "use", Path: path, Err: syscall.ENOTDIR}}
	}
	return nil
}

type fileTasks struct {
	NoClose
	seed    uint64
	dir     string
	sync    bool
	buffers sync.Pool
}

func (t *fileTasks) Task(ctx context.Context, i int) (_ uint64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	p := t.buffers.Get().(*[]byte)
	defer t.buffers.Put(p)
	// A name of its own, never reused: tasks of many processes share the directory.
	f, err := os.CreateTemp(t.dir, "task-*")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	return t.roundTrip(ctx, f, *p, Key(t.seed, i))
}

// roundTrip writes the data of key to f and digests what it reads back through the same buffer.
func (t *fileTasks) roundTrip(ctx context.Context, f *os.File, buf []byte, key uint64) (uint64, error) {
	Fill(buf, key)
	if _, err := f.Write(buf); err != nil {
		return 0, err
	}
	if t.sync {
		if err := f.Sync(); err != nil {
			return 0, err
		}
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	clear(buf) // what was written must come from the file, not from this buffer
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(f, buf); err != nil {
		return 0, err
	}
	return Verify(buf, key)
}
