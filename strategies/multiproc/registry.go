package multiproc

import (
	"context"
	"strconv"
	"sync"
)

// Func names a registered function. It is a small value; copy it freely. The zero value names nothing.
type Func[In, Out any] struct{ e *entry }

// Name returns the name it was registered under.
func (f Func[In, Out]) Name() string {
	if f.e == nil {
		return ""
	}
	return f.e.name
}

// Initializer names a function that prepares a worker.
type Initializer[S any] struct{ e *entry }

// runFunc decodes n inputs from req, runs a function on each and appends the outcome to out: see appendOutcome.
type runFunc = func(ctx context.Context, n int, req, out []byte) []byte

// entry is what the registry knows of a function.
type entry struct {
	name string
	run  runFunc
	// timed is run that says when the functions ran; nil where that is not to be had.
	timed func(ctx context.Context, n int, req, out []byte, t *callTimes) []byte
	// local runs an initialiser in this process (LocalPool).
	local func(ctx context.Context, state any) error
}

// The registry is global because both sides must have the same entries before main starts: a function cannot travel,
// only its name can.
var registry struct {
	sync.Mutex
	m map[string]*entry
}

func register(e *entry) *entry {
	if e.name == "" {
		panic("multiproc: a registered function needs a name")
	}
	registry.Lock()
	defer registry.Unlock()
	if registry.m == nil {
		registry.m = make(map[string]*entry)
	}
	if registry.m[e.name] != nil {
		panic("multiproc: " + strconv.Quote(e.name) + " registered twice")
	}
	registry.m[e.name] = e
	return e
}

func lookup(name string) *entry {
	registry.Lock()
	defer registry.Unlock()
	return registry.m[name]
}

// Registered reports whether a function or initialiser of that name is registered by now.
func Registered(name string) bool { return lookup(name) != nil }

// Register makes fn callable in other processes under the name. Call it in the declaration of a package variable, so
// that parent and child both have it: a child starts from main with fresh package variables. A name used twice panics.
func Register[In, Out any](name string, fn func(context.Context, In) (Out, error)) Func[In, Out] {
	x := &runner[In, Out]{fn: fn}
	return Func[In, Out]{register(&entry{name: name, run: x.run, timed: x.timed})}
}

// RegisterInit makes fn usable with Init, under the rules of Register; functions and initialisers share their names.
func RegisterInit[S any](name string, fn func(context.Context, S) error) Initializer[S] {
	x := &runner[S, struct{}]{fn: func(ctx context.Context, s S) (struct{}, error) { return struct{}{}, fn(ctx, s) }}
	return Initializer[S]{register(&entry{name: name, run: x.run, local: func(ctx context.Context, s any) error {
		return fn(ctx, s.(S))
	}})}
}

// initCall is an initialiser with its state, encoded and as it is.
type initCall struct {
	e     *entry
	state any
	enc   []byte
}

func (in Initializer[S]) call(state S) (*initCall, error) {
	if in.e == nil {
		return nil, &optionError{"Init: the initialiser was not made by RegisterInit"}
	}
	enc, err := codecOf[S]().append(nil, &state)
	return &initCall{in.e, state, enc}, err
}
