package multiproc

import (
	"context"
	"slices"
	"sync"
)

// active is what Shutdown and ActiveChildren know of: started processes until they are reaped, pools until they have
// finished.
var active struct {
	sync.Mutex
	procs []*Process // in the order of their starts
	pools map[*fleet]struct{}
}

func (p *Process) activate() {
	active.Lock()
	defer active.Unlock()
	active.procs = append(active.procs, p)
}

func (p *Process) deactivate() {
	active.Lock()
	defer active.Unlock()
	active.procs = slices.DeleteFunc(active.procs, func(q *Process) bool { return p == q })
}

// activate makes a pool known until it has finished.
func (f *fleet) activate() {
	active.Lock()
	if active.pools == nil {
		active.pools = make(map[*fleet]struct{})
	}
	active.pools[f] = struct{}{}
	active.Unlock()
	go func() {
		<-f.gone
		active.Lock()
		defer active.Unlock()
		delete(active.pools, f)
	}()
}

// ActiveChildren returns the processes that were started here and have not ended, in the order of their starts. The
// workers of pools are not among them: see ProcessPool.Pids.
func ActiveChildren() []*Process {
	active.Lock()
	defer active.Unlock()
	return slices.Clone(active.procs)
}

// endChildren terminates pools, kills daemons and joins the others, or kills them as well when ctx ends.
func endChildren(ctx context.Context) (err error) {
	active.Lock()
	pools := make([]*fleet, 0, len(active.pools))
	for f := range active.pools {
		pools = append(pools, f)
	}
	active.Unlock()
	for _, f := range pools {
		f.terminate(ErrTerminated)
	}
	for {
		list := ActiveChildren()
		if len(list) == 0 {
			break
		}
		for _, p := range list {
			if p.opt.daemon || ctx.Err() != nil {
				_ = p.Kill()
			}
		}
		for _, p := range list { // children that they or tasks start meanwhile are in the next round
			select {
			case <-p.done:
			case <-ctx.Done():
				err = ctx.Err()
				_ = p.Kill()
				<-p.done
			}
		}
	}
	for _, f := range pools {
		<-f.gone
	}
	return err
}
