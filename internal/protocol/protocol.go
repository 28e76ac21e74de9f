// Package protocol holds the record types that the harness and a trial program exchange: JSON lines on two private
// descriptors. docs/protocol.md describes it without reference to Go. The package imports nothing of parbench and
// knows no transport beyond "a line".
package protocol

// Version is the protocol's version; a program answers any other with an error record.
const Version = 1

// Cookie is the environment variable that tells a program it was started as a trial; its value is CookieValue. A
// program without it was started by a person and must say so instead of waiting on descriptor 3.
const (
	Cookie      = "PARBENCH_TRIAL"
	CookieValue = "1"
	// FDIn and FDOut are the descriptors of requests and records. End of file on FDIn is the lifeline: the harness is gone.
	FDIn  = 3
	FDOut = 4
)

// Bounds that both sides keep: a longer line or more records than that is an error of the protocol.
const (
	MaxLine    = 8 << 20
	MaxRecords = 100_000
	// BatchChunk is the most batch times one "batches" record holds.
	BatchChunk = 100_000
)

// Request is a line the harness sends. Op says which of the pointers is set ("describe" and "go" have none).
type Request struct {
	Protocol int    `json:"protocol"`
	Op       string `json:"op"` // describe, run, go, serve
	Run      *Run   `json:"run,omitempty"`
	Serve    *Serve `json:"serve,omitempty"`
}

// Run asks for one cell.
type Run struct {
	Workload       string            `json:"workload"`
	Params         map[string]string `json:"params"`
	Fixture        string            `json:"fixture,omitempty"`
	Strategy       string            `json:"strategy"`
	StrategyParams map[string]string `json:"strategy_params"`
	Workers        int               `json:"workers"`
	Cores          int               `json:"cores"`
	Seed           uint64            `json:"seed,string"`
	Tasks          int               `json:"tasks"` // 0: the probe chooses (Info.OwnN)
	// GrainNS is about how long one task takes alone; 0: it is not known yet.
	GrainNS int64 `json:"grain_ns,omitempty"`
	// MinBatchNS: measured batches go on until they add up to this and there are MinBatches of them.
	MinBatchNS int64 `json:"min_batch_ns"`
	MinBatches int   `json:"min_batches"`
	// MinWarmupNS: warm-up batches go on until they add up to this; there is always WarmupBatches of them at least.
	MinWarmupNS   int64 `json:"min_warmup_ns"`
	WarmupBatches int   `json:"warmup_batches"`
	// Deadline, in nanoseconds from the request, after which the program gives up by itself; the harness kills soon after.
	DeadlineNS int64 `json:"deadline_ns"`
	// Digests asks, after the measurement, for the batch digests of these task counts, computed untimed by running the
	// tasks one after another. 0 stands for the number of tasks the program chose itself.
	Digests []int `json:"digests,omitempty"`
	// ProbeNS, if not 0, asks for probed batches after the measured ones: one at least, and more until they add up to this.
	ProbeNS int64 `json:"probe_ns,omitempty"`
}

// Serve asks for a fixture. The program answers with a "serving" record and stops at the end of its input.
type Serve struct {
	Fixture string `json:"fixture"`
}

// Record is a line the program sends. Type says which of the pointers is set.
type Record struct {
	Type     string       `json:"type"` // description, ready, batches, usage, probe, digests, serving, error, done
	Describe *Description `json:"description,omitempty"`
	Ready    *Ready       `json:"ready,omitempty"`
	Batches  *Batches     `json:"batches,omitempty"`
	Usage    *Usage       `json:"usage,omitempty"`
	Probe    *Probe       `json:"probe,omitempty"`
	Digests  []Digest     `json:"digests,omitempty"`
	Serving  *Serving     `json:"serving,omitempty"`
	Error    *Error       `json:"error,omitempty"`
	Done     *Done        `json:"done,omitempty"`
}

// Description is what a program offers.
type Description struct {
	Protocol   int        `json:"protocol"`
	Program    string     `json:"program"` // name and version, for people
	Runtime    string     `json:"runtime"` // such as "go1.26.8 linux/amd64"
	Workloads  []Workload `json:"workloads"`
	Strategies []Strategy `json:"strategies"`
}

// Workload mirrors workloads.Info.
type Workload struct {
	Name    string  `json:"name"`
	Kind    string  `json:"kind"`
	Doc     string  `json:"doc"`
	Params  []Param `json:"params,omitempty"`
	Fixture string  `json:"fixture,omitempty"`
	Probe   bool    `json:"probe,omitempty"`
	OwnN    bool    `json:"own_n,omitempty"`
	// Unavailable says why the workload cannot run here although the program knows it, and what would help.
	Unavailable string `json:"unavailable,omitempty"`
}

// Strategy mirrors strategies.Info.
type Strategy struct {
	Name       string         `json:"name"`
	Doc        string         `json:"doc"`
	Params     []Param        `json:"params,omitempty"`
	OneCore    bool           `json:"one_core,omitempty"`
	Serial     bool           `json:"serial,omitempty"`
	Unbounded  bool           `json:"unbounded,omitempty"`
	GOMAXPROCS int            `json:"gomaxprocs,omitempty"`
	TaskCap    int            `json:"task_cap,omitempty"`
	ModeCaps   map[string]int `json:"mode_caps,omitempty"`
	Processes  bool           `json:"processes,omitempty"`
	// OneWorker marks a strategy that runs one task at a time, whatever the number of cores: the task may use them all.
	OneWorker bool `json:"one_worker,omitempty"`
	// Reference marks the strategy that this program's others are compared with; where none is marked, it is the one
	// called "sequential".
	Reference bool `json:"reference,omitempty"`
	// Library is the library that the strategy is made of, and its version; empty: none of its own.
	Library string `json:"library,omitempty"`
	// Kinds are the kinds of workloads that it can run; empty: all.
	Kinds []string `json:"kinds,omitempty"`
	// Unavailable says why the strategy cannot run here although the program knows it, and what would help.
	Unavailable string `json:"unavailable,omitempty"`
}

// Param mirrors workloads.Param.
type Param struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Default string   `json:"default,omitempty"`
	Doc     string   `json:"doc"`
	Min     float64  `json:"min,omitempty"`
	Max     float64  `json:"max,omitempty"`
	Choices []string `json:"choices,omitempty"`
	Auto    string   `json:"auto,omitempty"`
	// Unavailable maps values that a choice can have elsewhere, but not here, to the reason.
	Unavailable map[string]string `json:"unavailable,omitempty"`
}

// Ready says that set-up is finished and the program waits for "go".
type Ready struct {
	Pid     int   `json:"pid"`
	SetupNS int64 `json:"setup_ns"` // preparing the tasks and starting the strategy
	Tasks   int   `json:"tasks"`    // tasks of a batch: as asked, or as the probe chose
}

// Batches carries batch durations in the order they ran.
type Batches struct {
	Tasks  int     `json:"tasks"`
	Warmup []int64 `json:"warmup_ns,omitempty"`
	Wall   []int64 `json:"wall_ns,omitempty"`
	Digest string  `json:"digest,omitempty"` // 16 hex digits, equal for every batch of a trial
}

// Usage is what the measured batches cost. Figures that could not be read are absent or zero.
type Usage struct {
	CPUNS        int64 `json:"cpu_ns"`      // all trial processes, between the first and the last measured batch
	WallNS       int64 `json:"wall_ns"`     // the same span
	PeakBytes    int64 `json:"peak_bytes"`  // sum of each process's own VmHWM
	PSSBytes     int64 `json:"pss_bytes"`   // of the tree, after the last batch
	Processes    int   `json:"processes"`   // living after the last batch, this one included
	GCCycles     int   `json:"gc_cycles"`   // of this process
	GCPauseNS    int64 `json:"gc_pause_ns"` // of this process
	CtxVoluntary int64 `json:"ctx_voluntary"`
	CtxForced    int64 `json:"ctx_forced"`
	FaultsMinor  int64 `json:"faults_minor"`
	FaultsMajor  int64 `json:"faults_major"`
	// What a program knows whose tasks are processes of their own. PeakBytes is then that of the largest one.
	UserNS    int64          `json:"user_ns,omitempty"`    // all tasks, in user mode
	SystemNS  int64          `json:"system_ns,omitempty"`  // and in the kernel
	ShellNS   int64          `json:"shell_ns,omitempty"`   // start of the shell that each task begins with
	PeakBound bool           `json:"peak_bound,omitempty"` // PeakBytes is only known to be no more than that
	Exits     map[string]int `json:"exits,omitempty"`      // tasks by exit status: "0", "1", "signal 9"
}

// Digest is the batch digest of a task count.
type Digest struct {
	Tasks  int    `json:"tasks"`
	Digest string `json:"digest"`
}

// Serving says where a fixture listens.
type Serving struct {
	Pid  int    `json:"pid"`
	Addr string `json:"addr"`
}

// Done ends a conversation that went well.
type Done struct {
	// UntimedNS is the time the program spent on work of its own outside set-up and batches: choosing a number of tasks,
	// reading usage, ending the strategy, computing digests. What is left of a trial's wall time is the harness's overhead.
	UntimedNS int64 `json:"untimed_ns"`
	// CloseNS is how long ending the strategy took; 0: not known.
	CloseNS int64 `json:"close_ns,omitempty"`
}

// Error ends a trial. Kind is one of the Err… constants.
type Error struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Task    int    `json:"task,omitempty"`
	Stack   string `json:"stack,omitempty"`
}

// What an Error record says went wrong.
const (
	ErrTask     = "task"     // a task returned an error
	ErrPanic    = "panic"    // a task panicked
	ErrDigest   = "digest"   // two batches of one trial disagreed
	ErrDeadline = "deadline" // the program gave up at its deadline
	ErrSetup    = "setup"    // preparing or starting failed
	ErrRequest  = "request"  // the request was not understood
)
