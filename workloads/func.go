package workloads

import "context"

// TaskFunc does the i-th unit of work of a workload made by Func and returns its digest.
type TaskFunc func(ctx context.Context, env Env, i int) (uint64, error)

// Func returns a workload whose tasks need nothing prepared: task is called for each, from many goroutines at once and in
// many processes. A workload that has data to build first implements Workload instead.
func Func(info Info, task TaskFunc) Workload { return function{info, task} }

type function struct {
	info Info
	task TaskFunc
}

func (f function) Info() Info { return f.info }

func (f function) Prepare(_ context.Context, env Env) (Tasks, error) {
	if err := Check(f.info.Params, env.Params); err != nil {
		return nil, err
	}
	return functionTasks{task: f.task, env: env}, nil
}

type functionTasks struct {
	NoClose
	task TaskFunc
	env  Env
}

func (t functionTasks) Task(ctx context.Context, i int) (uint64, error) { return t.task(ctx, t.env, i) }
