package claim

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// The types here are what probes report, in any language: the fields of their JSON documents. Times are in seconds, sizes
// in bytes.

// Outcome is what came of one call.
type Outcome struct {
	Call  string  `json:"call"`
	Got   []int   `json:"got"` // nil: it did not return
	Want  []int   `json:"want"`
	Error string  `json:"error,omitempty"` // "Type: message"
	Hung  float64 `json:"hung,omitempty"`  // how long it had been waiting when nobody waited any longer
}

// Returned is what C1 sees.
type Returned struct {
	Calls []Outcome `json:"calls"`
}

// Timed are repetitions of one call.
type Timed struct {
	Call   string    `json:"call"`
	Walls  []float64 `json:"walls"`
	AtOnce []int     `json:"at_once"` // the most tasks that ran at one moment
}

// Running is what C2 sees.
type Running struct {
	Tasks int     `json:"tasks"`
	Sleep float64 `json:"sleep"`
	Calls []Timed `json:"calls"`
}

// Dummy is what C3 sees.
type Dummy struct {
	Returned Returned `json:"returned"`
	Running  Running  `json:"running"`
}

// OnDemand is a pool that starts workers as they are needed.
type OnDemand struct {
	Name     string `json:"name"`
	Workers  int    `json:"workers"`
	AtStart  int    `json:"at_start"`
	AfterOne int    `json:"after_one"`
}

// Processes is what C4 sees.
type Processes struct {
	Workers int `json:"workers"`
	AtStart int `json:"at_start"` // worker processes before any task
	Tasks   int `json:"tasks"`
	Pids    int `json:"pids"` // processes that ran them
	Limited struct {
		Option string `json:"option"`
		Tasks  int    `json:"tasks"`
		Pids   int    `json:"pids"`
	} `json:"limited"`
	Other *OnDemand `json:"other,omitempty"`
}

// Hunt is one search that stops at its match.
type Hunt struct {
	Match      int     `json:"match"`      // index of the task that matches
	Submitted  int     `json:"submitted"`  // calls, when the match was found
	Unanswered int     `json:"unanswered"` // the most calls that waited for their result to be looked at
	Grown      float64 `json:"grown"`      // memory
	Seconds    float64 `json:"seconds"`
}

// Search is what C5 sees.
type Search struct {
	Task    float64 `json:"task"`
	Workers int     `json:"workers"`
	Threads string  `json:"threads"` // what they are called
	Near    []Hunt  `json:"near"`    // the program as it was given: nothing bounds the queue between the threads
	Far     []Hunt  `json:"far"`     // the same with a later match; round by round with Near
	Limit   int     `json:"limit"`   // of the queue in Queued
	Queued  []Hunt  `json:"queued"`  // as Far, with a bounded queue
	Pool    string  `json:"pool"`    // the option by which the pool itself bounds calls; empty: there is none
	Default int     `json:"default"` // its value in Near, Far and Queued
	Cap     int     `json:"cap"`     // its value in Capped
	Capped  []Hunt  `json:"capped"`  // as Far, with a pool of such a bound
}

// Joining is what C6 sees.
type Joining struct {
	Calls []Outcome `json:"calls"`
	After []Outcome `json:"after"` // a task for the same pools
}

// Order is one run of C7.
type Order struct {
	Sample         bool      `json:"sample"`        // with the article's delays
	Ordered        []int     `json:"ordered"`       // indices of inputs as their results came
	OrderedEnded   []float64 `json:"ordered_ended"` // when each input's task ended
	Unordered      []int     `json:"unordered"`
	UnorderedEnded []float64 `json:"unordered_ended"`
}

// Ordering is what C7 sees.
type Ordering struct {
	Runs []Order `json:"runs"`
}

// Reads are seconds for reading one number.
type Reads struct {
	Kind    string    `json:"kind"`
	Seconds []float64 `json:"seconds"`
}

// Managed is what C8 sees. The last of Reads is the manager's.
type Managed struct {
	Reads  []Reads   `json:"reads"`
	Server int       `json:"server"` // process ids
	Self   int       `json:"self"`
	After  []Outcome `json:"after"` // reading the manager's, then shared memory, after the manager's process was killed
}

// Size are messages of one size, pairwise.
type Size struct {
	Bytes int       `json:"bytes"`
	Pipe  []float64 `json:"pipe"`
	Queue []float64 `json:"queue"`
}

// Speed is what C9 sees.
type Speed struct {
	Sizes []Size `json:"sizes"`
}

// Shared is one end used by two processes.
type Shared struct {
	Sent   int     `json:"sent"`
	Intact int     `json:"intact"`
	By     []int   `json:"by"` // how many each reader got
	Error  string  `json:"error,omitempty"`
	Hung   float64 `json:"hung,omitempty"`
}

// ThirdProcess is what C10 sees.
type ThirdProcess struct {
	Polite  Shared   `json:"polite"`  // by turns, under a lock
	Message int      `json:"message"` // size of the others'
	Rude    []Shared `json:"rude"`    // at once, without a lock
}

// MovedEnds is what C10 sees in Go.
type MovedEnds struct {
	First  Outcome `json:"first"`  // a process gets the end
	Second Outcome `json:"second"` // a second one is to get it too
}

// Arguments is what C11 sees.
type Arguments struct {
	Arguments []Outcome `json:"arguments"`
	Inherited Outcome   `json:"inherited"`
}

// Start is a process that was started.
type Start struct {
	Call  string `json:"call"`
	Want  int    `json:"want"`
	Exit  *int   `json:"exit"`
	Error string `json:"error,omitempty"`
}

// Starting is what C12 sees.
type Starting struct {
	Calls []Start `json:"calls"`
}

// Ended is a process that ended, and what it left.
type Ended struct {
	Exit     int  `json:"exit"` // below 0: a signal
	AtExit   bool `json:"atexit"`
	Finally  bool `json:"finally"`
	WasChild bool `json:"was_child"`
	Orphan   bool `json:"orphan"`
	Parent   int  `json:"parent"`  // of the grandchild now; 0: it is dead
	WasKin   bool `json:"was_kin"` // the same of a grandchild that was started with the package itself: alive before,
	Kin      bool `json:"kin"`     // and after
}

// Terminating is what C13 sees.
type Terminating struct {
	Runs    []Ended `json:"runs"`
	Normal  Ended   `json:"normal"` // one that returned by itself
	Handler string  `json:"handler"`
	Clause  string  `json:"clause"`
	Package string  `json:"package"` // that the other grandchild was started with
}

// Batch are the tasks of a pool whose worker was killed.
type Batch struct {
	Others   int     `json:"others"` // tasks beside the one that killed
	Finished int     `json:"finished"`
	Errors   int     `json:"errors"` // of the others
	Victim   string  `json:"victim"` // the error that the killing task's caller got
	Other    string  `json:"other"`  // an error that another got
	Hung     float64 `json:"hung,omitempty"`
}

// Pair are two processes, of which one was killed. A status below 0 is a signal.
type Pair struct {
	Victim  int `json:"victim"`
	Sibling int `json:"sibling"`
}

// Crashing is what C14 sees.
type Crashing struct {
	Pools     []Batch `json:"pools"`
	Executors []Batch `json:"executors"`
	Plain     []Pair  `json:"plain"`
	Pool      string  `json:"pool"` // names
	Executor  string  `json:"executor"`
}

// Copy is a forked child.
type Copy struct {
	Private   float64 `json:"private"` // memory of its own, at first
	Read      float64 `json:"private_read"`
	Written   float64 `json:"private_written"`
	Threads   int     `json:"threads"`
	Same      bool    `json:"same"`      // it saw the parent's data
	Unchanged bool    `json:"unchanged"` // the parent did not see its writes
}

// Copying is what C15 sees.
type Copying struct {
	Bytes   int    `json:"bytes"`
	Threads int    `json:"threads"` // of the parent
	Runs    []Copy `json:"runs"`
}

// FreshGlobals is what C15 sees in Go.
type FreshGlobals struct {
	Initial int `json:"initial"`
	Parent  int `json:"parent"`
	Child   int `json:"child"`
	Sent    int `json:"sent"` // and what arrived of an argument
	Arrived int `json:"arrived"`
}

// Use is one run of all tasks.
type Use struct {
	Wall float64 `json:"wall"`
	CPU  float64 `json:"cpu"`
}

// Way are the runs of one way.
type Way struct {
	Way  string `json:"way"`
	Runs []Use  `json:"runs"`
}

// Computing is what C16 sees: one after another, on threads, in processes.
type Computing struct {
	Workers int   `json:"workers"`
	Tasks   int   `json:"tasks"`
	Ways    []Way `json:"ways"`
	Shared  []Way `json:"shared,omitempty"` // the same with an object that all threads share
}

// Kind is a kind of waiting; its slices belong together in rounds.
type Kind struct {
	Kind       string    `json:"kind"`
	Sequential []float64 `json:"sequential"`
	Threads    []float64 `json:"threads"`
	Processes  []float64 `json:"processes"`
}

// Waiting is what C17 sees.
type Waiting struct {
	Tasks   int     `json:"tasks"`
	Delay   float64 `json:"delay"`
	Threads string  `json:"threads"` // what they are called
	Kinds   []Kind  `json:"kinds"`
}

// Output counts a line in one kind of output.
type Output struct {
	To    string `json:"to"`
	Times []int  `json:"times"`
	Error string `json:"error,omitempty"`
}

// Printing is what C18 sees.
type Printing struct {
	Outputs []Output `json:"outputs"`
}

// Stopping is what C19 sees.
type Stopping struct {
	Match     int   `json:"match"`
	Submitted []int `json:"submitted"`
	Limit     int   `json:"limit"` // where the loop ended without having seen the flag; 0: nowhere
}

// Get is one waiting for a result.
type Get struct {
	Ready    bool    `json:"ready"` // before the wait
	Timed    string  `json:"timed"` // what a wait with too short a limit gave
	Elapsed  float64 `json:"elapsed"`
	AfterEnd bool    `json:"after_end"` // it returned after the task's end
}

// Blocking is what C20 sees.
type Blocking struct {
	Sleep float64 `json:"sleep"`
	Runs  []Get   `json:"runs"`
}

// The checks below refuse documents that say nothing: judges rely on there being something to judge.

var errNothing = errors.New("nothing was observed")

// some is errNothing unless every count is positive.
func some(counts ...int) error {
	for _, n := range counts {
		if n < 1 {
			return errNothing
		}
	}
	return nil
}

// positive refuses samples that no clock gives.
func positive(samples ...[]float64) error {
	for _, s := range samples {
		if err := some(len(s)); err != nil {
			return err
		}
		for _, v := range s {
			if !(v > 0) || math.IsInf(v, 0) {
				return fmt.Errorf("a duration of %v", v)
			}
		}
	}
	return nil
}

func (o Returned) check() error { return some(len(o.Calls)) }

func (o Running) check() error {
	if err := some(len(o.Calls), o.Tasks); err != nil {
		return err
	}
	for _, c := range o.Calls {
		if err := positive(c.Walls); err != nil {
			return err
		}
		if err := some(len(c.AtOnce)); err != nil {
			return err
		}
	}
	return nil
}

func (o Dummy) check() error {
	if err := o.Returned.check(); err != nil {
		return err
	}
	return o.Running.check()
}

func (o Processes) check() error { return some(o.Workers, o.Tasks, o.Pids) }

func (o Search) check() error {
	for _, h := range slices.Concat(o.Near, o.Far, o.Queued, o.Capped) {
		if h.Match < 0 || h.Submitted <= h.Match {
			return errors.New("a match that had not been submitted")
		}
		if err := positive([]float64{h.Seconds}); err != nil {
			return err
		}
	}
	if len(o.Near) != len(o.Far) {
		return errors.New("unequal rounds")
	}
	return some(len(o.Near), o.Workers)
}

func (o Joining) check() error { return some(len(o.Calls)) }

func (o Ordering) check() error {
	for _, r := range o.Runs {
		for _, order := range [][]int{r.Ordered, r.Unordered} {
			if len(order) != len(r.OrderedEnded) || len(order) != len(r.UnorderedEnded) {
				return errors.New("a run with results missing")
			}
			for _, i := range order {
				if i < 0 || i >= len(order) {
					return fmt.Errorf("a result of input %d of %d", i, len(order))
				}
			}
		}
	}
	return some(len(o.Runs))
}

func (o Managed) check() error {
	if len(o.After) != 2 {
		return errNothing
	}
	for _, r := range o.Reads {
		if err := positive(r.Seconds); err != nil {
			return err
		}
	}
	return some(len(o.Reads), o.Server, o.Self)
}

func (o Speed) check() error {
	for _, s := range o.Sizes {
		if err := positive(s.Pipe, s.Queue); err != nil {
			return err
		}
		if len(s.Pipe) != len(s.Queue) {
			return errors.New("unequal pairs")
		}
	}
	return some(len(o.Sizes))
}

func (o ThirdProcess) check() error { return some(o.Polite.Sent, len(o.Rude)) }

func (o MovedEnds) check() error {
	if o.First.Call == "" || o.Second.Call == "" {
		return errNothing
	}
	return nil
}

func (o Arguments) check() error {
	if len(o.Arguments) < 2 || o.Inherited.Call == "" {
		return errNothing
	}
	return nil
}

func (o Starting) check() error { return some(len(o.Calls)) }

func (o Terminating) check() error {
	for _, e := range o.Runs {
		if e.Exit == 0 {
			return errors.New("a child that was not terminated")
		}
	}
	return some(len(o.Runs))
}

func (o Crashing) check() error { return some(len(o.Pools), len(o.Plain)) }

func (o Copying) check() error { return some(o.Bytes, o.Threads, len(o.Runs)) }

func (o FreshGlobals) check() error {
	if o.Parent == o.Initial {
		return errNothing
	}
	return nil
}

func (o Computing) check() error {
	if len(o.Ways) != 3 || len(o.Shared) != 0 && len(o.Shared) != 3 {
		return errNothing
	}
	for _, w := range slices.Concat(o.Ways, o.Shared) {
		if len(w.Runs) != len(o.Ways[0].Runs) {
			return errors.New("unequal rounds")
		}
		for _, r := range w.Runs {
			if err := positive([]float64{r.Wall, r.CPU}); err != nil {
				return err
			}
		}
	}
	return some(o.Workers, len(o.Ways[0].Runs))
}

func (o Waiting) check() error {
	for _, k := range o.Kinds {
		if err := positive(k.Sequential, k.Threads, k.Processes); err != nil {
			return err
		}
		if len(k.Sequential) != len(k.Threads) || len(k.Processes) != len(k.Threads) {
			return errors.New("unequal rounds")
		}
	}
	return some(o.Tasks, len(o.Kinds))
}

func (o Printing) check() error { return some(len(o.Outputs)) }

func (o Stopping) check() error { return some(o.Match, len(o.Submitted)) }

func (o Blocking) check() error {
	for _, g := range o.Runs {
		if err := positive([]float64{o.Sleep, g.Elapsed}); err != nil {
			return err
		}
	}
	return some(len(o.Runs))
}
