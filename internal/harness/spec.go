package harness

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

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
	Probes     int           // rounds whose trials have probed batches after the measured ones
	Quick      bool
	Oversub    bool
	// OwnGrains gives each of several programs entries of its own of what is calibrated: a grain that is asked for then holds
	// in each of them, with other parameters in each. Otherwise it holds in the first of them, and the others do the same work.
	OwnGrains bool
	// Missing are programs that were asked for and could not say what they offer: the plan lists them with their reasons.
	Missing []results.Unavailable
	// Commands is what the workloads start, if they are commands: for the plan.
	Commands *results.Commands
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
	// programParam is, too: it chooses one of several programs that offer the strategy.
	programParam = "program"
	maxWorkers   = 4096
)

// DefaultWorkloads and DefaultStrategies are the default experiment.
var (
	DefaultWorkloads  = []string{"primes", "http", "triad"}
	DefaultStrategies = []string{"sequential", "gil", "goroutines", "pool", "threads", "process-pool", "dummy-pool"}
)

// draft is a plan whose cells are known but whose task counts are not.
type draft struct {
	spec        Spec
	offers      []Offer // the first is the one whose workloads, fixtures and ceiling come first
	entries     []results.PlanEntry
	autos       []map[string]string // by entry: parameter name to its rule, for those not given
	owners      []int               // by entry: the first program that offers the workload, which sets parameters and digests
	cells       []draftCell
	unavailable []results.Unavailable
	rates       map[string]float64 // nanoseconds per iteration, by rateKey
	// asked are the programs with strategies that were asked for, in the order of offers and not that of the strategies: what
	// is to take a given time alone does so in the first of them that has cells of the entry.
	asked []int
}

type draftCell struct {
	results.Cell
	entry int
	cap   int
}

// newDraft checks a spec against what the programs offer and lays out the cells. cpus are the usable CPUs in the order to
// hand them out, without the one reserved for fixtures.
func newDraft(spec Spec, offers []Offer, cpus []int) (*draft, error) {
	d := &draft{spec: spec, offers: offers, unavailable: slices.Clone(spec.Missing)}
	strategies, err := d.resolveStrategies(spec.Strategies)
	if err != nil {
		return nil, err
	}
	for _, s := range strategies {
		if !s.added && !slices.Contains(d.asked, s.program) {
			d.asked = append(d.asked, s.program)
		}
	}
	slices.Sort(d.asked)
	for _, sel := range spec.Workloads {
		if err := d.addEntry(sel); err != nil {
			return nil, err
		}
	}
	if spec.OwnGrains {
		d.ownEntries()
	}
	d.nameEntries()
	d.distinguish()
	largest := spec.Cores[len(spec.Cores)-1]
	if largest > len(cpus) && !spec.Oversub {
		return nil, usage("--cores %d: only %s usable here (affinity and cgroup quota decide; parbench doctor shows them); choose fewer, or add --oversubscribe", largest, cores(len(cpus)))
	}
	for i := range d.entries {
		d.layOut(i, strategies, cpus)
	}
	if err := d.dropEmpty(); err != nil {
		return nil, err
	}
	if err := d.addCeiling(cpus); err != nil {
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
		if e.Kind == string(workloads.Command) {
			e.Key = expandedName(e, differing)
		}
		if len(differing) > 0 {
			e.Key += "{" + workloads.Params(differing).String() + "}"
		}
		if e.Program != "" {
			e.Key = e.Program + "/" + e.Key // as reports name a strategy of one of several programs
		}
	}
}

// expandedName is a command's name with its parameters where it says itself that they go; those leave differing.
func expandedName(e *results.PlanEntry, differing map[string]string) string {
	var pairs []string
	for _, k := range slices.Sorted(maps.Keys(e.Params)) {
		if in := "{" + k + "}"; strings.Contains(e.Name, in) {
			pairs = append(pairs, in, e.Params[k])
			delete(differing, k)
		}
	}
	return strings.NewReplacer(pairs...).Replace(e.Name)
}

// distinguish adds all parameters to keys that would otherwise be those of several entries.
func (d *draft) distinguish() {
	times := map[string]int{}
	for _, e := range d.entries {
		times[e.Key]++
	}
	for i := range d.entries {
		if e := &d.entries[i]; times[e.Key] > 1 {
			e.Key = e.Name + "{" + workloads.Params(e.Params).String() + "}"
		}
	}
}

// layOut adds the cells of one entry.
func (d *draft) layOut(entry int, strategies []resolvedStrategy, cpus []int) {
	e := d.entries[entry]
	largest := d.spec.Cores[len(d.spec.Cores)-1]
	for _, s := range strategies {
		if e.Program != "" && e.Program != d.offers[s.program].Label {
			continue
		}
		if reason := d.cannotRun(entry, s); reason != "" {
			if !s.added {
				d.unavailable = append(d.unavailable, results.Unavailable{
					Program: d.offers[s.program].Label, Strategy: s.label, Workload: e.Key, Reason: reason,
				})
			}
			continue
		}
		counts := d.spec.Cores
		switch {
		case s.OneCore:
			counts = []int{1}
		case s.Serial:
			counts = []int{largest}
		}
		for n, k := range counts {
			c := draftCell{entry: entry}
			c.Cell = results.Cell{
				Program: d.offers[s.program].Label, Workload: e.Key, Strategy: s.Name, Label: s.label, StrategyParams: s.params,
				Cores: k, Workers: s.workers, CPUs: firstCPUs(cpus, k), OneCore: s.OneCore, Serial: s.Serial, Unbounded: s.Unbounded, Processes: s.Processes,
				Oversub: k > len(cpus), Reference: s.reference && n == 0,
			}
			switch {
			case s.OneCore, s.OneWorker:
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

// cannotRun says why a strategy cannot run the workload of an entry, or "".
func (d *draft) cannotRun(entry int, s resolvedStrategy) string {
	e, o := d.entries[entry], d.offers[s.program]
	w, ok := o.workload(e.Name)
	switch {
	case !ok:
		return fmt.Sprintf("%s has no workload %s", o.Label, e.Name)
	case w.Unavailable != "":
		return w.Unavailable
	case len(s.Kinds) > 0 && !slices.Contains(s.Kinds, e.Kind):
		return fmt.Sprintf("only for workloads of the kind %s; %s is of the kind %s", strings.Join(s.Kinds, " or "), e.Name, e.Kind)
	case s.program == d.owners[entry]:
		return ""
	}
	if _, err := workloads.Resolve(paramSpecs(w.Params), e.Params); err != nil {
		return fmt.Sprintf("%s has another workload %s: %v", o.Label, e.Name, err)
	}
	return ""
}

// dropEmpty removes the entries without a cell, which nobody measures, and refuses a plan in which none is left.
func (d *draft) dropEmpty() error {
	used := make([]int, len(d.entries))
	for _, c := range d.cells {
		used[c.entry]++
	}
	place := make([]int, len(d.entries))
	kept := 0
	for i, n := range used {
		place[i] = kept
		if n > 0 {
			d.entries[kept], d.autos[kept], d.owners[kept] = d.entries[i], d.autos[i], d.owners[i]
			kept++
		}
	}
	d.entries, d.autos, d.owners = d.entries[:kept], d.autos[:kept], d.owners[:kept]
	for i := range d.cells {
		d.cells[i].entry = place[d.cells[i].entry]
	}
	if kept == 0 {
		return d.nothingLeft()
	}
	return nil
}

func firstCPUs(cpus []int, k int) []int {
	if k > len(cpus) {
		k = len(cpus)
	}
	return append([]int(nil), cpus[:k]...)
}

// addCeiling adds the machine's own scaling: spin on k pinned threads for each core count of the plan, 1 included. Plots
// show it beside the ideal line, because turbo, shared caches and neighbours make part of a speedup the machine's.
func (d *draft) addCeiling(cpus []int) error {
	from := max(0, slices.IndexFunc(d.offers, func(o Offer) bool { return o.Ceiling }))
	offer := d.offers[from]
	spin, ok := offer.workload("spin")
	s, able := offer.strategy("threads")
	if !ok || !able || slices.Max(d.spec.Cores) == 1 {
		return nil // a user's program need not offer them, and on one core nothing scales
	}
	threads, err := resolveStrategy(Selection{Name: "threads"}, s)
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
	d.autos, d.owners = append(d.autos, auto), append(d.owners, from)
	counts := append([]int{1}, d.spec.Cores...)
	sort.Ints(counts)
	for i, k := range counts {
		if i > 0 && counts[i-1] == k || k > len(cpus) {
			continue
		}
		d.cells = append(d.cells, draftCell{entry: len(d.entries) - 1, Cell: results.Cell{
			Program: offer.Label, Workload: ceilingKey, Strategy: "threads", Label: "threads", StrategyParams: threads.params,
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

// DidYouMean asks for a message, with a space after it, whether the candidate was meant that is at most two edits away; it
// is empty where there is none.
func DidYouMean(name string, candidates []string) string {
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
