package multiproc

import "context"

// Runner is a value that runs in a process of its own, as a subclass of Python's Process with a run method does. Its
// state travels to the child under the rules for arguments, unexported fields included; nothing travels back.
type Runner interface {
	Run(ctx context.Context) error
}

// RunnerType is a registered type of runners. It is a small value; copy it freely.
type RunnerType[R Runner] struct{ fn Func[R, struct{}] }

// RegisterRunner makes values of type R, often a pointer, able to run in processes of their own, under the rules of
// Register; runners and functions share their names.
func RegisterRunner[R Runner](name string) RunnerType[R] {
	return RunnerType[R]{Register(name, func(ctx context.Context, r R) (struct{}, error) { return struct{}{}, r.Run(ctx) })}
}

// New prepares a process that runs r: see NewProcess. The error of Run is what Result[struct{}] returns.
func (t RunnerType[R]) New(r R, opts ...ProcOption) *Process { return NewProcess(t.fn, r, opts...) }
