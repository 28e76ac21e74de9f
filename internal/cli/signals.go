package cli

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// interrupts turns SIGINT and SIGTERM into the two ways of stopping: the first one asks to stop after the trial at hand,
// the second one stops now.
type interrupts struct {
	Stop   chan struct{}   // closed by the first
	Now    context.Context // cancelled by the second
	mu     sync.Mutex
	first  os.Signal
	cancel context.CancelFunc
	ch     chan os.Signal
	quit   chan struct{}
	wait   sync.WaitGroup
}

func watchInterrupts(say func(string)) *interrupts {
	i := &interrupts{Stop: make(chan struct{}), ch: make(chan os.Signal, 2), quit: make(chan struct{})}
	i.Now, i.cancel = context.WithCancel(context.Background())
	signal.Notify(i.ch, os.Interrupt, syscall.SIGTERM)
	i.wait.Add(1)
	go func() {
		defer i.wait.Done()
		for {
			select {
			case <-i.quit:
				return
			case s := <-i.ch:
				if i.note(s) {
					say("parbench: stopping after the trial at hand; once more to stop now")
					continue
				}
				i.cancel()
			}
		}
	}()
	return i
}

// note remembers the first signal and reports whether this is it.
func (i *interrupts) note(s os.Signal) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.first != nil {
		return false
	}
	i.first = s
	close(i.Stop)
	return true
}

// Until returns a context that ends with the first signal: for what has no trials to stop between.
func (i *interrupts) Until() context.Context {
	ctx, cancel := context.WithCancel(i.Now)
	i.wait.Add(1)
	go func() {
		defer i.wait.Done()
		defer cancel()
		select {
		case <-i.Stop:
		case <-i.quit:
		case <-ctx.Done():
		}
	}()
	return ctx
}

// code returns the exit code for the signal that came, 0 for none.
func (i *interrupts) code() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch i.first {
	case nil:
		return 0
	case syscall.SIGTERM:
		return exitTerminated
	}
	return exitInterrupted
}

// keepPipeErrors makes writing to a closed standard output or error an error like any other. By default Go ends the
// process there, which would cost a run its report because somebody piped the progress into head. Catching the signal
// rather than ignoring it leaves the programs that are started with the default.
func keepPipeErrors() (undo func()) {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGPIPE)
	return func() { signal.Stop(ch) }
}

func (i *interrupts) release() {
	signal.Stop(i.ch)
	close(i.quit)
	i.wait.Wait()
	i.cancel()
}
