package harness

import (
	"os"
	"syscall"

	"github.com/parbench/parbench/internal/host"
)

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

// sweep ends and reaps whatever the last trial left behind although its process group is gone.
func (g *trialGroup) sweep() {
	if g.dir == nil {
		return
	}
	left := g.group.Members()
	if len(left) == 0 {
		return
	}
	g.end(left)
	g.renew()
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
