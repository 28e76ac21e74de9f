package main

import (
	"fmt"
	"regexp"
	"slices"
)

// side is who measures.
type side string

const (
	own    side = "multiproc"
	python side = "Python"
)

// placement is where the two processes of a measurement run: freely on both CPUs, each on its own, or on the first one.
// A process whose affinity mask is one CPU never spins while it waits.
type placement string

const (
	freely placement = "freely"
	apart  placement = "apart"
	same   placement = "one CPU"
)

// measurement is what one process measures in one repetition. It may have several figures.
type measurement struct {
	side  side
	job   string
	place placement
}

func (m measurement) String() string { return string(m.side) + " " + m.job + " " + string(m.place) }

// figure names one figure of a measurement.
type figure struct {
	measurement
	value string
}

// unit is what a figure counts.
type unit string

const (
	perSecond unit = "/s"
	bytesRate unit = "B/s"
	seconds   unit = "s"
	cpuShare  unit = "CPU s/s"
)

// bar is what a row must reach. The zero value asks for nothing: the row reports.
type bar struct {
	least, most float64 // of the ratio of own to peer; 0: no bound
	absolute    float64 // of the own figure, at most; 0: no bound
}

func (b bar) String() string {
	switch {
	case b.least > 0:
		return fmt.Sprintf("≥ %g ×", b.least)
	case b.most > 0:
		return fmt.Sprintf("≤ %g ×", b.most)
	default:
		return "report"
	}
}

// row is one line of the table: a figure of multiproc, and what it is compared with.
type row struct {
	name, work string
	unit       unit
	own        figure
	peer       figure // without a side: there is none
	peerName   string
	bar        bar
	// speed says that the ratio of two times is written as a speed: the peer's time over the own one.
	speed bool
}

// compared reports whether the row has a peer.
func (r row) compared() bool { return r.peer.side != "" }

func measured(s side, job string, p placement, value string) figure {
	return figure{measurement{s, job, p}, value}
}

// against is the ordinary row: the jobs of that name on both sides.
func against(job, work string, u unit, b bar) row {
	return row{name: job, work: work, unit: u, bar: b, own: measured(own, job, freely, ""),
		peer: measured(python, job, freely, ""), peerName: "Python"}
}

func times(x float64) bar  { return bar{least: x} }
func within(x float64) bar { return bar{most: x} }

// placed is a row in which both sides have their processes in that place.
func placed(name, job, work string, p placement, u unit, b bar) row {
	r := against(job, work, u, b)
	r.name, r.own.place, r.peer.place = name, p, p
	return r
}

// spinning is a row in which multiproc's waiting processes spin. They do so only where they may use several CPUs, and the
// scheduler keeps them apart because they are busy. Python's sleep, and how fast they are depends on where the scheduler
// happens to put them; so they are pinned apart.
func spinning(job, work string, b bar) row {
	r := placed(job+"-spinning", job, work+", spinning", freely, perSecond, b)
	r.peer.place, r.peerName = apart, "Python, pinned apart"
	return r
}

// table returns the rows in their order. Works and bars are those that the package was designed for.
func table() []row {
	return slices.Concat(startRows(), poolRows(), flowRows(), sharedRows(), managerRows(), dummyRows(), executorRows())
}

func startRows() []row {
	process := measured(own, "start", freely, "process")
	return []row{
		{name: "start-tiny", work: "Process start + join, this program", unit: seconds, own: process,
			peer: measured(own, "start", freely, "tiny"), peerName: "tiny Go program", bar: within(1.6)},
		{name: "start-image", work: "Process start + join, this program, start image", unit: seconds,
			own: measured(own, "start-image", freely, "process"), peer: measured(own, "start-image", freely, "tiny"),
			peerName: "tiny Go program", bar: within(1.3)},
		{name: "start-entry", work: "Process start + join, this program", unit: seconds, own: process,
			peer: measured(own, "start", freely, "entry"), peerName: "itself, ended at its entry"},
		{name: "start-small", work: "Process start + join, a program with multiproc alone", unit: seconds,
			own: measured(own, "start-small", freely, "process"), peer: measured(own, "start-small", freely, "tiny"),
			peerName: "tiny Go program"},
		{name: "start-fork", work: "Process start + join, this program", unit: seconds, own: process,
			peer: measured(python, "start", freely, "fork"), peerName: "Python, fork"},
		{name: "start-spawn", work: "Process start + join, this program", unit: seconds, own: process,
			peer: measured(python, "start", freely, "spawn"), peerName: "Python, spawn"},
		against("pool", "Pool(2) create + first results + join", seconds, within(0.4)),
		{name: "idle", work: "Idle pool", unit: cpuShare, own: measured(own, "idle", freely, ""), bar: bar{absolute: 1e-3}},
	}
}

func poolRows() []row {
	idle := against("apply-idle", "apply int after 2 ms idle", seconds, bar{absolute: 50e-6})
	return []row{
		against("apply-int", "apply int, back to back", perSecond, times(100)),
		idle,
		against("apply-1KiB", "apply 1 KiB", perSecond, times(40)),
		against("async-int", "apply_async all, get all, int", perSecond, times(80)),
		against("async-1KiB", "apply_async all, get all, 1 KiB", perSecond, times(25)),
		against("map-int", "map chunk 1, int", perSecond, times(100)),
		against("map-1KiB", "map chunk 1, 1 KiB", perSecond, times(25)),
		against("unordered-int", "imap_unordered chunk 1, int", perSecond, times(75)),
		against("unordered-1KiB", "imap_unordered chunk 1, 1 KiB", perSecond, times(15)),
		against("imap-100", "imap chunk 100, int", perSecond, times(10)),
		against("map-default", "map default chunk, int", perSecond, times(8)),
		against("apply-1MiB", "apply, 1 MiB each way", perSecond, times(8)),
		against("async-1MiB", "apply_async, 1 MiB each way", perSecond, times(5)),
		against("map-1MiB", "map, 1 MiB each way", perSecond, times(3)),
	}
}

func flowRows() []row {
	return []row{
		against("queue-int", "Queue one way, child to child, int", perSecond, times(30)),
		against("queue-1KiB", "Queue one way, child to child, 1 KiB", perSecond, times(12)),
		spinning("queue-pingpong", "Queue ping-pong", times(50)),
		placed("queue-pingpong-blocking", "queue-pingpong", "Queue ping-pong, blocking, apart", apart, perSecond, times(1.3)),
		against("pipe-int", "Pipe one way, int", perSecond, times(10)),
		against("pipe-1KiB", "Pipe one way, 1 KiB", perSecond, times(8)),
		against("pipe-1MiB", "Pipe one way, 1 MiB", perSecond, times(3)),
		against("pipe-1MiB-into", "Pipe one way, 1 MiB into a buffer", perSecond, times(3)),
	}
}

func sharedRows() []row {
	wake := func(name string, p placement, b bar) row {
		r := placed("wake-"+name, "wake", "Event set to sleeping waiter, "+string(p), p, seconds, b)
		r.speed = true
		return r
	}
	rows := []row{
		against("lock-1", "Lock, uncontended", perSecond, times(3)),
		against("lock-2", "Lock, 2 processes", perSecond, times(8)),
		wake("freely", freely, bar{}),
		wake("same", same, times(1)),
		wake("apart", apart, times(2)),
	}
	for _, k := range [][2]string{{"event", "Event"}, {"cond", "Cond"}, {"barrier", "Barrier(2)"}} {
		rows = append(rows,
			spinning(k[0], k[1]+" ping-pong", times(50)),
			placed(k[0]+"-blocking", k[0], k[1]+" ping-pong, blocking, apart", apart, perSecond, times(2)))
	}
	return append(rows,
		against("value-1", "Value += 1 under lock, 1 process", perSecond, times(15)),
		against("value-2", "Value += 1 under lock, 2 processes", perSecond, times(20)),
		row{name: "array-slice", work: "Array sum", unit: bytesRate, own: measured(own, "array", freely, "array"),
			peer: measured(own, "array", freely, "slice"), peerName: "plain slice", bar: times(0.9)},
		row{name: "array-python", work: "Array sum", unit: bytesRate, own: measured(own, "array", freely, "array"),
			peer: measured(python, "array", freely, ""), peerName: "Python"},
	)
}

func managerRows() []row {
	return []row{
		against("manager-set", "Manager: dict set", perSecond, times(3)),
		against("manager-get", "Manager: dict get", perSecond, times(3)),
		against("manager-append", "Manager: list append", perSecond, times(3)),
		against("manager-queue", "Manager: queue put + get", perSecond, times(3)),
		against("manager-start", "Manager: start + stop", seconds, within(1)),
	}
}

func dummyRows() (rows []row) {
	for _, k := range [][2]string{{"apply", "apply"}, {"async", "apply_async"}, {"map", "map chunk 1"}, {"unordered", "imap_unordered"}} {
		for _, kind := range []string{"goroutines", "threads"} {
			r := against("dummy-"+k[0], "Dummy pool on "+kind+", "+k[1]+", int", perSecond, times(3))
			r.name, r.own.value, r.peerName = r.name+"-"+kind, kind, "Python's threads"
			rows = append(rows, r)
		}
	}
	return rows
}

// executorRows compare with concurrent.futures, which has other names for the same calls.
func executorRows() (rows []row) {
	for _, k := range [][3]string{{"result", "apply-int", "submit().result(), int"}, {"submit", "async-int", "submit all, result of all, int"},
		{"map", "map-int", "map chunk 1, int"}} {
		r := against(k[1], k[2], perSecond, bar{})
		r.name, r.peer.job, r.peerName = "executor-"+k[0], "executor-"+k[0], "ProcessPoolExecutor"
		rows = append(rows, r)
	}
	return rows
}

// selected returns the rows whose name or work matches.
func selected(rows []row, pattern *regexp.Regexp) (kept []row) {
	for _, r := range rows {
		if pattern.MatchString(r.name) || pattern.MatchString(r.work) {
			kept = append(kept, r)
		}
	}
	return kept
}

// group is a set of measurements that follow each other directly, in random order: those whose figures are compared.
type group []measurement

// groups gathers the measurements of the rows, each once. Rows that share a measurement share a group. Without Python
// its measurements are left out.
func groups(rows []row, withPython bool) (all []group) {
	for _, r := range rows {
		g := group{r.own.measurement}
		if r.compared() && (withPython || r.peer.side != python) {
			g = g.union(group{r.peer.measurement})
		}
		// Earlier groups that share a measurement with this one become part of it.
		all = append(slices.DeleteFunc(all, func(earlier group) bool {
			shares := slices.ContainsFunc(earlier, func(m measurement) bool { return slices.Contains(g, m) })
			if shares {
				g = earlier.union(g)
			}
			return shares
		}), g)
	}
	return all
}

// union returns the measurements of both, each once.
func (g group) union(other group) group {
	both := slices.Clone(g)
	for _, m := range other {
		if !slices.Contains(both, m) {
			both = append(both, m)
		}
	}
	return both
}
