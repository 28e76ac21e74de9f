package multiproc

import (
	"context"
	"os"
	"sync"
)

var hooks struct {
	sync.Mutex
	list []func()
}

// AtExit has f called when this process ends in an orderly way, the last one registered first, each once: in a child
// when its function has returned or the pool lets the worker go, or through Exit; in the program itself through
// Shutdown or Exit. A signal, a crash, os.Exit and the return of main leave them out. A hook that panics is reported on
// stderr and does not keep the others from running.
func AtExit(f func()) {
	hooks.Lock()
	defer hooks.Unlock()
	hooks.list = append(hooks.list, f)
}

// runHooks runs the hooks, those included that a hook registers.
func runHooks() {
	for {
		hooks.Lock()
		n := len(hooks.list)
		if n == 0 {
			hooks.Unlock()
			return
		}
		f := hooks.list[n-1]
		hooks.list = hooks.list[:n-1]
		hooks.Unlock()
		guard("an AtExit hook", f)
	}
}

// guard runs user code that must not take the rest down, and reports its panic.
func guard(what string, f func()) {
	defer func() {
		if v := recover(); v != nil {
			_, _ = os.Stderr.WriteString("multiproc: panic in " + what + ": " + panicText(v) + "\n" + stack() + "\n")
		}
	}()
	f()
}

// Exit ends this process with the code, as a return from its function or from main would: daemon children and open pools
// are ended, other children joined, the hooks of AtExit run. It does not wait for the goroutines of Self().Go, because
// it may be called from one. A Process that ends so has no result; its exit state has the code. In a worker of a pool it
// is a crash of the running task.
func Exit(code int) {
	_ = endChildren(context.Background())
	runHooks()
	os.Exit(code)
}

// leave is the orderly end of a child.
func leave(code int) {
	self.tracked.wait(context.Background())
	_ = endChildren(context.Background())
	runHooks()
	os.Exit(code)
}

// Shutdown ends what this process has started. It is the policy for the end of a program, to be deferred in main,
// because nothing else happens at the return of main: every child is killed then.
//
//  1. The goroutines of Self().Go are waited for.
//  2. Pools that are still open are terminated.
//  3. Daemon processes (WithDaemon) are killed.
//  4. All other processes are joined.
//  5. The hooks of AtExit run, the last one registered first.
//
// When ctx ends first, step 1 is given up, the processes of step 4 are killed, and ctx's error is returned; 5 happens in
// any case. Shutdown may be called again, from callbacks, and from several goroutines; called on a goroutine of
// Self().Go it waits for that one until ctx ends.
func Shutdown(ctx context.Context) error {
	self.tracked.wait(ctx)
	err := endChildren(ctx)
	runHooks()
	return err
}
