package multiproc

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// What a pool cannot keep its word for is an error with the option's name, and never ignored.
func TestOptionsOfTheOtherPool(t *testing.T) {
	for name, o := range map[string]PoolOption{
		"WithEnv": WithEnv("A=b"), "WithDir": WithDir("/"), "WithCPUs": WithCPUs(0), "WithStdout": WithStdout(nil),
		"WithStderr": WithStderr(nil), "OwnGroup": OwnGroup(), "Grace": Grace(1), "WithNice": WithNice(1),
		"WithMemoryLimit": WithMemoryLimit(1 << 30), "MemoryPerWorker": MemoryPerWorker(1 << 30), "WithMaxDepth": WithMaxDepth(1),
		"MaxTasks": MaxTasks(1), "Restart": Restart(1), "Lazy": Lazy(), "PinWorkers": PinWorkers(),
		"OnEvent": OnEvent(func(Event) {}),
	} {
		_, err := NewLocalPool(fnSquare, Workers(1), o)
		if !errors.Is(err, ErrInvalid) || !strings.HasPrefix(err.Error(), "multiproc: "+name+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := NewPool(ctxT(t), square, OnThreads())
	_, err2 := NewWorkers(ctxT(t), OnThreads())
	for _, err := range []error{err, err2} {
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "OnThreads") {
			t.Error(err)
		}
	}
}

// An option or a function that is nil is an error that says so, not a crash.
func TestNilOptions(t *testing.T) {
	ctx := ctxT(t)
	double := func(_ context.Context, n int) (int, error) { return 2 * n, nil }
	if _, err := NewPool(ctx, square, Workers(1), nil); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "option 2") {
		t.Error(err)
	}
	if err := NewProcess(square, 2, nil).Start(ctx); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if _, err := NewLocalPool[int, int](nil); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	p, err := NewLocalPool(double)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Terminate() }()
	if _, err := p.Apply(ctx, 1, nil); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if _, err := NewQueue[int](1, nil); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	// A nil future is a mistake of the caller, in whose goroutine it has to come to light.
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	for range AsCompleted(ctx, (*Future[int])(nil)) {
		t.Error("a nil future has resolved")
	}
}

func TestLastWords(t *testing.T) {
	for stderr, want := range map[string]string{
		"": "", "\n \n": "", "one\ntwo\n\n": `"two"`,
		"log\npanic: out of eggs\n\ngoroutine 7 [running]:\nmain.f()\n": `"panic: out of eggs"`,
		"fatal error: stack overflow\nruntime stack:\n":                 `"fatal error: stack overflow"`,
		"\x1b[31mred\n": `"\x1b[31mred"`,
	} {
		if got := lastWords([]byte(stderr)); got != want {
			t.Errorf("%q: %s, want %s", stderr, got, want)
		}
	}
	if long := lastWords([]byte(strings.Repeat("x", 1000))); len(long) > 210 {
		t.Error(len(long))
	}
}
