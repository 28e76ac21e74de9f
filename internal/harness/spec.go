package harness

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/workloads"
)

// Selection names a workload or a strategy with the parameters that were given for it.
type Selection struct {
	Name   string
	Params map[string]string
}

// Label is the selection as the command line writes it: "process-pool:mode=imap,chunk=16".
func (s Selection) Label() string {
	if len(s.Params) == 0 {
		return s.Name
	}
	return s.Name + ":" + workloads.Params(s.Params).String()
}

// Spec is what the user asked for, parsed but not yet checked against what the program offers.
type Spec struct {
	Workloads  []Selection
	Strategies []Selection
	Cores      []int // ascending, at least one
	Rounds     int
	Tasks      int // of a batch; 0: calibrate
	Seed       uint64
	Budget     time.Duration
	Hard       bool          // the budget was given explicitly: refuse a plan that does not fit
	Timeout    time.Duration // of one trial; 0: chosen from the calibration
	Warmup     int           // least warm-up batches of a trial
	Quick      bool
	Oversub    bool
}

// UsageError is a mistake in what was asked for: it names the flag or file and the remedy. Nothing was measured.
type UsageError struct{ Msg string }

func (e *UsageError) Error() string { return e.Msg }

func usage(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

// Defaults of a plan; docs/method.md gives the reasons.
const (
	DefaultRounds  = 10
	QuickRounds    = 3
	RigorousRounds = 20
	DefaultBudget  = 60 * time.Second
	// waitingWorkers is how many workers a strategy gets for work that waits (io, mixed), at every core count.
	waitingWorkers = 16
	// tasksPerWorker is the least number of tasks a batch holds for each worker, so that an unlucky last task costs at
	// most a quarter.
	tasksPerWorker = 4
	// chunksPerWorker is the least number of chunks for each worker where the chunk is given: with fewer, some get none.
	chunksPerWorker = 2
	// batchFloor is how long a batch should last on the largest core count, and quickBatchFloor in a first look: far above
	// the cost of forking and joining, and enough for chunks to even out. With 10 ms, 3-task chunks left the second of two
	// worker processes idle for 12 % of the time.
	batchFloor      = 20 * time.Millisecond
	quickBatchFloor = 10 * time.Millisecond
	// minMeasured and minWarmup are the protocol's MinBatchNS and MinWarmupNS.
	minMeasured = 20 * time.Millisecond
	minWarmup   = 5 * time.Millisecond
	maxTasks    = 10_000_000
	// ceilingKey is the plan entry of the machine's own scaling: spin on k pinned threads.
	ceilingKey = "machine-ceiling"
	// workersParam is understood for every strategy, by the harness rather than by the strategy.
	workersParam = "workers"
	maxWorkers   = 4096
)

// DefaultWorkloads and DefaultStrategies are the default experiment.
var (
	DefaultWorkloads  = []string{"primes", "http", "triad"}
	DefaultStrategies = []string{"sequential", "gil", "goroutines", "pool", "threads", "process-pool", "dummy-pool"}
)

// draft is a plan whose cells are known but whose task counts are not.
type draft struct {
	spec    Spec
	entries []results.PlanEntry
	autos   []map[string]string // by entry: parameter name to its rule, for those not given
	cells   []draftCell
}

type draftCell struct {
	results.Cell
	entry int
	cap   int
}

// newDraft checks a spec against what the program offers and lays out the cells. cpus are the usable CPUs in the order to
// hand them out, without the one reserved for fixtures.
func newDraft(spec Spec, offer *protocol.Description, program string, cpus []int) (*draft, error) {
	d := &draft{spec: spec}
	strategies, err := resolveStrategies(spec.Strategies, offer)
	if err != nil {
		return nil, err
	}
	for _, sel := range spec.Workloads {
		if err := d.addEntry(sel, offer); err != nil {
			return nil, err
		}
	}
	d.nameEntries()
	largest := spec.Cores[len(spec.Cores)-1]
	if largest > len(cpus) && !spec.Oversub {
		return nil, usage("--cores %d: only %s usable here (affinity and cgroup quota decide; parbench doctor shows them); choose fewer, or add --oversubscribe", largest, cores(len(cpus)))
	}
	for i := range d.entries {
		d.layOut(i, strategies, program, cpus)
	}
	if err := d.addCeiling(offer, program, cpus); err != nil {
		return nil, err
	}
	return d, nil
}

func cores(n int) string {
	if n == 1 {
		return "1 core is"
	}
	return strconv.Itoa(n) + " cores are"
}

// resolvedStrategy is a strategy with its complete parameters.
type resolvedStrategy struct {
	protocol.Strategy
	label   string
	params  map[string]string
	workers int // asked for; 0: by kind
}

func resolveStrategies(sels []Selection, offer *protocol.Description) ([]resolvedStrategy, error) {
	var out []resolvedStrategy
	seen := map[string]string{} // complete parameters to label
	haveReference := false
	for _, sel := range sels {
		r, err := resolveStrategy(sel, offer)
		if err != nil {
			return nil, err
		}
		same := r.Name + workloads.Params(r.params).String() + strconv.Itoa(r.workers)
		if first, twice := seen[same]; twice {
			return nil, usage("--strategy %s: the same as %s; leave one out", r.label, first)
		}
		seen[same] = r.label
		haveReference = haveReference || r.Name == "sequential"
		out = append(out, r)
	}
	if !haveReference {
		// Speedups are ratios to the sequential cell and digests are checked against it, so it is always in the plan.
		r, err := resolveStrategy(Selection{Name: "sequential"}, offer)
		if err != nil {
			return nil, err
		}
		out = append([]resolvedStrategy{r}, out...)
	}
	return out, nil
}

func resolveStrategy(sel Selection, offer *protocol.Description) (resolvedStrategy, error) {
	r := resolvedStrategy{label: sel.Label()}
	found := false
	for _, s := range offer.Strategies {
		if s.Name == sel.Name {
			r.Strategy, found = s, true
		}
	}
	if !found {
		return r, usage("--strategy %q: no such strategy; %sthere are %s", sel.Name, didYouMean(sel.Name, strategyNames(offer)), strings.Join(strategyNames(offer), ", "))
	}
	given := map[string]string{}
	for k, v := range sel.Params {
		if k != workersParam {
			given[k] = v
			continue
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxWorkers {
			return r, usage("--strategy %s: workers=%q is not a number from 1 to %d", sel.Name, v, maxWorkers)
		}
		if r.OneCore || r.Unbounded {
			return r, usage("--strategy %s: it has no workers to choose; leave workers=%s out", sel.Name, v)
		}
		r.workers = n
	}
	p, err := workloads.Resolve(paramSpecs(r.Strategy.Params), given)
	if err != nil {
		return r, usage("--strategy %s: %v (and workers=N)", sel.Name, err)
	}
	r.params = p
	return r, nil
}

func strategyNames(o *protocol.Description) []string {
	var out []string
	for _, s := range o.Strategies {
		out = append(out, s.Name)
	}
	return out
}

func workloadNames(o *protocol.Description) []string {
	var out []string
	for _, w := range o.Workloads {
		out = append(out, w.Name)
	}
	return out
}

func paramSpecs(ps []protocol.Param) []workloads.Param {
	out := make([]workloads.Param, len(ps))
	for i, p := range ps {
		out[i] = workloads.Param{
			Name: p.Name, Type: workloads.ParamType(p.Type), Default: p.Default, Doc: p.Doc,
			Min: p.Min, Max: p.Max, Choices: p.Choices, Auto: p.Auto,
		}
	}
	return out
}

func findWorkload(offer *protocol.Description, name string) (protocol.Workload, bool) {
	for _, w := range offer.Workloads {
		if w.Name == name {
			return w, true
		}
	}
	return protocol.Workload{}, false
}

func (d *draft) addEntry(sel Selection, offer *protocol.Description) error {
	w, ok := findWorkload(offer, sel.Name)
	if !ok {
		return usage("--workload %q: no such workload; %sthere are %s", sel.Name, didYouMean(sel.Name, workloadNames(offer)), strings.Join(workloadNames(offer), ", "))
	}
	p, err := workloads.Resolve(paramSpecs(w.Params), sel.Params)
	if err != nil {
		return usage("--workload %s: %v", sel.Name, err)
	}
	auto := map[string]string{}
	for _, spec := range w.Params {
		if _, given := p[spec.Name]; !given && spec.Auto != "" {
			auto[spec.Name] = spec.Auto
		}
	}
	for _, e := range d.entries {
		if e.Name == w.Name && workloads.Params(e.Params).String() == p.String() {
			return usage("--workload %s: given twice with the same parameters", sel.Label())
		}
	}
	d.entries = append(d.entries, results.PlanEntry{
		Name: w.Name, Kind: w.Kind, Doc: w.Doc, Params: p, Fixture: w.Fixture, Probe: w.Probe, OwnN: w.OwnN,
	})
	d.autos = append(d.autos, auto)
	return nil
}

// nameEntries gives every entry a key: its name, and where the same workload occurs more than once the parameters that
// tell the occurrences apart.
func (d *draft) nameEntries() {
	for i := range d.entries {
		e := &d.entries[i]
		differing := map[string]string{}
		for _, o := range d.entries {
			if o.Name != e.Name {
				continue
			}
			for k, v := range e.Params {
				if o.Params[k] != v {
					differing[k] = v
				}
			}
			for k := range o.Params {
				if _, ok := e.Params[k]; !ok {
					differing[k] = "auto"
				}
			}
		}
		e.Key = e.Name
		if len(differing) > 0 {
			e.Key += "{" + workloads.Params(differing).String() + "}"
		}
	}
}

// layOut adds the cells of one entry.
func (d *draft) layOut(entry int, strategies []resolvedStrategy, program string, cpus []int) {
	e := d.entries[entry]
	largest := d.spec.Cores[len(d.spec.Cores)-1]
	for _, s := range strategies {
		counts := d.spec.Cores
		switch {
		case s.OneCore:
			counts = []int{1}
		case s.Serial:
			counts = []int{largest}
		}
		for _, k := range counts {
			c := draftCell{entry: entry}
			c.Cell = results.Cell{
				Program: program, Workload: e.Key, Strategy: s.Name, Label: s.label, StrategyParams: s.params,
				Cores: k, Workers: s.workers, CPUs: firstCPUs(cpus, k), OneCore: s.OneCore, Serial: s.Serial, Unbounded: s.Unbounded, Processes: s.Processes,
				Oversub: k > len(cpus), Reference: s.Name == "sequential",
			}
			switch {
			case s.OneCore:
				c.Workers = 1
			case c.Workers == 0 && workloads.Kind(e.Kind).Waits():
				c.Workers = waitingWorkers
			case c.Workers == 0:
				c.Workers = k
			}
			c.cap = s.TaskCap
			if m, ok := s.ModeCaps[s.params["mode"]]; ok && (c.cap == 0 || m < c.cap) {
				c.cap = m
			}
			d.cells = append(d.cells, c)
		}
	}
}

func firstCPUs(cpus []int, k int) []int {
	if k > len(cpus) {
		k = len(cpus)
	}
	return append([]int(nil), cpus[:k]...)
}

// addCeiling adds the machine's own scaling: spin on k pinned threads for each core count of the plan, 1 included. Plots
// show it beside the ideal line, because turbo, shared caches and neighbours make part of a speedup the machine's.
func (d *draft) addCeiling(offer *protocol.Description, program string, cpus []int) error {
	spin, ok := findWorkload(offer, "spin")
	if !ok || !slices.Contains(strategyNames(offer), "threads") || slices.Max(d.spec.Cores) == 1 {
		return nil // a user's program need not offer them, and on one core nothing scales
	}
	threads, err := resolveStrategy(Selection{Name: "threads"}, offer)
	if err != nil {
		return err
	}
	p, err := workloads.Resolve(paramSpecs(spin.Params), nil)
	if err != nil {
		return fmt.Errorf("the program's own defaults for spin: %w", err)
	}
	auto := map[string]string{}
	for _, s := range spin.Params {
		if _, given := p[s.Name]; !given && s.Auto != "" {
			auto[s.Name] = s.Auto
		}
	}
	d.entries = append(d.entries, results.PlanEntry{
		Key: ceilingKey, Name: "spin", Kind: spin.Kind, Doc: spin.Doc, Params: p, Probe: true, Ceiling: true,
	})
	d.autos = append(d.autos, auto)
	counts := append([]int{1}, d.spec.Cores...)
	sort.Ints(counts)
	for i, k := range counts {
		if i > 0 && counts[i-1] == k || k > len(cpus) {
			continue
		}
		d.cells = append(d.cells, draftCell{entry: len(d.entries) - 1, Cell: results.Cell{
			Program: program, Workload: ceilingKey, Strategy: "threads", Label: "threads", StrategyParams: threads.params,
			Cores: k, Workers: k, CPUs: firstCPUs(cpus, k), Ceiling: true, Reference: k == 1,
		}})
	}
	return nil
}

// largestWorkers is the largest worker count of an entry's bounded cells.
func (d *draft) largestWorkers(entry int) int {
	n := 1
	for _, c := range d.cells {
		if c.entry == entry && !c.Unbounded && c.Workers > n {
			n = c.Workers
		}
	}
	return n
}

// chunks is the number of tasks that gives every worker of a chunked cell chunksPerWorker chunks.
func (d *draft) chunks(entry int) int {
	n := 0
	for _, c := range d.cells {
		if chunk, err := strconv.Atoi(c.StrategyParams["chunk"]); c.entry == entry && err == nil && chunk > 0 {
			n = max(n, chunksPerWorker*chunk*c.Workers)
		}
	}
	return n
}

func (d *draft) largestCores(entry int) int {
	n := 1
	for _, c := range d.cells {
		if c.entry == entry && c.Cores > n {
			n = c.Cores
		}
	}
	return n
}

// tasks chooses the number of tasks of an entry's batches: at least tasksPerWorker for each worker, enough for
// batchFloor on the largest core count, and a multiple of both so that equal tasks divide evenly, also into the four chunks for
// each worker that pools make by default.
func (d *draft) tasks(entry int, grain time.Duration) int {
	if d.entries[entry].OwnN {
		return 0
	}
	if d.spec.Tasks > 0 {
		return d.spec.Tasks
	}
	w := d.largestWorkers(entry)
	n := max(tasksPerWorker*w, d.chunks(entry))
	if grain > 0 {
		floor := batchFloor
		if d.spec.Quick {
			floor = quickBatchFloor
		}
		if m := int(float64(floor) * float64(d.largestCores(entry)) / float64(grain)); m > n {
			n = m
		}
	}
	if n > maxTasks {
		n = maxTasks
	}
	even := tasksPerWorker * w
	return (n + even - 1) / even * even
}

var errInterrupted = errors.New("interrupted")

// didYouMean names the candidate that is at most two edits away, if there is one.
func didYouMean(name string, candidates []string) string {
	best, distance := "", 3
	for _, c := range candidates {
		if n := edits(name, c); n < distance {
			best, distance = c, n
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean " + best + "? "
}

// edits is the Levenshtein distance of two short names.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
