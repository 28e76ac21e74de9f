package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// jobLimit is how long one measuring process may take. The longest takes half a second on a quiet machine.
const jobLimit = 30 * time.Second

// driver decides what is measured when.
type driver struct {
	measure  func(context.Context, measurement) outcome
	rng      *rand.Rand
	rounds   int
	repeats  int // of one group in one round, at most
	raw      io.Writer
	progress io.Writer
	failures []string // of all attempts, whether they are used or not
}

// starter starts the measuring processes.
type starter struct {
	self   string // this program
	python string // the interpreter, or ""
	peer   string // where peer.py is
	cpus   [2]int
	meter  host.Meter
}

// pythons are the commands that are tried. A distribution's interpreter comes first: it is built with profile-guided
// optimisation, and one that somebody compiled for himself usually is not. Debian's 3.11 does twice as much in some rows as
// the same version from pyenv.
var pythons = []string{"/usr/bin/python3", "python3"}

// findPython returns the interpreter behind a command, which may be a script that looks for it, and its version. Without a
// command it takes the first that there is.
func findPython(ctx context.Context, command string) (path, version string, err error) {
	if command == "" {
		for _, command = range pythons {
			if path, version, err = findPython(ctx, command); err == nil {
				return path, version, nil
			}
		}
		return "", "", err
	}
	const ask = "import platform, sys; print(sys.executable); print(platform.python_implementation(), platform.python_version())"
	out, err := exec.CommandContext(ctx, command, "-c", ask).Output()
	if err != nil {
		return "", "", err
	}
	path, version, ok := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if !ok || path == "" {
		return "", "", fmt.Errorf("%s does not say where it is", command)
	}
	return path, version, nil
}

// run measures every group once a round, in random order, and repeats disturbed ones at the end of the round. It returns
// the attempt to use of each group and round, and how many attempts there were in all. Which one is used depends on the
// disturbance alone, never on a figure.
func (d *driver) run(ctx context.Context, all []group) (used []attempt, attempts int, err error) {
	for round := range d.rounds {
		start := time.Now()
		best := make([]attempt, len(all))
		again := 0
		for try := 0; try <= d.repeats; try++ {
			for _, i := range d.rng.Perm(len(all)) {
				if try > 0 {
					if best[i].worst() <= disturbed || again >= mostRepeats(len(all)) {
						continue
					}
					again++
				}
				a, err := d.attempt(ctx, round, try, all[i])
				if err != nil {
					return used, attempts, err
				}
				attempts++
				if try == 0 || a.better(best[i]) {
					best[i] = a
				}
			}
		}
		used = append(used, best...)
		fmt.Fprintf(d.progress, "round %d of %d: %.1f s, %d groups, %d measured again, %d left disturbed\n",
			round+1, d.rounds, time.Since(start).Seconds(), len(all), again, noisy(best))
	}
	return used, attempts, nil
}

// mostRepeats is how many there may be in a round of so many groups: on a busy machine everything would be repeated, and
// to no avail.
func mostRepeats(groups int) int { return (groups + 2) / 3 }

// noisy counts the attempts that others disturbed.
func noisy(all []attempt) (n int) {
	for _, a := range all {
		if a.worst() > disturbed {
			n++
		}
	}
	return n
}

// better reports whether the attempt was less disturbed than another one, or worked where that failed.
func (a attempt) better(other attempt) bool {
	if a.failed() != other.failed() {
		return other.failed()
	}
	return a.worst() < other.worst()
}

// attempt runs the measurements of a group in random order.
func (d *driver) attempt(ctx context.Context, round, try int, g group) (attempt, error) {
	a := attempt{round: round}
	order := slices.Clone(g)
	d.rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	enc := json.NewEncoder(d.raw)
	for _, m := range order {
		o := d.measure(ctx, m)
		if err := ctx.Err(); err != nil {
			return a, err
		}
		a.outcomes = append(a.outcomes, o)
		if o.err != nil {
			d.failures = append(d.failures, fmt.Sprintf("%v: %v", m, o.err))
			fmt.Fprintf(d.progress, "round %d: %s\n", round+1, d.failures[len(d.failures)-1])
		}
		if err := enc.Encode(o.line(round, try)); err != nil {
			return a, fmt.Errorf("write the raw figures: %w", err)
		}
	}
	return a, nil
}

// command is how a measurement is started, and on which CPUs.
func (s *starter) command(m measurement) (args []string, cpus []int) {
	cpus = s.cpus[:]
	var partner []string
	switch m.place {
	case same:
		cpus, partner = cpus[:1], []string{strconv.Itoa(cpus[0])}
	case apart:
		cpus, partner = cpus[:1], []string{strconv.Itoa(cpus[1])}
	}
	if m.side == python {
		return append([]string{s.python, s.peer, m.job}, partner...), cpus
	}
	return append([]string{s.self, "job", m.job}, partner...), cpus
}

// measure runs one measurement in a process of its own.
func (s *starter) measure(ctx context.Context, m measurement) (o outcome) {
	o = outcome{m: m, outside: -1}
	args, cpus := s.command(m)
	out, printed, err := capture()
	if err != nil {
		o.err = err
		return o
	}
	text, complaints, err := capture()
	if err != nil {
		o.err = err
		return o
	}
	before, own := s.sample()
	child, err := spawn.Start(spawn.Command{Path: args[0], Args: args, CPUs: cpus, NewGroup: true, Stdout: out, Stderr: text})
	_, _ = out.Close(), text.Close()
	if err != nil {
		o.err = err
		return o
	}
	limited, cancel := context.WithTimeout(ctx, jobLimit)
	defer cancel()
	state, err := child.Wait(limited)
	if err != nil {
		_ = child.Kill()
		<-child.Done()
		o.err = fmt.Errorf("no answer within %v", jobLimit)
		return o
	}
	after, ownAfter := s.sample()
	o.outside = outside(before, after, ownAfter-own+cpuTime(state))
	if !state.Success() {
		o.err = fmt.Errorf("%v: %s", state, complaint(<-complaints))
		return o
	}
	o.values, o.err = parseValues(<-printed)
	return o
}

// sample reads everybody's CPU time, and this process's own.
func (s *starter) sample() (all host.Sample, own time.Duration) {
	all, err := s.meter.Read(s.cpus[:])
	if err != nil {
		all.At = time.Time{}
	}
	return all, host.ProcessCPU(0)
}

// cpuTime is what a process and those that it waited for used.
func cpuTime(s spawn.State) time.Duration {
	return time.Duration(s.Usage.Utime.Nano() + s.Usage.Stime.Nano())
}

// outside returns the share of a CPU that others used between two samples, or that was stolen, whichever is more;
// negative where the counters are missing or too coarse for so short a time.
func outside(before, after host.Sample, own time.Duration) float64 {
	window := after.At.Sub(before.At)
	if before.At.IsZero() || after.At.IsZero() || float64(2*before.TickNS) > disturbed*float64(window) {
		return -1
	}
	others := max(0, time.Duration(after.TotalNS-before.TotalNS)-own)
	stolen := time.Duration(after.StealNS - before.StealNS)
	if stolen < 20*time.Millisecond { // it is counted in ticks of 10 ms: a single one says nothing
		stolen = 0
	}
	return max(float64(others), float64(stolen)) / float64(window)
}

// most is how much of a process's output is kept.
const most = 64 << 10

// capture returns a file for a process to write to, and a channel that has what it wrote once all of its writers have
// ended.
func capture() (w *os.File, text <-chan []byte, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	c := make(chan []byte, 1)
	go func() {
		defer r.Close()
		b, _ := io.ReadAll(io.LimitReader(r, most))
		_, _ = io.Copy(io.Discard, r)
		c <- b
	}()
	return w, c, nil
}

// complaint is what a process died of, in one line: what Go says first and Python last.
func complaint(b []byte) string {
	lines := strings.Split(strings.ToValidUTF8(string(bytes.TrimSpace(b)), "?"), "\n")
	for _, l := range lines {
		if strings.HasPrefix(l, "panic: ") || strings.HasPrefix(l, "fatal error: ") {
			return l
		}
	}
	return lines[len(lines)-1]
}
