// Package results holds the run file: its types, its schema version, and reading and writing it as JSON Lines. Everything
// after a run works from such a file alone, on any machine.
//
// A file is one header line, then one line per trial, with an occasional note ("resume", "end"). Non-goals: other tools'
// formats (results/codec) and any statistic (results/stat, results/analysis).
package results

import (
	"strings"
	"time"
)

// Schema and Version identify the format; they stand in the first record. A reader takes files of its own Version and
// older, ignores fields it does not know, and refuses newer versions with a remedy.
const (
	Schema  = "parbench/run"
	Version = 1
)

// Header is the first record of a run file.
type Header struct {
	Type        string      `json:"type"` // "run"
	Schema      string      `json:"schema"`
	Version     int         `json:"version"`
	ID          string      `json:"id"` // time and four random letters: 20261120T221530Z-k3fq
	Created     time.Time   `json:"created"`
	Tool        string      `json:"tool"` // name and version of the writer
	Args        []string    `json:"args,omitempty"`
	Environment Environment `json:"environment"`
	Plan        Plan        `json:"plan"`
}

// Environment is what the numbers depend on. An allow-list: no variables, no host or user name.
type Environment struct {
	OS             string  `json:"os"`
	Arch           string  `json:"arch"`
	Kernel         string  `json:"kernel,omitempty"`
	CPUModel       string  `json:"cpu_model,omitempty"`
	Sockets        int     `json:"sockets,omitempty"`
	PhysicalCores  int     `json:"physical_cores,omitempty"`
	LogicalCPUs    int     `json:"logical_cpus,omitempty"`
	UsableCPUs     []int   `json:"usable_cpus,omitempty"` // by affinity, in the order the harness hands them out
	UsableCores    int     `json:"usable_cores"`          // after quota and fixture reserve
	QuotaCores     float64 `json:"quota_cores,omitempty"` // cgroup CPU quota; 0: none
	MaxMHz         float64 `json:"max_mhz,omitempty"`
	Caches         []Cache `json:"caches,omitempty"`
	MemoryBytes    int64   `json:"memory_bytes,omitempty"`
	MemoryLimit    int64   `json:"memory_limit_bytes,omitempty"` // cgroup; 0: none
	SwapBytes      int64   `json:"swap_bytes,omitempty"`
	Governor       string  `json:"governor,omitempty"`
	Turbo          string  `json:"turbo,omitempty"` // on, off or empty for unknown
	SMT            string  `json:"smt,omitempty"`   // on, off or empty for unknown
	Virtualisation string  `json:"virtualisation,omitempty"`
	Clock          string  `json:"clock_source,omitempty"`
	ClockCostNS    float64 `json:"clock_cost_ns,omitempty"`
	ClockStepNS    int64   `json:"clock_step_ns,omitempty"` // smallest step seen
	Load1          float64 `json:"load1,omitempty"`
	THP            string  `json:"transparent_huge_pages,omitempty"`
	BootID         string  `json:"boot_id,omitempty"` // a hash of it: equal means the same boot
	// GoSettings are those of GOGC, GOMEMLIMIT and GODEBUG that were set: Go programs run otherwise under them.
	GoSettings map[string]string `json:"go_settings,omitempty"`
	Programs   []Program         `json:"programs"`
}

// Cache is one level of the data cache hierarchy as CPU 0 sees it.
type Cache struct {
	Level  int   `json:"level"`
	Bytes  int64 `json:"bytes"`
	Shared int   `json:"shared"` // logical CPUs that share it
}

// Program is an executable that ran trials.
type Program struct {
	Label   string `json:"label"`             // self, base, head, python3.13 …
	Version string `json:"version,omitempty"` // as the program tells it
	Runtime string `json:"runtime,omitempty"`
	Hash    string `json:"hash"` // sha256 of the executable, and of the sources it runs, hex
	// Libraries holds, by the name of each of the plan's strategies that is made of one, the library and its version.
	Libraries map[string]string `json:"libraries,omitempty"`
}

// Plan is what a run set out to do.
type Plan struct {
	Seed     uint64  `json:"seed,string"`
	Rounds   int     `json:"rounds"`
	Quick    bool    `json:"quick,omitempty"`
	Budget   float64 `json:"budget_s,omitempty"`   // target, seconds
	Estimate float64 `json:"estimate_s,omitempty"` // expected duration when it was made, seconds
	Timeout  float64 `json:"timeout_s"`            // deadline of one trial, seconds
	Warmup   int     `json:"warmup_batches"`       // the least number of warm-up batches of a trial
	// Probes is the number of rounds whose trials have probed batches after the measured ones.
	Probes  int  `json:"probed_rounds,omitempty"`
	Oversub bool `json:"oversubscribe,omitempty"`
	// SharesFixture says that fixtures had no CPU of their own: they ran on those of the cells, in every cell alike.
	SharesFixture bool `json:"shares_fixture,omitempty"`
	// Gate says by which rule the pairs of a gate were measured; nil for any other run.
	Gate *Gate `json:"gate,omitempty"`
	// Commands is what the tasks start where they are commands; nil for workloads that a program brings along.
	Commands  *Commands   `json:"commands,omitempty"`
	Workloads []PlanEntry `json:"workloads"`
	Cells     []Cell      `json:"cells"`
	// Unavailable is what was asked for and cannot run here: no cells, and no failures either.
	Unavailable []Unavailable `json:"unavailable,omitempty"`
	Hash        string        `json:"hash"` // of the plan without this field
}

// Gate is the rule of a gate, as far as it decided what to measure.
type Gate struct {
	MinEffect float64 `json:"min_effect"` // smallest relative difference that matters: 0.02 is 2 %
	Looks     int     `json:"looks"`      // planned looks at the growing data
	Pairs     int     `json:"pairs"`      // of each comparison at the first look
}

// Unavailable is a combination that was asked for and that a program cannot offer on this machine.
type Unavailable struct {
	Program  string `json:"program"`
	Strategy string `json:"strategy"`           // its label; empty: every strategy
	Workload string `json:"workload,omitempty"` // PlanEntry.Key; empty: every workload
	Reason   string `json:"reason"`             // with the remedy, where there is one
}

// PathPlaceholder begins what stands in Header.Args for a path that is none of a reader's: it ends with the label of the
// program that was there.
const PathPlaceholder = "PATH/TO/"

// PlanEntry is a workload with its parameters, as every cell of the plan that names it runs it.
type PlanEntry struct {
	Key     string            `json:"key"` // name, with swept parameters: "primes", "primes{limit=10000}"
	Name    string            `json:"name"`
	Kind    string            `json:"kind"`
	Doc     string            `json:"doc,omitempty"`
	Params  map[string]string `json:"params,omitempty"`
	Fixture string            `json:"fixture,omitempty"`
	Probe   bool              `json:"probe,omitempty"`
	OwnN    bool              `json:"own_n,omitempty"`
	Tasks   int               `json:"tasks"`             // of a batch; 0 where each cell chooses
	GrainNS float64           `json:"grain_ns"`          // of one task run alone, from calibration
	SetupNS float64           `json:"setup_ns"`          // of a sequential trial, from calibration
	Digests map[int]string    `json:"digests,omitempty"` // expected batch digest by task count
	Ceiling bool              `json:"ceiling,omitempty"` // the spin probe run to see the machine's own scaling
	// Others holds, by label, what the calibration found of the plan's other programs: GrainNS and SetupNS are those of
	// Program, or else of the first one that offers the workload.
	Others map[string]Grain `json:"others,omitempty"`
	// Program is the label of the only program whose cells the entry has, where each of several programs has one of its own
	// with what was calibrated in it; empty: all of them.
	Program string `json:"program,omitempty"`
}

// Grain is what the calibration of a workload in one program found.
type Grain struct {
	GrainNS float64 `json:"grain_ns"` // of one task run alone
	SetupNS float64 `json:"setup_ns"` // of a sequential trial
}

// In returns the grain in the program with that label.
func (e *PlanEntry) In(program string) Grain {
	if g, ok := e.Others[program]; ok {
		return g
	}
	return Grain{e.GrainNS, e.SetupNS}
}

// Cell is one point of the experiment. Its index in Plan.Cells is how trials refer to it.
type Cell struct {
	Program        string            `json:"program"`
	Workload       string            `json:"workload"` // PlanEntry.Key
	Strategy       string            `json:"strategy"` // name
	Label          string            `json:"label"`    // name with the parameters that were given: "process-pool:mode=imap"
	StrategyParams map[string]string `json:"strategy_params,omitempty"`
	Cores          int               `json:"cores"`
	Workers        int               `json:"workers"`
	Tasks          int               `json:"tasks"`            // of a batch, after the cap; 0: the probe chooses
	Capped         bool              `json:"capped,omitempty"` // Tasks is the strategy's cap
	CPUs           []int             `json:"cpus,omitempty"`
	Reference      bool              `json:"reference,omitempty"` // what the workload's speedups are ratios to
	Ceiling        bool              `json:"ceiling,omitempty"`
	OneCore        bool              `json:"one_core,omitempty"`
	Serial         bool              `json:"serial,omitempty"`
	Unbounded      bool              `json:"unbounded,omitempty"` // as many workers as tasks
	Processes      bool              `json:"processes,omitempty"` // runs tasks in other processes
	Oversub        bool              `json:"oversubscribed,omitempty"`
}

// Status says how a trial ended.
type Status string

// The ways a trial ends. Only OK trials enter the statistics.
const (
	OK         Status = "ok"
	TaskFailed Status = "error"    // a task returned an error or panicked, or set-up failed
	Crashed    Status = "crash"    // the program ended without saying so
	TimedOut   Status = "timeout"  // the deadline passed; the group was killed
	Wrong      Status = "digest"   // it computed something else
	Protocol   Status = "protocol" // it broke the protocol, or its times cannot be true
)

// NotRun begins the reason of a trial that was not run, because its workload had failed when it was tried before the first
// round. What failed then follows.
const NotRun = notRun + "the workload failed in calibration: "

const notRun = "not run, because "

// CutNotRun takes what NotRun begins off a trial's reason; notrun is false where it does not begin so.
func CutNotRun(reason string) (why string, notrun bool) {
	if !strings.HasPrefix(reason, notRun) {
		return reason, false
	}
	_, why, _ = strings.Cut(reason, ": ")
	return why, true
}

// Trial is one execution of one cell in a fresh process: the unit of replication.
type Trial struct {
	Type    string    `json:"type"` // "trial"
	Cell    int       `json:"cell"`
	Round   int       `json:"round"`             // from 0
	Attempt int       `json:"attempt,omitempty"` // 0; 1 for the repeat of a disturbed trial
	Stage   int       `json:"stage,omitempty"`   // of a gate: 2·look from 0, and one more for the pairs that confirm
	Seq     int       `json:"seq"`               // order of execution within the run, from 0
	Start   time.Time `json:"start"`
	Status  Status    `json:"status"`
	Reason  string    `json:"reason,omitempty"`
	Stderr  string    `json:"stderr,omitempty"` // tail, bounded
	Tasks   int       `json:"tasks"`            // of each batch
	Warmup  Nanos     `json:"warmup_ns,omitempty"`
	Wall    Nanos     `json:"wall_ns,omitempty"` // measured batches, integer nanoseconds
	Digest  string    `json:"digest,omitempty"`
	SetupNS int64     `json:"setup_ns"`
	TotalNS int64     `json:"total_ns"` // from start to reaped, by the harness's clock
	// OverheadNS is TotalNS less set-up, warm-up and measured batches: starting, talking, reaping.
	OverheadNS   int64 `json:"overhead_ns"`
	CPUNS        int64 `json:"cpu_ns"`      // of all trial processes over the measured span
	SpanNS       int64 `json:"span_ns"`     // wall time of that span
	PeakBytes    int64 `json:"peak_bytes"`  // sum of each process's own VmHWM
	PSSBytes     int64 `json:"pss_bytes"`   // of the tree
	Processes    int   `json:"processes"`   // alive after the last batch
	GCCycles     int   `json:"gc_cycles"`   // of the trial process
	GCPauseNS    int64 `json:"gc_pause_ns"` // of the trial process
	CtxVoluntary int64 `json:"ctx_voluntary"`
	CtxForced    int64 `json:"ctx_forced"`
	FaultsMinor  int64 `json:"faults_minor"`
	FaultsMajor  int64 `json:"faults_major"`
	FixtureCPUNS int64 `json:"fixture_cpu_ns,omitempty"`
	// The next four are known where tasks are commands, and of the measured batches alone.
	UserNS   int64 `json:"user_ns,omitempty"`   // processor time of all tasks in user mode
	SystemNS int64 `json:"system_ns,omitempty"` // and in the kernel
	ShellNS  int64 `json:"shell_ns,omitempty"`  // what the start of the shell took, which is part of each task; 0: none
	// PeakBound says that PeakBytes, then that of the largest single task, is only known to be no more than that.
	PeakBound bool           `json:"peak_bound,omitempty"`
	Exits     map[string]int `json:"exits,omitempty"` // how many tasks ended how: "0", "1", "signal 9"
	MHz       float64        `json:"mhz,omitempty"`   // mean over the cell's CPUs at the end, where readable
	Others    *Outside       `json:"others,omitempty"`
	// Split is where the time of additional, probed batches went; nil where there were none. CloseNS is how long ending the
	// strategy took; 0: not known.
	Split   *Split `json:"split,omitempty"`
	CloseNS int64  `json:"close_ns,omitempty"`
}

// Outside is the evidence that others used the machine during a trial. Absent: unknown.
type Outside struct {
	Source   string  `json:"source"`    // cgroup-v1, cgroup-v2 or proc-stat
	CPUShare float64 `json:"cpu_share"` // CPU time of others, in cores
	Steal    float64 `json:"steal"`     // stolen time, in cores
	Flagged  bool    `json:"flagged"`   // above the threshold: the trial is repeated where that is allowed
}

// Observation returns seconds per task, the one number a trial gives the statistics: the sum of its measured batches
// over batches times tasks. It is the mean because the mean includes garbage collection. ok is false for a trial that
// did not end well or measured nothing.
func (t *Trial) Observation() (seconds float64, ok bool) {
	if t.Status != OK || len(t.Wall) == 0 || t.Tasks <= 0 {
		return 0, false
	}
	var sum int64
	for _, w := range t.Wall {
		sum += w
	}
	if sum <= 0 {
		return 0, false
	}
	return float64(sum) / 1e9 / float64(len(t.Wall)) / float64(t.Tasks), true
}

// Note is any other record: "resume" when a run goes on in a later process, "end" when it is complete or was stopped.
type Note struct {
	Type    string    `json:"type"` // "resume" or "end"
	Time    time.Time `json:"time"`
	Reason  string    `json:"reason,omitempty"` // of an end: "complete", "interrupted" or another reason to stop
	Joined  bool      `json:"joined,omitempty"` // of a resume: conditions differed and the user said to join anyway
	Differs []string  `json:"differs,omitempty"`
}

// Run is a run file in memory.
type Run struct {
	Header Header
	Trials []Trial
	Notes  []Note
	// Torn is the number of bytes of an unfinished last line that reading skipped; 0 for a whole file.
	Torn int
	// Skipped counts whole lines that were not understood and skipped.
	Skipped int
}
