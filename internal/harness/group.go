package harness

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// orphanPatience is how long what a program has left behind may take to end when it is killed.
const orphanPatience = time.Second

// adopt makes what programs leave behind children of this process, so that it can be ended and reaped.
func adopt() error {
	if err := spawn.BecomeSubreaper(); err != nil && runtime.GOOS == "linux" {
		return fmt.Errorf("become the reaper of trials' orphans: %w", err)
	}
	return nil
}

// sweep ends and reaps what a child that has been reaped left behind although its process group is gone, be it in a control
// group (which may be nil) or not.
func sweep(child *spawn.Child, g *trialGroup) {
	if g == nil || g.dir == nil || g.sweep() {
		child.EndOrphans(orphanPatience)
	}
}

// trialGroup is the control group that trials are born into, one after another, so that what leaves a trial's process
// group can be ended too. There is one for a whole run.
type trialGroup struct {
	machine *host.Machine
	group   host.Group
	dir     *os.File // nil once no group can be made any more
}

// newTrialGroup returns a group without a directory where none can be made: without permission, and with cgroup v1.
func newTrialGroup(m *host.Machine) *trialGroup {
	m.RemoveStaleGroups()
	g := &trialGroup{machine: m}
	g.renew()
	return g
}

func (g *trialGroup) renew() {
	g.dir = nil
	group, err := g.machine.NewGroup("")
	if err != nil {
		return
	}
	if g.dir, err = group.Open(); err != nil {
		_ = group.Remove()
		return
	}
	g.group = group
}

// sweep ends the group's members and makes a new one, and reports whether there were any.
func (g *trialGroup) sweep() bool {
	left := g.group.Members()
	if len(left) == 0 {
		return false
	}
	g.end(left)
	g.renew()
	return true
}

// end kills the members, reaps those that have become children of this process, and removes the group.
func (g *trialGroup) end(members []int) {
	g.dir.Close()
	_ = g.group.Kill()
	for _, pid := range members {
		_, _ = syscall.Wait4(pid, nil, 0, nil)
	}
	_ = g.group.Remove()
}

func (g *trialGroup) close() {
	if g.dir != nil {
		g.end(g.group.Members())
		g.dir = nil
	}
}
