//go:build amd64 || arm64

package multiproc

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// startedAs returns what this process is called, and what it was started from.
var startedAs = Register("test.startedAs", func(context.Context, struct{}) ([2]string, error) {
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		return [2]string{}, err
	}
	exe, err := os.Readlink("/proc/self/exe")
	return [2]string{strings.TrimSpace(string(comm)), exe}, err
})

// A process, a worker and what they start in turn begin from the image; ps shows the program's name all the same.
func TestStartImage(t *testing.T) {
	ctx := ctxT(t)
	cannot := StartImage()
	if cannot != nil {
		t.Log("this system has no start image, and everything must go on without: ", cannot)
	}
	path := image.path.Load()
	defer image.path.Store(nil) // the other tests start as usual
	for name, from := range map[string]*string{"usual": nil, "image": path} {
		t.Run(name, func(t *testing.T) {
			image.path.Store(from)
			got, err := Call(ctx, startedAs, struct{}{})
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Base(os.Args[0])
			if fromImage := strings.HasPrefix(got[1], "/memfd:"); got[0] != name[:min(15, len(name))] || fromImage != (from != nil) {
				t.Errorf("started as %q", got)
			}
			p, err := NewPool(ctx, startedAs, Workers(1))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = p.Terminate() }()
			if worker, err := p.Apply(ctx, struct{}{}); err != nil || worker != got {
				t.Error(worker, err)
			}
		})
	}
	if err := StartImage(); err != cannot {
		t.Error("the second time: ", err)
	}
}

// BenchmarkStartImage is BenchmarkProcess with the start image.
func BenchmarkStartImage(b *testing.B) {
	if err := StartImage(); err != nil {
		b.Skip(err)
	}
	path := spawn.Path(image.file)
	image.path.Store(&path)
	defer image.path.Store(nil)
	BenchmarkProcess(b)
}
